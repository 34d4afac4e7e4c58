#!/usr/bin/env bash
# The pages in a real browser, without a window.
. .ci/common.sh
need_packages chromium
.ci/bootstrap.sh test gui
must_pass "${HPCDVC_VENV:-.venv}/bin/python" -m pytest tests/pages
