# The files of hpcdvc in a real ParaView.
. .ci/common.sh
need_packages paraview python3-paraview xvfb xauth
must_pass "${HPCDVC_VENV:-.venv}/bin/python" -m pytest tests/test_paraview.py
