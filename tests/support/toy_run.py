"""A measurement in small, for tests of checkpoints: python toy_run.py STEM POINTS [--resume].

Every point takes TOY_SECONDS (default 0.004) and its row follows from its index alone. The result is <STEM>.npy.
Before the first point it waits for a signal, at most for TOY_PAUSE seconds (default 0).
A process leaves in <STEM>.pids/ the files <pid>, <pid>.connected once it listens to signals, and <pid>.measured, the
number of its points.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from hpcdvc.fields.field import ROW
from hpcdvc.ranks import guard
from hpcdvc.ranks import team as parallel
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.points import measure_points
from hpcdvc.runs.shards import Shards

STEM, POINTS, RESUME = sys.argv[1], int(sys.argv[2]), "--resume" in sys.argv
SECONDS = float(os.environ.get("TOY_SECONDS", "0.004"))
PIDS = Path(f"{STEM}.pids")
POSITIONS = np.random.default_rng(0).random((POINTS, 3))


def measure(numbers: np.ndarray) -> np.ndarray:
    """Rows full of digits."""
    time.sleep(SECONDS * len(numbers))
    rows = np.zeros(len(numbers), ROW)
    rows["index"] = numbers
    rows["Phi"] = POSITIONS[numbers, None, :1] + np.sin(np.arange(12.0).reshape(3, 4) * rows["index"][:, None, None])
    rows["error"] = np.sqrt(rows["index"])
    return rows


def work(team: parallel.Team) -> None:
    """What a workflow does."""
    shards = Shards(STEM, {"points": POINTS})
    team.agree(lambda: shards.check(RESUME))
    checkpoint = Checkpoint(shards, team, interval=0.2)
    earlier = len(checkpoint.load())
    rows = measure_points(team, POINTS, measure, 0.001, checkpoint, quiet=True)
    (PIDS / f"{os.getpid()}.measured").write_text(str(len(rows) - earlier))
    rows, _ = team.collect(rows, POINTS)
    team.on_root(lambda: save(rows))
    team.agree(shards.clear)


def save(rows: np.ndarray) -> None:
    """Under a temporary name, then renamed."""
    with open(f"{STEM}.tmp", "wb") as file:
        np.save(file, rows)
    os.replace(f"{STEM}.tmp", f"{STEM}.npy")


if __name__ == "__main__":
    PIDS.mkdir(exist_ok=True)
    (PIDS / str(os.getpid())).touch()
    team = parallel.connect()
    (PIDS / f"{os.getpid()}.connected").touch()
    end = time.monotonic() + float(os.environ.get("TOY_PAUSE", "0"))
    while time.monotonic() < end and not team.stop_requested:
        time.sleep(0.01)
    raise SystemExit(guard.run_guarded(team, lambda: work(team)))
