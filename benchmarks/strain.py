"""Strain: a million nodes, ten thousand beside spam, and its standard deviations beside its scatter.

    python benchmarks/strain.py                        some ten minutes
    python benchmarks/strain.py --rounds 1 --edge 90   a first look
    python benchmarks/strain.py --side 215             ten million nodes

The result goes to benchmarks/results/strain-<date>-<machine>.md and .json. CPU is user + system time of all processes
and hardly depends on what else runs; wall times need an idle machine.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import machine  # noqa: E402
import numpy as np  # noqa: E402
import peer  # noqa: E402
import reporting  # noqa: E402
import targets  # noqa: E402
import tifffile  # noqa: E402
from fieldfiles import field_file  # noqa: E402
from processes import command, memory_of_all, timed, told  # noqa: E402
from series import Case, interleaved, run, spread  # noqa: E402
from speckle import CACHE  # noqa: E402
from synthetic import Grey, lattice_texture, render  # noqa: E402

#: Nodes along an axis: ours alone, and beside spam.
SIDE, BESIDE, RANKS = 100, 21, 2
MODES = {"Geers": ["-g"], "Q8": ["-q8"], "poly2": ["-poly", 2]}
#: Those of the large field.
ALL_MODES = {**MODES, "poly1": ["-poly", 1], "raw": ["-raw"]}
PEER_MODES = {"Geers": ["-g"], "Q8": []}
#: Edge of the pair that nothing has moved in, noise of both images, and (half window, spacing) of what is measured.
EDGE, NOISE, WINDOWS = 130, 0.05, ((5, 4), (8, 4), (6, 6), (4, 9))
COMPONENTS = ("vol", "volss", "e", "r", "dev", "eqss", "Up")
OF_SCATTER = {"Geers": ["-g"], "Q8": ["-q8"], "poly2": ["-poly", 2], "raw": ["-raw"]}


def whole(side: int) -> dict[str, dict]:
    """CPU, wall and memory of runs on a field of side^3 nodes in HDF5, without a table."""
    found, path = {}, field_file(side)
    for name, words in ALL_MODES.items():
        done, _ = run(Case(name, lambda folder, w=words: ours(path, folder, *w, "-hws", 10, "-notsv")), (str(path),))
        found[name] = {"cpu": done.cpu, "wall": done.wall, **done.memory}
        print(f"{name}: {told(found[name])}", flush=True)
    return found


def ours(path: Path, folder: Path, *words, ranks: int = RANKS) -> list[str]:
    """The words of a run of ours."""
    return command("regularStrain", path, *words, "-od", folder, "-q", ranks=ranks)


def beside(rounds: int, with_peer: bool) -> dict[str, dict]:
    """Runs of both programs on the same table, for the same numbers."""
    path, cases = field_file(BESIDE, "tsv"), []
    for name, words in MODES.items():
        cases.append(Case(name, lambda folder, w=words: ours(path, folder, *w)))
        if with_peer and name in PEER_MODES:
            more = PEER_MODES[name]
            cases.append(
                Case(
                    f"spam: {name}",
                    lambda folder, w=more: peer.script("regularStrain", "-pf", path, *w, "-np", RANKS, "-od", folder),
                )
            )
    return interleaved(cases, rounds)


def scatter(edge: int) -> list[dict]:
    """Standard deviation that is reported over the scatter of what should be zero, by window and mode.

    Nothing has moved between two images of one texture with independent noise; nodes whose neighbours have whole
    windows count.
    """
    CACHE.mkdir(exist_ok=True)
    still = render(lattice_texture(3), (edge,) * 3, grey=Grey(noise=0)).astype(float)
    for k in (1, 2):
        noise = np.random.default_rng(k).normal(scale=NOISE * 5000, size=still.shape)
        tifffile.imwrite(CACHE / f"still{k}.tif", np.clip(np.rint(still + noise), 0, 65535).astype("u2"))
    found = []
    for half, spacing in WINDOWS:
        words = ["-hws", half, "-ns", spacing, "--no-search", "-notsv", "-q", "--force", "-od", CACHE]
        timed(command("ldic", CACHE / "still1.tif", CACHE / "still2.tif", *words, ranks=RANKS))
        path = CACHE / "still1-still2-ldic.hdf"
        found += [
            {"half": half, "spacing": spacing, "mode": mode, **_ratios(path, more, half, spacing, edge)}
            for mode, more in OF_SCATTER.items()
        ]
    return found


def _ratios(path: Path, words: list, half: int, spacing: int, edge: int) -> dict:
    """Of one mode."""

    def asked(folder: Path) -> list[str]:
        return ours(path, folder, *words, "-notsv", "-comp", *COMPONENTS)

    _, ratios = run(Case("", asked, _reader(half + 2 * spacing, edge)))
    print(f"{path.name}, hws {half}, {' '.join(map(str, words))}: {ratios}", flush=True)
    return ratios


def _reader(away: int, edge: int):
    """What is read of a result: for each component the least and the largest ratio of its numbers."""

    def read(folder: Path) -> dict:
        from hpcdvc.output.hdf5 import read_field

        (result,) = folder.glob("*.hdf")
        field = read_field(result)
        inside = ((field.positions > away) & (field.positions < edge - 1 - away)).all(axis=1)
        rows = field.measured & inside
        ratios = {}
        for name in COMPONENTS:
            values, said = field.extra[name][rows], field.extra[f"{name}_std"][rows]
            # the truth is 0; norms and principal values of noise are not
            mean = np.nanmean(values, axis=0) if name in ("dev", "eqss", "Up") else 0
            ratio = np.sqrt(np.nanmean(said**2, axis=0) / np.nanmean((values - mean) ** 2, axis=0))
            ratios[name] = [float(np.min(ratio)), float(np.max(ratio))]
        return {"nodes": int(rows.sum()), "ratios": ratios}

    return read


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    results["whole"], results["beside"] = whole(o.side), beside(o.rounds, not o.no_peer)
    results["scatter"] = scatter(o.edge)
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    intro = (
        f"Fields of {results['options']['side']}^3 nodes in HDF5 and of {BESIDE}^3 in tables, two processes. "
        "CPU = user + system time of all processes. Standard deviations: two images of one texture, noise of "
        f"{100 * NOISE:.0f} % of its contrast, nothing has moved."
    )
    sections = {
        "Goals": targets.table(targets.strain(results)),
        "Many nodes": _whole_table(results["whole"]),
        "Beside spam": _beside_table(results["beside"]),
        "Reported standard deviation / scatter": _scatter_table(results["scatter"]),
    }
    return reporting.document("Strain", intro, results, sections)


def _whole_table(runs: dict) -> str:
    lines = ["| run | CPU s | wall s | resident per process, GB | memory in all, GB |", "|--|--|--|--|--|"]
    for name, r in runs.items():
        memory = f"{r['resident_per_process'] / 1e9:.2f} | {memory_of_all(r) / 1e9:.2f}"
        lines.append(f"| {name} | {r['cpu']:.1f} | {r['wall']:.1f} | {memory} |")
    return "\n".join(lines)


def _beside_table(runs: dict) -> str:
    lines = ["| run | CPU s | wall s |", "|--|--|--|"]
    for name, r in runs.items():
        lines.append(f"| {name} | {spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])} |")
    return "\n".join(lines)


def _scatter_table(entries: list[dict]) -> str:
    lines = [f"| hws | ns | mode | nodes | {' | '.join(COMPONENTS)} |", "|--|--|--|--|" + "--|" * len(COMPONENTS)]
    for entry in entries:
        texts = ["-".join(dict.fromkeys(f"{end:.2f}" for end in entry["ratios"][name])) for name in COMPONENTS]
        lines.append(
            f"| {entry['half']} | {entry['spacing']} | {entry['mode']} | {entry['nodes']} | {' | '.join(texts)} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    words = reporting.common_parser(__doc__)
    words.add_argument("--side", type=int, default=SIDE, help="nodes along an axis of the large field")
    words.add_argument("--edge", type=int, default=EDGE, help="voxels along an edge of the images of the scatter")
    options = words.parse_args()
    figures = measure(options)
    complete = not options.no_peer and (options.side, options.edge) == (SIDE, EDGE)
    reporting.write("strain", figures, report(figures), complete)
