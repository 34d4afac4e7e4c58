#!/usr/bin/env bash
# What is given away: sdist, wheel, what the wheel installs, and the recipes for conda, Spack and Apptainer as far as
# they can be tried without these programs. The wheel is built from the sdist, and installed by the steps of the
# Apptainer recipe, into a fresh environment of its own.
. .ci/common.sh
.ci/bootstrap.sh test
here=$PWD
base=$(realpath "${HPCDVC_VENV:-.venv}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf -- '-- %s\n' "$*"; }

# A section of the Apptainer recipe, with the arguments that it is built with.
section() { awk -v name="%$1" '/^%/ { inside = ($1 == name); next } inside' "$here/packaging/apptainer/hpcdvc.def" | sed 's/{{ mpi }}/openmpi/'; }

say "sdist, and the wheel of it"
"$base/bin/python" setup.py -q egg_info --egg-base "$work" sdist -d "$work" >/dev/null 2>&1
sdist=$(ls "$work"/hpcdvc-*.tar.gz)
tar tzf "$sdist" >"$work/listed"
for name in CITATION.cff packaging/spack/package.py packaging/conda/recipe.yaml slurm/hpcdvc-ldic.sbatch bin/hpcdvc; do
    grep -qx "[^/]*/$name" "$work/listed" || { echo "the sdist lacks $name"; exit 1; }
done
"$base/bin/python" -m pip wheel -q --no-deps --no-build-isolation -w "$work" "$sdist"
wheel=$(ls "$work"/hpcdvc-*.whl)

say "Apptainer recipe: its %post with this wheel, and its %test"
mkdir "$work/stubs"
printf '#!/bin/sh\necho "$*" >>"%s"\n' "$work/apt" >"$work/stubs/apt-get"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$("$base/bin/python" -c 'import sys; print(sys._base_executable)')" >"$work/stubs/python3"
printf '#!/bin/sh\n:\n' >"$work/stubs/rm"
chmod +x "$work"/stubs/*
section post | PATH="$work/stubs:$PATH" HPCDVC_PREFIX="$work/env" HPCDVC_SOURCE="$wheel" sh -e >"$work/post" 2>&1 ||
    { cat "$work/post"; exit 1; }
if command -v apt-cache >/dev/null && apt-cache show gcc >/dev/null 2>&1; then
    for name in $(sed -n 's/^install -y --no-install-recommends //p' "$work/apt"); do
        apt-cache show "$name" >/dev/null || { echo "no Debian package $name, which the Apptainer recipe installs"; exit 1; }
    done
fi
export PATH="$work/env/bin:$PATH"
section test | sh -e >/dev/null
[ "$(dirname "$(command -v hpcdvc)")" = "$work/env/bin" ]

say "commands of the wheel, away from the source tree"
mkdir "$work/run" && cd "$work/run"
[ -x "$base/bin/mpiexec.hydra" ] && "$work/env/bin/pip" install -q mpich
cp "$here"/tests/data/tensile_1*.tif .
hpcdvc-ldic -q tensile_151.tif tensile_170.tif -ns 60 -hws 15 -od single
hpcdvc ldic -q tensile_151.tif tensile_170.tif -ns 60 -hws 15 -od suite -np 2
cmp single/tensile_151-tensile_170-ldic.tsv suite/tensile_151-tensile_170-ldic.tsv
hpcdvc --help >listed && grep -q "^  ldic " listed
code=0 && hpcdvc ldci 2>said || code=$?
[ $code -eq 2 ] && grep -q "did you mean ldic" said
[ "$(hpcdvc ldic --version)" = "$(hpcdvc-ldic --version)" ]
ls "$work"/env/lib/python3*/site-packages/hpcdvc/pages/static/view.html >/dev/null

say "manual pages"
share=$work/env/share
for page in "$share"/man/man1/*.1; do
    problems=$(groff -man -Tutf8 -k -ww -z "$page" 2>&1 || true)
    [ -z "$problems" ] || { echo "$page: $problems"; exit 1; }
done
for name in "$here"/bin/*; do [ -f "$share/man/man1/$(basename "$name").1" ] || { echo "no page of $name"; exit 1; }; done
if command -v man >/dev/null; then
    man -l "$share/man/man1/hpcdvc-ldic.1" >shown 2>/dev/null && grep -q -- "--half-window-size" shown
fi

say "completions"
offered=$(bash --norc -c '. "$1/hpcdvc-ldic"; COMP_WORDS=(hpcdvc-ldic a.tif --start); COMP_CWORD=2; _hpcdvc
    echo "${COMPREPLY[*]}"' bash "$share/bash-completion/completions")
[ "$offered" = --start-from ] || { echo "bash offers $offered"; exit 1; }
[ -s "$share/zsh/site-functions/_hpcdvc" ]
[ -s "$share/fish/vendor_completions.d/hpcdvc-ldic.fish" ]

say "job files"
for name in "$here"/slurm/*.sbatch; do cmp "$name" "$share/hpcdvc/slurm/$(basename "$name")"; done

say "conda recipe and CITATION.cff"
python3 -m venv "$work/tools"
if "$work/tools/bin/pip" install -q cffconvert py-rattler-build >/dev/null 2>&1; then
    "$work/tools/bin/cffconvert" --validate -i "$here/CITATION.cff"
    "$work/tools/bin/python" "$here/packaging/conda/render.py"
else
    echo "cffconvert and py-rattler-build cannot be had here: both files are looked at by tests/test_recipes.py only"
fi

say "Spack package and what all recipes say"
cd "$here"
must_pass "$base/bin/python" -m pytest -q -p no:cacheprovider tests/test_recipes.py
