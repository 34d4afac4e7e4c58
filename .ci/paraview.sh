#!/usr/bin/env bash
# The files of hpcdvc in a real ParaView, in pyvista, and as tables of pandas and data sets of xarray.
. .ci/common.sh
need_packages paraview python3-paraview xvfb xauth
.ci/bootstrap.sh test notebook
must_pass "${HPCDVC_VENV:-.venv}/bin/python" -m pytest tests/output/test_paraview.py tests/output/test_paraview_mesh.py tests/output/test_paraview_dense.py tests/output/test_paraview_pictures.py tests/output/test_read.py tests/output/test_vtk.py tests/output/test_mesh_file.py
