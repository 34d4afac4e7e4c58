"""Commands that make fields of fields: a million nodes, ten thousand beside spam, how many outliers -smed finds.

    python benchmarks/fields.py               some minutes
    python benchmarks/fields.py --rounds 1    a first look
    python benchmarks/fields.py --side 40     smaller fields; 215 for ten million nodes, 10 GB of memory, 20 of disk

The result goes to benchmarks/results/fields-<date>-<machine>.md and .json. CPU is user + system time of all processes
and hardly depends on what else runs; wall times need an idle machine.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import machine  # noqa: E402
import peer  # noqa: E402
import reporting  # noqa: E402
import targets  # noqa: E402
from fieldfiles import SPACING, field_file, wrong_rows  # noqa: E402
from processes import command, memory_of_all, told  # noqa: E402
from series import Case, interleaved, run, spread  # noqa: E402

#: Nodes along an axis: ours alone, beside spam, and for the outliers.
SIDE, BESIDE, OUTLIERS = 100, 21, 30
RANKS = 2


def shape_of(side: int) -> list[int]:
    """-im1shape of an image in which nodes of the spacing of the fields are as many as theirs."""
    return [int(SPACING * (side + 1))] * 3


def asked(side: int) -> dict[str, tuple[str, list]]:
    """Command and words by what is done; the fields are moved by half a spacing against the points."""
    target = ["-ns", int(SPACING), "-im1shape", *shape_of(side)]
    return {
        "passPhiField": ("passPhiField", [*target, "-nr", 2 * SPACING]),
        "passPhiField, 8 nearest": ("passPhiField", [*target, "-nn", 8]),
        "LQC": ("filterPhiField", ["-slqc", "-cint", "-nr", 4 * SPACING]),
        "LQC, 27 nearest": ("filterPhiField", ["-slqc", "-cint", "-nn", 27]),
        "median": ("filterPhiField", ["-fm"]),
    }


def ours(name: str, words: list, path: Path, ranks: int = RANKS):
    """The words of a run of ours, from the folder for its results."""
    return lambda folder: command(name, "-pf", path, *words, "-od", folder, "-q", ranks=ranks)


def theirs(name: str, words: list, path: Path):
    """The same of spam."""
    return lambda folder: peer.script(name, "-pf", path, *words, "-np", RANKS, "-od", folder)


def whole(side: int) -> dict[str, dict]:
    """CPU, wall and memory of runs on fields of side^3 nodes in HDF5, without a table."""
    found, path = {}, field_file(side, off=True)
    further = {"-smed": ["-smed", "-cint"], "Gaussian": ["-fg"]}
    cases = [Case(name, ours(what, [*words, "-notsv"], path)) for name, (what, words) in asked(side).items()]
    cases += [Case(name, ours("filterPhiField", [*words, "-notsv"], path)) for name, words in further.items()]
    cases.append(
        Case("mergePhis", lambda folder: command("mergePhis", path, path, "-notsv", "-od", folder, "-q", ranks=RANKS))
    )
    for case in cases:
        done, _ = run(case, (str(path),))
        found[case.name] = {"cpu": done.cpu, "wall": done.wall, **done.memory}
        print(f"{case.name}: {told(found[case.name])}", flush=True)
    return found


def beside(rounds: int, with_peer: bool) -> dict[str, dict]:
    """Runs of both programs on the same table."""
    path, cases = field_file(BESIDE, "tsv", off=True), {}
    for name, (what, words) in asked(BESIDE).items():
        cases[name] = Case(name, ours(what, words, path))
        if with_peer:
            cases[f"spam: {name}"] = Case(f"spam: {name}", theirs(what, words, path))
    return interleaved(list(cases.values()), rounds)


def outliers(side: int) -> dict[str, float]:
    """Part of the planted rows that -smed finds, and of the others, in percent."""
    from hpcdvc.output.hdf5 import read_field

    def found(folder: Path) -> dict:
        (result,) = folder.glob("*.hdf")
        selected, wrong = read_field(result).return_status == -14, wrong_rows(side)
        return {"found": 100 * float(selected[wrong].mean()), "false": 100 * float(selected[~wrong].mean())}

    path = field_file(side, off=True)
    return run(Case("-smed", ours("filterPhiField", ["-smed", "-notsv"], path), found))[1]


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    results["whole"], results["beside"] = whole(o.side), beside(o.rounds, not o.no_peer)
    results["outliers"] = outliers(min(o.side, OUTLIERS))
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    intro = (
        f"Fields of {results['options']['side']}^3 nodes in HDF5 and of {BESIDE}^3 in tables: rotation of 10 degrees, "
        "sines of 8 spacings and 1 voxel, noise of 0.02 voxel, 5 % of the rows 2 to 10 voxels wrong. Two processes. "
        "CPU = user + system time of all processes."
    )
    sections = {
        "Goals": targets.table(targets.fields(results)),
        "Many nodes": _whole_table(results["whole"]),
        "Beside spam": _beside_table(results["beside"]),
    }
    return reporting.document("Fields of fields", intro, results, sections)


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


if __name__ == "__main__":
    words = reporting.common_parser(__doc__)
    words.add_argument("--side", type=int, default=SIDE, help="nodes along an axis of the large fields")
    options = words.parse_args()
    figures = measure(options)
    reporting.write("fields", figures, report(figures), not options.no_peer and options.side == SIDE)
