#!/usr/bin/env bash
# What somebody does who has found the repository: a fresh clone, `pip install .`, the page docs/first_hour.md.
. .ci/common.sh
root=$PWD
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git clone --quiet --no-hardlinks . "$folder/source"
"${PYTHON:-python3}" -m venv "$folder/env" || skip "this Python makes no environments"
(cd "$folder/source" && "$folder/env/bin/pip" install --quiet .)
"$folder/env/bin/pip" install --quiet pytest pytest-mpi
"$root/.ci/bootstrap.sh" >/dev/null
launcher=${HPCDVC_VENV:-$root/.venv}/bin
cd "$folder"
PATH="$PATH:$launcher" HPCDVC_INSTALLED=$folder/env must_pass \
    "$folder/env/bin/pytest" -q -o pythonpath=tests/support "$folder/source/tests/commands/test_first_hour.py"
