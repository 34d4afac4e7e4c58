"""hpcdvc-pixelSearch measured: its kernel and whole runs beside spam-pixelSearch, and what the two ways to sums cost.

    python benchmarks/search.py               some minutes
    python benchmarks/search.py --rounds 1    a first look

The result goes to benchmarks/results/search-<date>-<machine>.md and .json. CPU is user + system time of all processes
and hardly depends on what else runs; wall times need an idle machine.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import machine  # noqa: E402
import numpy as np  # noqa: E402
import peer  # noqa: E402
import reporting  # noqa: E402
import targets  # noqa: E402
import tifffile  # noqa: E402
from processes import command, environment  # noqa: E402
from series import Case, interleaved, spread  # noqa: E402
from speckle import CACHE, speckle_pair, truth  # noqa: E402

SIZE, HALF, SPACING = 200, 10, 20
#: Ranges, and windows that spam is given of each.
REACHES = {5: 40, 10: 10, 20: 2}
NODES = 60
#: Windows and displacements along an axis that the costs are measured for.
SHAPES = ((5, 5), (7, 9), (11, 5), (11, 11), (15, 11), (21, 5), (21, 11), (21, 21), (21, 41), (41, 21))


def positions(count: int) -> np.ndarray:
    """Nodes (n, 3) in the middle of the pair."""
    line = np.arange(60, SIZE - 60, 13)
    return np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)[:count].astype(float)


def kernel(repeats: int) -> dict[str, dict]:
    """CPU time per window of 21^3 voxels, s: by the kernel, with a mask, and with the fraction of a voxel."""
    from hpcdvc.search.pixels import PixelSearch, search_points
    from hpcdvc.search.settings import SearchSettings

    im1, im2 = (tifffile.imread(path) for path in speckle_pair(SIZE))
    mask = (np.random.default_rng(0).random(im1.shape) > 0.05).astype("u1")
    kinds = {"whole": (None, False), "masked": (mask, False), "-sub": (None, True)}
    found: dict[str, dict] = {}
    for name, (of_im1, subvoxel) in kinds.items():
        search = PixelSearch(im1, im2, SearchSettings(subvoxel=subvoxel), of_im1)
        for reach in REACHES:
            some = positions(NODES if reach < 20 else NODES // 3)
            points = search_points(some, np.tile(np.eye(4), (len(some), 1, 1)), (HALF,) * 3, (-reach, reach) * 3)
            times = [_seconds(lambda: search(points)) / len(some) for _ in range(repeats + 1)]  # noqa: B023
            found.setdefault(name, {})[str(reach)] = float(np.median(times[1:]))
    return found


def _seconds(work) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


#: Runs in the environment of the peer; its function takes the windows as arrays.
PEER_KERNEL = """
import json, sys, time
import numpy as np, tifffile
from spam.DIC.pixelSearch import _pixelSearch as pixelSearch
one, two, half, reaches, places = json.loads(sys.argv[1])
one, two = (tifffile.imread(path) for path in (one, two))
found = {}
for reach, count in reaches.items():
    wide = half + int(reach)
    cut = lambda image, place, h: image[tuple(slice(int(p) - h, int(p) + h + 1) for p in place)].astype("f4")
    pairs = [(cut(one, place, half), cut(two, place, wide)) for place in places[:count]]
    pixelSearch(*pairs[0])
    began = time.process_time()
    for pair in pairs:
        pixelSearch(*pair)
    found[reach] = (time.process_time() - began) / count
print(json.dumps(found))
"""


def peer_kernel() -> dict[str, float]:
    """CPU time of the peer per window, s."""
    given = [*map(str, speckle_pair(SIZE)), HALF, REACHES, positions(max(REACHES.values())).tolist()]
    words = [str(peer.install() / "python"), "-c", PEER_KERNEL, json.dumps(given)]
    done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def balls() -> Path:
    """A label image of 343 balls of 3000 voxels."""
    path = CACHE / f"balls{SIZE}.tif"
    if not path.exists():
        centres, labels = np.arange(24, SIZE - 20, 24), np.zeros((SIZE,) * 3, "u2")
        grid = np.indices((21,) * 3) - 10
        ball = (grid**2).sum(axis=0) <= 81
        for number, (z, y, x) in enumerate(np.array(np.meshgrid(*[centres] * 3, indexing="ij")).reshape(3, -1).T, 1):
            labels[z - 10 : z + 11, y - 10 : y + 11, x - 10 : x + 11][ball] = number
        tifffile.imwrite(path, labels, photometric="minisblack")
    return path


def cases(with_peer: bool) -> dict[str, Case]:
    """Whole runs on two processes."""
    grid = ["-ns", SPACING, "-hws", HALF]
    asked = {
        "nodes": [*grid, "-sr", *(-10, 10) * 3],
        "particles": ["-lab1", balls(), "-sr", *(-5, 5) * 3],
        "range that adapts": grid,
    }

    def ours(options):
        return lambda folder: command("pixelSearch", *speckle_pair(SIZE), *options, "-od", folder, "-q", ranks=2)

    def theirs(options):
        return lambda folder: peer.pixel_search(*speckle_pair(SIZE), folder, 2, *options)

    found = {name: Case(f"hpcdvc-pixelSearch, {name}", ours(options), _read, 2) for name, options in asked.items()}
    if with_peer:
        for name in ("nodes", "particles"):
            found[f"peer {name}"] = Case(f"spam-pixelSearch, {name}", theirs(asked[name]), _read)
    return found


#: Node spacings of propagations from the middle: 10^3, 10^4 and 10^5 points.
SPREAD = (19, 9, 4)
RANKS = (64, 1024)


def propagation() -> dict[str, dict]:
    """Runs on two ranks by the number of points: CPU, wall time, and the idle share on more ranks, from the rounds."""

    def words(spacing):
        middle = [SIZE // 2] * 3 + [0] * 3
        options = ["-sp", *middle, "-ns", spacing, "-hws", 5, "-sr", *(-2, 2) * 3, "-notsv", "-q"]
        return lambda folder: command(
            "pixelSearchPropagate", *speckle_pair(SIZE), *options, "-od", folder, "-pre", "x", ranks=2
        )

    def rounds(folder):
        sizes = json.loads((folder / "x-pixelSearchPropagate.run.json").read_text())["rounds"]
        # a round ends with its last point; all points are taken to cost the same
        idle = {ranks: 1 - sum(sizes) / ranks / sum(-(-n // ranks) for n in sizes) for ranks in RANKS}
        return {"points": sum(sizes), "rounds": len(sizes), "idle": idle}

    runs = interleaved([Case(f"propagation, spacing {s}", words(s), rounds) for s in SPREAD], 1)
    return {str(entry["points"]): entry for entry in runs.values()}


def _read(folder: Path) -> dict:
    """How many points were found, and how many of these are further from the truth than a voxel."""
    (path,) = folder.glob("*pixelSearch.tsv")
    table = peer.read_table(path)
    position, moved = (np.stack([table[axis + what] for axis in "ZYX"], axis=1) for what in ("pos", "disp"))
    good = (table["returnStatus"] > 0) & np.isfinite(moved).all(axis=1)
    error = np.abs(moved - truth(SIZE).displacement(position)).max(axis=1)
    return {"points": int(good.sum()), "wrong": int((error[good] > 1).sum())}


def costs() -> list[dict]:
    """CPU time of the sums of one window by both ways, s, beside what the model says."""
    from hpcdvc.search.sums import room_for, seconds, sums_of

    rng, found = np.random.default_rng(0), []
    for window, lags in SHAPES:
        wide = window + lags - 1
        a, b = np.empty((4, *(window,) * 3), np.float32), room_for((4, *(wide,) * 3))
        a[:], b[:] = rng.normal(size=a.shape), rng.normal(size=b.shape)
        ok2 = room_for(b.shape)
        entry = {"window": window, "displacements": lags, "model": seconds((window,) * 3, (lags,) * 3)}
        for name, fourier in (("direct", False), ("fourier", True)):
            entry[name] = min(_seconds(lambda: sums_of(a, a, b, ok2, ("ab",), fourier)) for _ in range(4)) / 4  # noqa: B023
        found.append(entry)
    return found


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    results["kernel"], results["costs"] = kernel(2 * o.rounds + 1), costs()
    if not o.no_peer:
        results["peer kernel"] = peer_kernel()
    runs = cases(not o.no_peer)
    measured = interleaved(list(runs.values()), o.rounds)
    results["runs"] = {name: measured[case.name] for name, case in runs.items()}
    results["propagation"] = propagation()
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    intro = (
        f"Speckle pair of {SIZE}^3 uint16 (texture evaluated at moved points, strain 0.4 %, noise 1 % of the mean grey "
        f"value), windows of 21^3 voxels; {results['options']['rounds']} round(s), interleaved. CPU = user + system "
        "time of all processes."
    )
    sections = {
        "Goals": targets.table(targets.search(results)),
        "Kernel, ms per window": _kernel_table(results),
        "Runs on two processes": _runs_table(results["runs"]),
        "Propagation on two ranks": _propagation_table(results["propagation"]),
        "Sums of one window, ms": _costs_table(results["costs"]),
    }
    return reporting.document("hpcdvc-pixelSearch", intro, results, sections)


def _kernel_table(results: dict) -> str:
    lines = ["| range | spam | " + " | ".join(results["kernel"]) + " |", "|--" * (2 + len(results["kernel"])) + "|"]
    for reach in map(str, REACHES):
        other = results.get("peer kernel", {}).get(reach)
        cells = [f"{1e3 * entry[reach]:.3g}" for entry in results["kernel"].values()]
        lines.append(f"| +-{reach} | {'' if other is None else f'{1e3 * other:.3g}'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _runs_table(runs: dict) -> str:
    lines = ["| run | CPU s | wall s | found | of these wrong by more than a voxel |", "|--|--|--|--|--|"]
    for name, r in runs.items():
        times = f"{spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])}"
        lines.append(f"| {name} | {times} | {r['points']} | {r['wrong']} |")
    return "\n".join(lines)


def _propagation_table(runs: dict) -> str:
    head = " | ".join(f"idle on {ranks} ranks (simulated)" for ranks in RANKS)
    lines = [f"| points | rounds | CPU s | wall s | CPU, ms per point | {head} |", "|--" * (5 + len(RANKS)) + "|"]
    for points, r in runs.items():
        idle = " | ".join(f"{100 * share:.0f} %" for share in r["idle"].values())
        times = f"{r['cpu']:.2f} | {r['wall']:.2f} | {1e3 * r['cpu'] / int(points):.3g}"
        lines.append(f"| {points} | {r['rounds']} | {times} | {idle} |")
    return "\n".join(lines)


def _costs_table(costs: list[dict]) -> str:
    lines = ["| window | displacements | direct (model) | FFT (model) |", "|--|--|--|--|"]
    for c in costs:
        direct, fourier = (1e3 * value for value in c["model"])
        ways = f"{1e3 * c['direct']:.3g} ({direct:.3g}) | {1e3 * c['fourier']:.3g} ({fourier:.3g})"
        lines.append(f"| {c['window']}^3 | {c['displacements']}^3 | {ways} |")
    return "\n".join(lines)


if __name__ == "__main__":
    options = reporting.common_parser(__doc__).parse_args()
    figures = measure(options)
    reporting.write("search", figures, report(figures), not options.no_peer)
