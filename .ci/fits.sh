#!/usr/bin/env bash
# FITS images as astropy writes them, shifts of images by their world coordinates, and the lines of that page.
. .ci/common.sh
.ci/bootstrap.sh test fits
must_pass "${HPCDVC_VENV:-.venv}/bin/python" -m pytest tests/images/test_fits.py tests/commands/test_shift_wcs.py \
    "tests/commands/test_docs_sequences.py::test_lines_of_a_page_in_order[docs/guide/shift.md]"
