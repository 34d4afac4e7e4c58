"""Task costs of a real run, for the model of scaling.py. Run under mpiexec; rank 0 prints a line of JSON.

    python benchmarks/chunks.py SIZE SPACING HALF_WINDOW ORDER [lost]

With "lost" im2 is im1 upside down, so that no window finds its match: what such nodes cost.
"""

import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
import tifffile  # noqa: E402
from speckle import CACHE, speckle_pair  # noqa: E402

from hpcdvc.fields.field import ROW  # noqa: E402
from hpcdvc.fields.grid import make_grid  # noqa: E402
from hpcdvc.ranks.team import connect  # noqa: E402
from hpcdvc.registration.settings import Interpolation, Settings, Window  # noqa: E402
from hpcdvc.registration.windows import WindowRegistration, seconds_per_window  # noqa: E402
from hpcdvc.runs.checkpoint import Checkpoint  # noqa: E402
from hpcdvc.runs.points import measure_points  # noqa: E402
from hpcdvc.runs.shards import Shards  # noqa: E402
from hpcdvc.steps.start import StartPoints  # noqa: E402


def point_costs(registration, points) -> tuple[np.ndarray, float]:
    """CPU seconds of every point, and of a call of the kernel; the points are measured one by one and all at once."""
    single = np.empty(len(points))
    registration(points)
    for i in range(len(points)):
        began = time.thread_time()
        registration(points[i : i + 1])
        single[i] = time.thread_time() - began
    began = time.thread_time()
    registration(points)
    call = max((single.sum() - (time.thread_time() - began)) / max(len(points) - 1, 1), 0.0)
    return np.maximum(single - call, 0), call


def run_loop(team, points, measure, seconds_per_point: float, stem: str) -> tuple[float, float, int]:
    """The loop over the points of a run; wall time, CPU time and chunks of this rank."""
    count = [0]

    def counted(numbers):
        count[0] += 1
        return measure(points[numbers])

    checkpoint = Checkpoint(Shards(stem, {}), team)
    team.barrier()
    wall, cpu = time.perf_counter(), time.thread_time()
    measure_points(team, len(points), counted, seconds_per_point, checkpoint, quiet=True)
    return time.perf_counter() - wall, time.thread_time() - cpu, count[0]


def main(size: int, spacing: int, half: int, order: int, lost: bool) -> None:
    """Run it as hpcdvc-ldic would."""
    team = connect()
    im1, im2 = (tifffile.memmap(path, mode="r") for path in speckle_pair(size))
    if lost:
        im2 = np.ascontiguousarray(im1[::-1])
    settings = Settings(Window((half,) * 3), interpolation=Interpolation(order))
    registration = WindowRegistration(im1, im2, settings)
    grid = make_grid(im1.shape, (spacing,) * 3)
    points = StartPoints(grid, None)(np.arange(grid.size))
    points = points[((points["position"] > half + 5) & (points["position"] < size - half - 6)).all(axis=1)]
    points["index"] = np.arange(len(points))
    folder = team.agree(lambda: tempfile.mkdtemp(dir=CACHE, prefix="chunks-"))
    seconds = seconds_per_window(settings)
    loops = team.all_gather(run_loop(team, points, registration, seconds, f"{folder}/measured"))
    empty = np.zeros(10_000, ROW)
    empty_loops = team.all_gather(run_loop(team, points, lambda chunk: empty[: len(chunk)], seconds, f"{folder}/empty"))
    fetch = max(cpu / max(chunks, 1) for _, cpu, chunks in empty_loops)
    if team.rank == 0:
        middle = points[len(points) // 3 :][:3000]
        costs, call = point_costs(registration, middle) if team.size == 1 else (np.empty(0), 0.0)
        answer = {"points": len(points), "ranks": team.size, "loops": loops, "fetch": fetch, "call": call}
        print(json.dumps({**answer, "costs": costs.tolist()}))
        shutil.rmtree(folder)
    team.barrier()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]), lost="lost" in sys.argv[5:])
