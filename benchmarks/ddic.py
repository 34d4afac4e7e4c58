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

#: Grains along each axis, their half axis and what is between them, voxels: 1331 grains of 10 000 voxels in 500^3.
CELLS, HALF, GAP = 11, 14.5, 15.0
#: Noise of both images, of the contrast of the texture.
NOISE = 0.05
RANKS = (16, 128)
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


def costs(cells: int) -> np.ndarray:
    """CPU seconds of each label, measured one by one."""
    from hpcdvc.labels.scan import centres_of, scan_labels
    from hpcdvc.registration.labels import LabelMask, LabelRegistration, label_points
    from hpcdvc.registration.settings import Iterations, Settings, Window

    im1, labels, im2 = map(tifffile.imread, paths(cells))
    found = scan_labels(labels)
    phi = np.broadcast_to(np.eye(4)[:3], (len(found), 3, 4))
    points = label_points(found, centres_of(found), phi, np.arange(len(found)))
    settings = Settings(Window((1, 1, 1)), iterations=Iterations(rigid=True))
    registration = LabelRegistration(im1, im2, labels, settings, LabelMask())
    seconds = np.zeros(len(points))
    for number in range(len(points)):
        began = time.process_time()
        registration(points[number : number + 1])
        seconds[number] = time.process_time() - began
    return seconds


def balance(seconds: np.ndarray) -> dict[str, dict]:
    """Time until the last rank is done beside that of an even share: 10^4 labels of unlike sizes, as they are dealt."""
    from hpcdvc.runs.points import chunk_bounds

    rng = np.random.default_rng(0)
    size = np.exp(rng.normal(0, 0.8, 10_000))  # of volumes; what is measured of equal ones scatters about it
    taken = size * rng.choice(seconds, len(size)) / seconds.mean()
    predicted = size * seconds.mean()
    huge = 0.1 / 0.9 * taken.sum() * seconds.mean()
    found: dict[str, dict] = {}
    for ranks in RANKS:
        for name, more in (("", ()), (", one label of 10 % of the volume", (huge,))):
            asked, needed = np.append(predicted, more), np.append(taken * seconds.mean(), more)
            order = np.argsort(-asked, kind="stable")
            bounds = chunk_bounds(asked[order], ranks)
            found[f"{ranks} ranks{name}"] = {"makespan": _makespan(needed[order], bounds, ranks)}
    return found


def _makespan(seconds: np.ndarray, bounds: np.ndarray, ranks: int) -> float:
    ends = [0.0] * ranks
    for cost in np.add.reduceat(seconds, bounds[:-1]):
        heapq.heapreplace(ends, ends[0] + cost)
    return max(ends) / (seconds.sum() / ranks)


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
    results["balance"] = balance(seconds)
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
    lines = ["| 10 000 labels | makespan / ideal |", "|--|--|"]
    return "\n".join(lines + [f"| {name} | {entry['makespan']:.3f} |" for name, entry in balance.items()])


if __name__ == "__main__":
    words = reporting.common_parser(__doc__)
    words.add_argument("--cells", type=int, default=CELLS, help="grains along each axis")
    options = words.parse_args()
    figures = measure(options)
    reporting.write("ddic", figures, report(figures), not options.no_peer and options.cells == CELLS)
    print(json.dumps(figures["costs"]))
