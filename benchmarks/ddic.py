"""hpcdvc-ddic beside spam-ddic: CPU, errors of displacements and rotations, memory; balance on many ranks, simulated.

    python benchmarks/ddic.py               some minutes
    python benchmarks/ddic.py --cells 4     a first look, with 64 grains

The result goes to benchmarks/results/ddic-<date>-<machine>.md and .json. CPU is user + system time of all processes
and hardly depends on what else runs; wall times need an idle machine.
"""

import argparse
import heapq
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import machine  # noqa: E402
import numpy as np  # noqa: E402
import peer  # noqa: E402
import reporting  # noqa: E402
import targets  # noqa: E402
import tifffile  # noqa: E402
from grains import Grains, packing  # noqa: E402
from processes import command  # noqa: E402
from series import Case, interleaved, run, spread  # noqa: E402
from speckle import CACHE, SEED  # noqa: E402
from textures import lattice_texture  # noqa: E402

from hpcdvc.labels.scan import centres_of, scan_labels  # noqa: E402
from hpcdvc.registration.labels import (  # noqa: E402
    LabelMask,
    LabelRegistration,
    is_large,
    label_points,
    seconds_per_label,
    seconds_together,
)
from hpcdvc.registration.settings import Iterations, Settings, Window  # noqa: E402
from hpcdvc.runs.points import chunk_bounds  # noqa: E402
from hpcdvc.runs.together import count_together  # noqa: E402

#: Grains along each axis, their half axis and what is between them, voxels: 1331 grains of 10 000 voxels in 500^3.
CELLS, HALF, GAP = 11, 14.5, 15.0
#: Half axis of a label that is large, voxels.
LARGE_HALF = 95
#: Noise of both images, of the contrast of the texture.
NOISE = 0.05
RANKS = (16, 128)
SETTINGS = Settings(Window((1, 1, 1)), iterations=Iterations(rigid=True))
#: Columns of the table of memory.
MEMORY = {
    "anonymous, largest process": "anonymous_per_process",
    "anonymous, all": "anonymous",
    "images mapped (PSS)": "mapped",
    "shared (PSS)": "shared",
}


def grains(cells: int) -> Grains:
    """The grains of the pair."""
    return packing(lattice_texture(SEED), cells, HALF, seed=1, gap=GAP)


def paths(cells: int) -> list[Path]:
    """im1, labels and im2; made when they are not in the cache."""
    some = grains(cells)
    found = [CACHE / f"grains{cells}-{name}.tif" for name in ("1", "lab", "2")]
    makers = (lambda: some.image(False, NOISE, 1), some.labels, lambda: some.image(True, NOISE, 2))
    CACHE.mkdir(exist_ok=True)
    for path, make in zip(found, makers, strict=True):
        if not path.exists():
            tifffile.imwrite(path, make(), photometric="minisblack")
    return found


def cases(cells: int, with_peer: bool) -> dict[str, Case]:
    """Whole runs on two processes."""
    files = paths(cells)

    def ours(order):
        return lambda folder: command("ddic", *files, "-o", order, "-od", folder, "-pre", "x", "-q", ranks=2)

    def read(folder):
        return errors(folder, cells)

    found = {f"hpcdvc -o {order}": Case(f"hpcdvc-ddic, -o {order}", ours(order), read, 2) for order in (1, 3)}
    if with_peer:
        found["spam -o 1"] = Case("spam-ddic, -o 1", lambda folder: peer.ddic(*files, folder, 2), read)
    return found


def errors(folder: Path, cells: int) -> dict:
    """Of the labels that a run calls converged, at their centres of mass."""
    (path,) = folder.glob("*ddic.tsv")
    table = peer.read_table(path)
    table = {name: column[table["Label"] > 0] for name, column in table.items()}
    position, moved = (np.stack([table[axis + what] for axis in "ZYX"], axis=1) for what in ("pos", "disp"))
    turned = np.stack([table[f"F{i}{j}"] for i in "zyx" for j in "zyx"], axis=1).reshape(-1, 3, 3)
    good, truth = table["returnStatus"] == 2, grains(cells).truth(position)
    wrong = np.linalg.norm(moved - truth[:, :, 3], axis=1)[good]
    cosine = (np.einsum("nij,nij->n", turned, truth[:, :, :3])[good] - 1) / 2
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    return {
        "labels": len(good),
        "converged": int(good.sum()),
        "median": float(np.median(wrong)),
        "worst": float(wrong.max()),
        "angle": float(np.median(angle)),
    }


def _registration(im1: np.ndarray, im2: np.ndarray, labels: np.ndarray) -> tuple[LabelRegistration, np.ndarray]:
    """What registers the labels of an image, and the labels."""
    found = scan_labels(labels)
    phi = np.broadcast_to(np.eye(4)[:3], (len(found), 3, 4))
    points = label_points(found, centres_of(found), phi, np.arange(len(found)))
    return LabelRegistration(im1, im2, labels, SETTINGS, LabelMask()), points


def costs(cells: int) -> np.ndarray:
    """CPU seconds of each label, measured one by one."""
    im1, labels, im2 = map(tifffile.imread, paths(cells))
    registration, points = _registration(im1, im2, labels)
    seconds = np.zeros(len(points))
    for number in range(len(points)):
        began = time.process_time()
        registration(points[number : number + 1])
        seconds[number] = time.process_time() - began
    return seconds


def cost_of_large() -> dict[str, float]:
    """CPU seconds of one label that is summed up by blocks, measured and as predicted."""
    one = packing(lattice_texture(SEED), 1, LARGE_HALF, seed=1, gap=GAP)
    registration, points = _registration(one.image(False, NOISE, 1), one.image(True, NOISE, 2), one.labels())
    if not is_large(points).all():
        raise SystemExit(f"a label of half axis {LARGE_HALF} is not large")
    began = time.process_time()
    registration(points)
    sides = points["high"][0].astype(float) - points["low"][0] + 3
    return {"measured": time.process_time() - began, "predicted": float(seconds_per_label(sides.prod(), SETTINGS))}


def balance(seconds: np.ndarray, large: dict[str, float]) -> dict[str, dict]:
    """Time until the last rank is done beside that of an even share: 10^4 labels of unlike sizes, as they are dealt."""
    rng = np.random.default_rng(0)
    sides = (2 * HALF + 3) * np.exp(rng.normal(0, 0.8, 10_000) / 3)
    asked = seconds_per_label(sides**3, SETTINGS)
    typical = float(seconds_per_label((2 * HALF + 3) ** 3, SETTINGS))
    needed = asked * rng.choice(seconds, len(sides)) / typical
    huge, slower = np.cbrt(0.1 / 0.9 * (sides**3).sum()), large["measured"] / large["predicted"]
    with_huge = np.append(asked, seconds_per_label(huge**3, SETTINGS))
    needed_too = np.append(needed, with_huge[-1] * slower)
    found: dict[str, dict] = {}
    for ranks in RANKS:
        found[f"{ranks} ranks"] = {"makespan": _makespan(asked, needed, None, ranks)}
        together = (float(seconds_together(np.full((1, 3), huge), SETTINGS, ranks)[0]), slower)
        found[f"{ranks} ranks, one label of 10 % of the volume"] = {
            "makespan": _makespan(with_huge, needed_too, together, ranks),
            "without sums by all ranks": _makespan(with_huge, needed_too, None, ranks),
        }
    return found


def _makespan(asked: np.ndarray, needed: np.ndarray, together: tuple[float, float] | None, ranks: int) -> float:
    """End of the last rank in units of an even share of what is needed.

    Parameters
    ----------
    asked, needed : (n,) predicted and real seconds of labels on one rank
    together : predicted seconds of the last label by all ranks, and the ratio of real ones to these; None: it is dealt
    ranks : how many
    """
    order, of_all = np.argsort(-asked, kind="stable"), np.full(len(asked), np.inf)
    if together:
        of_all[-1] = together[0]
    first = count_together(asked[order], of_all[order], ranks)
    dealt = order[first:]
    ends = [sum(of_all[order[:first]]) * (together or (0, 0))[1]] * ranks
    for cost in np.add.reduceat(needed[dealt], chunk_bounds(asked[dealt], ranks)[:-1]):
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends) / (needed.sum() / ranks)


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    runs = cases(o.cells, not o.no_peer)
    measured = interleaved(list(runs.values()), o.rounds)
    results["runs"] = {name: measured[case.name] for name, case in runs.items()}
    print("memory", flush=True)
    results["memory"] = {name: run(case, tuple(paths(o.cells)))[0].memory for name, case in runs.items()}
    seconds = costs(o.cells)
    results["costs"] = {"mean": float(seconds.mean()), "largest": float(seconds.max())}
    results["large"] = cost_of_large()
    results["balance"] = balance(seconds, results["large"])
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o = results["options"]
    intro = (
        f"{o['cells'] ** 3} textured grains, grey values evaluated where they have come from, exact rigid motions, "
        f"noise of {NOISE:g} of the contrast of the texture; "
        f"{o['rounds']} round(s), interleaved, two processes. CPU = user + system time of all processes. Errors are at "
        "the centres of mass."
    )
    mean = 1e3 * results["costs"]["mean"]
    sections = {
        "Goals": targets.table(targets.ddic(results)),
        "Runs": _runs_table(results["runs"]),
        "Memory on 2 processes, MB at the peak": reporting.memory_table(results["memory"], MEMORY),
        f"Balance, simulated from measured costs ({mean:.2f} ms per label)": _balance_table(results["balance"]),
    }
    return reporting.document("hpcdvc-ddic", intro, results, sections)


def _runs_table(runs: dict) -> str:
    lines = [
        "| run | CPU s | wall s | labels | converged | median error, voxel | worst | median rotation error, degrees |",
        "|--|--|--|--|--|--|--|--|",
    ]
    for name, r in runs.items():
        times = f"{spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])}"
        wrong = f"{r['median']:.4f} | {r['worst']:.4f} | {r['angle']:.4f}"
        lines.append(f"| {name} | {times} | {r['labels']} | {r['converged']} | {wrong} |")
    return "\n".join(lines)


def _balance_table(balance: dict) -> str:
    lines = ["| 10 000 labels | makespan / ideal | no label summed up by all ranks |", "|--|--|--|"]
    for name, entry in balance.items():
        alone = f"{entry['without sums by all ranks']:.3f}" if "without sums by all ranks" in entry else ""
        lines.append(f"| {name} | {entry['makespan']:.3f} | {alone} |")
    return "\n".join(lines)


if __name__ == "__main__":
    words = reporting.common_parser(__doc__)
    words.add_argument("--cells", type=int, default=CELLS, help="grains along each axis")
    options = words.parse_args()
    figures = measure(options)
    reporting.write("ddic", figures, report(figures), not options.no_peer and options.cells == CELLS)
    print(json.dumps(figures["costs"]))
