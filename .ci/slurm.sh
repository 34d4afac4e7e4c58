#!/usr/bin/env bash
# The job files of slurm/ and of hpcdvc-submit on a real one-machine Slurm.
. .ci/common.sh
need_packages slurm-wlm munge
.ci/bootstrap.sh test
must_pass "${HPCDVC_VENV:-.venv}/bin/python" -m pytest tests/commands/test_slurm.py
