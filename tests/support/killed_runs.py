"""Commands killed, or told to leave, at a chosen step: scripts that run in their place, and what they leave."""

import os
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from ldic_runs import ranks_of, shard_bytes, wait_for
from rank_scripts import finish

#: Words: the step before which the process is killed, or another word; and how many bands a rank measures before it
#: waits to be killed, below 0: all.
IN_BANDS = """
import itertools, os, signal, sys, time
from hpcdvc import cli
from hpcdvc.output.slab_file import SlabFile
from hpcdvc.runs import job, shards
from hpcdvc.steps import bands
from hpcdvc.workflows import {command} as workflow

steps = {{
    "before the phase": (workflow, "integrate"),
    "before the name": (SlabFile, "settle"),
    "before the record": (job, "write_record"),
    "before the shards go": (shards.Shards, "clear"),
}}
measure, measured = bands.RowMeasure.__call__, itertools.count()

def so_many(*words):
    if next(measured) == limit:
        time.sleep(60)
    return measure(*words)

def die(*words, **more):
    os.kill(os.getpid(), signal.SIGKILL)

how, limit = sys.argv.pop(1), int(sys.argv.pop(1))
bands.RowMeasure.__call__ = so_many
if how in steps:
    setattr(*steps[how], die)
raise SystemExit(cli.main("{command}"))
"""

#: Words: a signal, the number of an iteration, or below 0 for before the result, and the rank that gets the signal.
ITERATIONS = """
import os, sys
from hpcdvc import cli
from {module} import {result}
from hpcdvc.workflows import {command} as workflow

which, number, rank = (int(sys.argv.pop(1)) for _ in range(3))
keep = workflow._keep

def keep_and_go(state, checkpoint, team):
    if team.rank == rank and {counter} == number:
        os.kill(os.getpid(), which)
    keep(state, checkpoint, team)

workflow._keep = keep_and_go
if number < 0:
    {result}.{write} = lambda *words: os.kill(os.getpid(), which)
raise SystemExit(cli.main("{command}"))
"""


def write_script(folder: Path, script: str, command: str, **names: str) -> None:
    """Write a script as the command itself, `hpcdvc-<command>`, into a folder."""
    (folder / f"hpcdvc-{command}").write_text(script.format(command=command, **names))


def kill_a_rank(begin: Callable[[], subprocess.Popen], out: Path, command: str, dice: random.Random) -> None:
    """Begin a run, and kill one of its ranks when more of its work is safe than before."""
    before, process = shard_bytes(out), begin()
    assert wait_for(lambda: shard_bytes(out) > before, process)
    os.kill(dice.choice(ranks_of(process, f"hpcdvc-{command}")), signal.SIGKILL)
    assert finish(process, timeout=60)[0] != 0


def left_in(out: Path) -> dict[str, bytes]:
    """All files of a folder but the records of runs."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.suffix != ".json"}
