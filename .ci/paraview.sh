#!/usr/bin/env bash
# The files of hpcdvc in a real ParaView, and in pyvista.
. .ci/common.sh
need_packages paraview python3-paraview xvfb xauth
.ci/bootstrap.sh test vtk
must_pass "${HPCDVC_VENV:-.venv}/bin/python" -m pytest tests/output/test_paraview.py
