"""What commands load: no numpy before the ranks start, and on ranks above 0 nothing that reads and writes files."""

import json
import subprocess
import sys

import pytest
import tifffile
from ldic_cases import FIELD, images, save_field
from rank_scripts import clean_environment, run
from test_commands import COMMANDS

#: The shortest line that each command takes.
LINES = {
    "align": "a",
    "convert": "a.tsv b.hdf",
    "ddic": "a l b",
    "deformImage": "a -pf p",
    "discreteStrain": "a",
    "ereg": "a b",
    "ereg-discrete": "a l b",
    "filterPhiField": "-pf a -srs",
    "fourier": "smooth a",
    "gauge": "a --label 1",
    "gdic": "a b m",
    "guidingPoints": "a",
    "info": "",
    "label": "a",
    "labelField": "a -pf p -col c",
    "ldic": "a b -hws 5",
    "localShifts": "a b",
    "mask": "a",
    "mesh": "-cube 0 9 0 9 0 9 -lc 3",
    "mmr": "a b",
    "mmr-graphical": "a b",
    "moveLabels": "a -pf p",
    "noise": "a",
    "mergePhis": "a b",
    "passPhiField": "-pf a -lab1 b",
    "pixelSearch": "a b -hws 5",
    "pixelSearchPropagate": "a b -sp 1 1 1 0 0 0",
    "reg": "a b",
    "regularStrain": "a",
    "report": "a.hdf",
    "shift": "a b",
    "submit": "-- hpcdvc-info",
    "umpa": "a b",
    "view": "a.hdf",
}

#: Runs the lines one after the other, and notes what the launcher would have been called with.
PROGRAM = """
import json, os, sys
from hpcdvc.cli import main

def replace_process(path, words, environment):
    launched.append(words)
    raise SystemExit(0)

os.execve, launched = replace_process, []
codes = [main(sys.argv[1], line) for line in json.loads(sys.argv[2])]
heavy = {"numpy", "scipy", "h5py", "mpi4py", "tifffile", "logging"}
print("\\n" + json.dumps([codes, [words[1:3] for words in launched], sorted(heavy & set(sys.modules))]))
"""


@pytest.mark.parametrize("command", COMMANDS)
def test_command_lines_need_no_numpy(command):
    relaunched = ["-np", "2", *LINES[command].split()]
    lines = [["--help"], ["--version"], ["--no-such-option"], ["-np"], relaunched]
    words = [sys.executable, "-c", PROGRAM, command, json.dumps(lines)]
    done = subprocess.run(words, env=clean_environment(), capture_output=True, text=True, timeout=60)
    codes, launched, heavy = json.loads(done.stdout.splitlines()[-1])
    assert (codes, launched) == ([0, 0, 2, 2, 0], [["-n", "2"]]), done.stderr
    assert heavy == []


def test_list_of_commands_needs_no_numpy():
    program = (
        "import sys; from hpcdvc.__main__ import main; code = main(['--help']);"
        "print(code, {'numpy', 'h5py'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "0 set()", done.stderr


MEASUREMENTS = {
    "ldic": "im1.tif im2.tif -ns 12 -hws 5",
    "localShifts": "im1.tif im2.tif -sr 2",
    "pixelSearch": "im1.tif im2.tif -ns 12 -hws 4 -sr -1 1 -1 1 -1 1",
    "reg": "im1.tif im2.tif",
    "deformImage": "im1.tif -pf motion.tsv",
}
OF_A_RANK = """
import os, sys
from hpcdvc.cli import main
from hpcdvc.ranks.launch import launched_rank

os.chdir(sys.argv[2])
code = main(sys.argv[1], sys.argv[3:])
heavy = {"h5py.h5", "matplotlib", "scipy", "tifffile", "numpy.ma", "numpy.polynomial", "numpy.random"}
if launched_rank() == 1:
    print(code, sorted(heavy & set(sys.modules)), flush=True)
raise SystemExit(code)
"""


@pytest.mark.parametrize("command", MEASUREMENTS)
def test_what_a_rank_above_0_loads(command, tmp_path):
    """Hundreds of ranks start from one file system. An annotation that names h5py without quotes loads it."""
    for name, volume in zip(("im1.tif", "im2.tif"), images(), strict=True):
        tifffile.imwrite(tmp_path / name, volume)
    save_field(str(tmp_path / "motion.tsv"), FIELD, FIELD.centre[None])
    (tmp_path / "rank.py").write_text(OF_A_RANK)
    words = (tmp_path / "rank.py", command, tmp_path, *MEASUREMENTS[command].split(), "-q")
    assert run(*words, ranks=2, timeout=60)[:2] == (0, "0 []\n")


def test_what_is_loaded_when_used():
    """An import alone does not load the package; the first use does, for all who have imported it before."""
    program = (
        "import sys; from hpcdvc import cli; package = sys.modules['h5py'] = cli._LoadedWhenUsed('h5py');"
        "import h5py; print(h5py is package, 'h5py.h5' in sys.modules);"
        "from h5py import File; import h5py as again;"
        "print(File is package.File is again.File, again is sys.modules['h5py'] is not package)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == "True False\nTrue True\n", done.stderr


@pytest.mark.parametrize("words", [["info"], ["info", "--help"]])
def test_garbage_is_collected_again(words):
    program = "import gc, sys; from hpcdvc.cli import main; main(sys.argv[1], sys.argv[2:]); print(gc.isenabled())"
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "True", done.stderr
