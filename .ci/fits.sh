#!/usr/bin/env bash
# FITS images as astropy writes them, and shifts of images by their world coordinates.
. .ci/common.sh
.ci/bootstrap.sh test fits
must_pass "${HPCDVC_VENV:-.venv}/bin/python" -m pytest tests/images/test_fits.py tests/commands/test_shift_wcs.py
