"""Command lines, their mistakes and -np are answered without numpy: on a login node, and before the ranks start."""

import json
import subprocess
import sys

import pytest
from rank_scripts import clean_environment
from test_commands import COMMANDS

#: The shortest line that each command takes.
LINES = {"deformImage": "a -pf p", "info": "", "ldic": "a b -hws 5", "reg": "a b"}

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
    relaunched = [*LINES[command].split(), "-np", "2"]
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
