"""Figures of hpcdvc-ldic that need no peer: start-up, efficiency of two ranks, memory, a million rows, precision."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import series
import tifffile
from processes import ROOT, command, environment, mpiexec, timed
from speckle import CACHE, speckle_pair


def _ldic(images, ranks: int, *options, sample_memory: bool = False):
    """One run of hpcdvc-ldic whose result is thrown away."""
    case = series.Case(
        "ldic", lambda folder: command("ldic", *images, "-od", folder, "-pre", "x", "-q", *options, ranks=ranks)
    )
    return series.run(case, tuple(images) if sample_memory else ())[0]


def start_up(repeats: int) -> dict:
    """Whole runs with one node: starting, reading, measuring and writing almost nothing. Seconds, min and median."""
    images = speckle_pair(100)
    found = {}
    for ranks in (1, 2):
        runs = [_ldic(images, ranks, "-ns", 50, "-hws", 5) for _ in range(repeats)]
        found[f"np{ranks}"] = {
            f"{what}_{name}": function([getattr(run, what) for run in runs])
            for what in ("wall", "cpu")
            for name, function in (("min", min), ("median", median))
        }
    code = "import numpy; from mpi4py import MPI; MPI.COMM_WORLD.Barrier()"
    bare = [mpiexec(), "-n", "2", sys.executable, "-c", code]
    walls = [timed(bare).wall for _ in range(repeats)]
    found["bare_np2"] = {"wall_min": min(walls), "wall_median": median(walls)}
    return found


def efficiency(size: int, spacing: int, half: int, rounds: int) -> dict:
    """Wall time of one rank / (2 x that of two), interleaved; the best of the rounds is least disturbed by others."""
    images, runs = speckle_pair(size), {1: [], 2: []}
    for _ in range(rounds):
        for ranks in (1, 2):
            runs[ranks].append(_ldic(images, ranks, "-ns", spacing, "-hws", half, "-o", 3))
    found = {
        ranks: {"walls": [r.wall for r in done], "cpus": [r.cpu for r in done], "wall": median(r.wall for r in done)}
        for ranks, done in runs.items()
    }
    times = {what: {ranks: entry[what] for ranks, entry in found.items()} for what in ("walls", "cpus")}
    return {**times, **series.efficiency(found[1], found[2])}


def memory(size: int, spacing: int, half: int) -> dict:
    """Peak memory of two ranks with mapped images, and with images that must be decoded; bytes, as shares of theirs."""
    images = speckle_pair(size)
    mapped = _ldic(images, 2, "-ns", spacing, "-hws", half, sample_memory=True).memory
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="packed-"))
    try:
        packed = [folder / path.name for path in speckle_pair(min(size, 200))]
        for path, target in zip(speckle_pair(min(size, 200)), packed, strict=True):
            tifffile.imwrite(target, tifffile.imread(path), compression="zlib")
        decoded = _ldic(packed, 2, "-ns", spacing, "-hws", half, sample_memory=True).memory
    finally:
        shutil.rmtree(folder)
    decoded["image_bytes"] = 2 * 2 * min(size, 200) ** 3
    return {"mapped": {**mapped, "image_bytes": 2 * 2 * size**3}, "decoded": decoded}


def million_rows(edge: int) -> list[dict]:
    """rows.py with edge^3 points on one and two ranks."""
    found = []
    for ranks in (1, 2):
        launcher = [mpiexec(), "-n", str(ranks)] if ranks > 1 else []
        words = [*launcher, sys.executable, str(ROOT / "benchmarks" / "rows.py"), str(edge), str(CACHE)]
        out = subprocess.run(words, capture_output=True, text=True, timeout=600, env=environment())
        if out.returncode:
            raise SystemExit(f"rows.py failed on {ranks} ranks:\n{out.stderr[-2000:]}")
        found.append(json.loads(out.stdout.splitlines()[-1]))
    return found


def precision(size: int, count: int = 12) -> dict | None:
    """Largest |displacement of the kernel - of the slow float64 twin|, voxel; None where tests/ has no twin."""
    try:
        from reference_registration import register
    except ImportError:
        return None
    from hpcdvc.fields.field import POINT
    from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, Window
    from hpcdvc.registration.windows import register_windows

    middle, reach = size // 2, min(size // 2, 50)
    part = (slice(middle - reach, middle + reach),) * 3
    normal = [np.array(tifffile.memmap(path, mode="r")[part]) for path in speckle_pair(size)]
    low = [(40000 + (image.astype(float) - 30000) * 0.0125).round().astype("u2") for image in normal]  # texture 0-250
    positions = np.random.default_rng(0).integers(reach - 12, reach + 13, (count, 3))
    found = {}
    for name, (im1, im2) in (("normal contrast", normal), ("low contrast on a large offset", low)):
        for order, criterion in ((1, "ssd"), (3, "znssd")):  # with znssd -o 1 does more than the plain twin
            points = np.zeros(count, POINT)
            points["Phi"][:, :, :3], points["position"] = np.eye(3), positions
            settings = Settings(
                Window((10,) * 3, shape_order="1"),
                iterations=Iterations(min_delta_phi=1e-9),
                interpolation=Interpolation(order, criterion),
                gradient=Gradient("spline"),
            )
            fast = register_windows(im1, im2, points, settings)["Phi"]
            slow = np.array([register(im1, im2, position, 10, order, criterion) for position in positions])
            found[f"{name}, -o {order} -crit {criterion}"] = float(np.abs(fast[:, :, 3] - slow[:, :, 3]).max())
    return found
