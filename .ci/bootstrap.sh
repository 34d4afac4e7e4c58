#!/bin/sh
# Make or update the private environment: bootstrap.sh [extra ...]
#   Python packages, compiled kernels and a launcher `bin/mpiexec` that works, in $HPCDVC_VENV (default .venv).
#   PYTHON names the interpreter, MPIEXEC the launcher to use; an `extra` is a further set of packages of pyproject.toml,
#   such as docs, and `all` is every one that users may want.
# Each step is skipped when its stamp says that nothing has changed. No root needed, nothing outside the folder touched.
set -eu
cd "$(dirname "$0")/.."
case ${HPCDVC_VENV:-.venv} in
    /*) venv=$HPCDVC_VENV ;;
    *) venv=$PWD/${HPCDVC_VENV:-.venv} ;;
esac
stamps=$venv/.hpcdvc
export PIP_DISABLE_PIP_VERSION_CHECK=1

say() { echo "hpcdvc: $*"; }
die() { echo "hpcdvc: $*" >&2; exit 1; }

# Runs a command, whose output matters only when it fails.
quietly() {
    log=$(mktemp)
    "$@" >"$log" 2>&1 && { rm -f "$log"; return; }
    cat "$log" >&2
    rm -f "$log"
    die "this failed: $*"
}

changed() { [ "$(cat "$stamps/$1" 2>/dev/null)" != "$2" ]; }
stamp() { echo "$2" >"$stamps/$1"; }

find_python() {
    for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11}; do
        python=$(command -v "$name") || continue
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return
    done
    die "Python 3.11 or newer is needed and ${PYTHON:-python3} is not; install one, or name it: make PYTHON=/path/to/python3 ..."
}

make_venv() {
    "$venv/bin/python" -c 'import pip' >/dev/null 2>&1 && return
    find_python
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        die "$python has no venv module; on Debian and Ubuntu 'apt-get install python3-venv' as root brings it."
    say "making a private environment in $venv with $("$python" --version)"
    quietly "$python" -m venv --clear "$venv"
}

check_compiler() {
    default=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("CC"))')
    for name in "${CC:-$default}" cc gcc clang; do command -v "${name%% *}" >/dev/null && break; done
    command -v "${name%% *}" >/dev/null ||
        die "no C compiler found; install gcc ('apt-get install gcc libc6-dev' as root, 'module load gcc' on a cluster) or set CC."
    export CC="$name"
    headers=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
    echo '#include <Python.h>' | $CC -I"$headers" -fsyntax-only -x c - 2>/dev/null ||
        die "$CC finds no C headers of Python; 'apt-get install libc6-dev python3-dev' as root brings them."
}

# What pyproject.toml lists: core, or the name of an extra.
wanted() {
    "$venv/bin/python" - "$1" <<'END'
import sys, tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
print(*(project["dependencies"] if sys.argv[1] == "core" else project["optional-dependencies"][sys.argv[1]]), sep="\n")
END
}

# The kernels are compiled while the packages come.
install_packages() {
    state=$(cat setup.py pyproject.toml bin/hpcdvc* | cksum)
    changed packages "$state" || return 0
    check_compiler
    rm -f "$stamps/packages"
    say "installing the Python packages and compiling the kernels (a minute)"
    quietly "$venv/bin/python" -m pip install --upgrade "setuptools>=77" "Cython>=3.1"
    touch "$stamps/compiling"
    "$venv/bin/python" setup.py -q build_ext --inplace >"$stamps/compiler" 2>&1 &
    compiler=$!
    wanted core >"$stamps/wanted"
    quietly "$venv/bin/python" -m pip install --requirement "$stamps/wanted"
    wait $compiler || { cat "$stamps/compiler" >&2; die "the kernels do not compile"; }
    mv "$stamps/compiling" "$stamps/kernels"
    quietly "$venv/bin/python" -m pip install --no-build-isolation --no-deps --editable .
    stamp packages "$state"
}

install_extra() {
    wanted "$1" >"$stamps/wanted"
    state=$(cat "$stamps/wanted")
    changed "extra-$1" "$state" || return 0
    say "installing the packages for '$1'"
    quietly "$venv/bin/python" -m pip install --requirement "$stamps/wanted"
    stamp "extra-$1" "$state"
}

# cupy is for NVIDIA cards only.
install_all() {
    for extra in gui fits notebook formats; do install_extra $extra; done
    if command -v nvidia-smi >/dev/null; then install_extra gpu; fi
}

kernels_are_fresh() {
    [ -z "$(find cython setup.py hpcdvc/kernels/record*.py -newer "$stamps/kernels" 2>&1)" ] || return 1
    suffix=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')
    for source in cython/*/*.pyx; do
        name=${source##*/}
        [ -e "hpcdvc/kernels/${name%.pyx}$suffix" ] || return 1
    done
}

build_kernels() {
    kernels_are_fresh && return
    check_compiler
    say "compiling the kernels"
    quietly "$venv/bin/python" setup.py -q build_ext --inplace
    touch "$stamps/kernels"
}

# mpiexec of the environment = what the real launcher needs to be told, then the real launcher.
write_launcher() {
    "$venv/bin/python" - "$1" >"$venv/bin/mpiexec.new" <<'END'
import os, shlex, sys

os.environ.clear()
from hpcdvc.ranks.launch import launcher_environment

print("#!/bin/sh\n# hpcdvc launcher, written by .ci/bootstrap.sh; a variable that is already set stays as it is")
for name, value in launcher_environment().items():
    print(f"export {name}=${{{name}-{shlex.quote(value)}}}")
print(f'exec {shlex.quote(sys.argv[1])} "$@"')
END
    chmod +x "$venv/bin/mpiexec.new"
    mv -f "$venv/bin/mpiexec.new" "$venv/bin/mpiexec"
}

# Two ranks that see each other, and not two times one rank: launcher and library belong together.
probe() {
    limit=
    command -v timeout >/dev/null && limit="timeout 60"
    $limit "$venv/bin/mpiexec" -n 2 "$venv/bin/python" -c \
        'from mpi4py import MPI; import sys; sys.exit(MPI.COMM_WORLD.size != 2)' </dev/null >/dev/null 2>&1
}

use_wheel() {
    real=$venv/bin/mpiexec.hydra
    write_launcher "$real"
    probe
}

choose_launcher() {
    if [ -x "$venv/bin/mpiexec.hydra" ]; then
        if [ -z "${MPIEXEC:-}" ]; then use_wheel && return; fi
        # mpi4py takes the wheel's library whenever there is one, so another launcher cannot work beside it.
        quietly "$venv/bin/python" -m pip uninstall --yes mpich
    fi
    for name in ${MPIEXEC:-mpiexec mpiexec.openmpi mpiexec.mpich mpirun}; do
        real=$(command -v "$name") || continue
        case $real in "$venv"/*) continue ;; esac
        write_launcher "$real"
        probe && return
    done
    [ -z "${MPIEXEC:-}" ] || die "MPIEXEC=$MPIEXEC does not start two ranks that mpi4py can connect; correct or unset it."
    say "no working MPI on PATH: installing the mpich wheel"
    quietly "$venv/bin/python" -m pip install --force-reinstall --no-deps mpich
    use_wheel || die "the mpich wheel does not start two ranks here; install an MPI and name its launcher in MPIEXEC."
}

# Also after an upgrade of the mpich wheel, which puts its own mpiexec back.
launcher_is_fresh() {
    grep -q "hpcdvc launcher" "$venv/bin/mpiexec" 2>/dev/null &&
        [ -z "$(find hpcdvc/ranks/launch.py -newer "$venv/bin/mpiexec")" ]
}

install_launcher() {
    real=$(cat "$stamps/real" 2>/dev/null || true)
    if ! changed launcher "${MPIEXEC:-any}" && [ -x "$real" ]; then
        launcher_is_fresh || write_launcher "$real"
        return
    fi
    rm -f "$stamps/launcher"
    choose_launcher
    say "MPI launcher: $venv/bin/mpiexec runs $real"
    echo "$real" >"$stamps/real"
    stamp launcher "${MPIEXEC:-any}"
}

make_venv
mkdir -p "$stamps"
install_packages
build_kernels
install_launcher
for extra; do
    case $extra in
        all) install_all ;;
        *) install_extra "$extra" ;;
    esac
done
