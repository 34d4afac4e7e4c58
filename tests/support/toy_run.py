"""A measurement in small, for tests of checkpoints: python toy_run.py STEM POINTS [--resume].

Every point takes TOY_SECONDS (default 0.004) and its row follows from its index alone. The result is <STEM>.npy.
A process leaves in <STEM>.pids/ the files <pid>, <pid>.connected once it listens to signals, and <pid>.measured, the
number of its points.
"""

import os
import sys
import time
from pathlib import Path

import numpy as np

from hpcdvc.fields.field import POINT, ROW
from hpcdvc.ranks import guard
from hpcdvc.ranks import team as parallel
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.points import measure_points

STEM, POINTS, RESUME = sys.argv[1], int(sys.argv[2]), "--resume" in sys.argv
SECONDS = float(os.environ.get("TOY_SECONDS", "0.004"))
PIDS = Path(f"{STEM}.pids")


def measure(points: np.ndarray) -> np.ndarray:
    """Rows full of digits."""
    time.sleep(SECONDS * len(points))
    rows = np.zeros(len(points), ROW)
    rows["index"] = points["index"]
    rows["Phi"] = points["position"][:, None, :1] + np.sin(np.arange(12.0).reshape(3, 4) * rows["index"][:, None, None])
    rows["error"] = np.sqrt(rows["index"])
    return rows


def work(team: parallel.Team) -> None:
    """What a workflow does."""
    points = None
    if team.rank == 0:
        points = np.zeros(POINTS, POINT)
        points["index"] = np.arange(POINTS)
        points["position"] = np.random.default_rng(0).random((POINTS, 3))
    checkpoint = Checkpoint(STEM, {"points": POINTS}, team, interval=0.2)
    checkpoint.check(RESUME)
    earlier = len(checkpoint.load())
    rows = measure_points(team, points, measure, 0.001, checkpoint, quiet=True)
    (PIDS / f"{os.getpid()}.measured").write_text(str(len(rows) - earlier))
    rows, _ = team.collect(rows, POINTS)
    team.on_root(lambda: save(rows))
    checkpoint.remove()


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
    time.sleep(float(os.environ.get("TOY_PAUSE", "0")))
    raise SystemExit(guard.run_guarded(team, lambda: work(team)))
