"""hpcdvc-reg measured: beside spam-reg, on two ranks, its memory and its errors.

    python benchmarks/reg.py                        500^3, some 4 minutes
    python benchmarks/reg.py --size 200 --rounds 1  a first look

The result goes to benchmarks/results/reg-<date>-<machine>.md and .json. CPU is user + system time of all processes
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
from processes import command  # noqa: E402
from series import Case, efficiency, interleaved, run, spread  # noqa: E402
from speckle import speckle_pair, truth  # noqa: E402

SMALL = 100
PEAKS = {
    "resident, largest process": "resident_per_process",
    "anonymous, largest process": "anonymous_per_process",
    "own": "own",
    "images mapped (PSS)": "mapped",
    "shared (PSS)": "shared",
}


def ours(size: int, order: int, ranks: int, repeats: int = 3) -> Case:
    """hpcdvc-reg with its defaults."""

    def words(folder: Path) -> list[str]:
        return command("reg", *speckle_pair(size), "-o", order, "-od", folder, "-pre", "x", "-q", ranks=ranks)

    return Case(f"hpcdvc-reg -o {order} -np {ranks}, {size}^3", words, _read(size), repeats)


def theirs(size: int) -> Case:
    """spam-reg with its defaults: -o 1, one process."""
    return Case(f"spam-reg, {size}^3", lambda folder: peer.reg(*speckle_pair(size), folder, "x"), _read(size))


def _read(size: int):
    return lambda folder: peer.registration_error(folder / "x-registration.tsv", truth(size), size)


def binned_bytes(size: int, first: int = 4) -> int:
    """Both images binned by 2, 4, ... as float32."""
    return sum(2 * 4 * (size // 2**k) ** 3 for k in range(1, first.bit_length()))


def memory(size: int, with_peer: bool) -> dict[str, dict]:
    """Peaks of one more run each, bytes; `own`: of the largest rank, without the images and the binned levels."""
    cases = {1: ours(size, 3, 1), 2: ours(size, 3, 2)}
    found = {case.name: {"ranks": ranks, **run(case, speckle_pair(size))[0].memory} for ranks, case in cases.items()}
    for entry in found.values():  # the ranks of a node share the levels; one process has them to itself
        entry["own"] = entry["anonymous_per_process"] - (binned_bytes(size) if entry["ranks"] == 1 else 0)
    if with_peer:
        case = theirs(size)
        found[case.name] = {"ranks": 1, **run(case, speckle_pair(size))[0].memory}
    return found


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    cases = [ours(o.size, order, ranks) for order in (3, 1) for ranks in (1, 2)]
    cases += [ours(SMALL, 3, 1), ours(SMALL, 3, 2)]
    if not o.no_peer:
        cases += [theirs(o.size), theirs(SMALL)]
    runs = results["runs"] = interleaved(cases, o.rounds)
    results["efficiency"] = {
        order: efficiency(*(runs[ours(o.size, order, ranks).name] for ranks in (1, 2))) for order in (3, 1)
    }
    print("memory", flush=True)
    results["memory"] = memory(o.size, not o.no_peer)
    if not o.no_peer:
        results["ratios"] = ratios(results, o.size)
    results["load average at the end"] = machine.load()
    return results


def ratios(results: dict, size: int) -> dict:
    """What the peer takes / what ours takes, and ours / its errors."""
    runs, memory = results["runs"], results["memory"]
    other, plain = runs[theirs(size).name], {order: runs[ours(size, order, 1).name] for order in (3, 1)}
    peaks = [memory[case.name] for case in (theirs(size), ours(size, 3, 1))]
    return {
        "cpu": {order: other["cpu"] / entry["cpu"] for order, entry in plain.items()},
        "wall": {order: other["wall"] / entry["wall"] for order, entry in plain.items()},
        **{name: peaks[0][name] / peaks[1][name] for name in ("resident_per_process", "anonymous")},
        "centre": plain[3]["centre"] / other["centre"],
        "corner": plain[3]["corner"] / other["corner"],
    }


def report(results: dict) -> str:
    """The results as Markdown."""
    o = results["options"]
    intro = (
        f"Speckle pair of {o['size']}^3 uint16 (texture evaluated at moved points, strain 0.4 %, noise 1 % of the mean "
        f"grey value), defaults of both programs but for -o; {o['rounds']} round(s), interleaved. CPU = user + system "
        "time of all processes."
    )
    efficient = "; ".join(
        f"-o {order}: {e['best']:.2f} (best walls), {e['median']:.2f} (medians), {e['cpu']:.2f} (CPU)"
        for order, e in results["efficiency"].items()
    )
    sections = {
        "Goals": targets.table(targets.reg(results)),
        "Runs": runs_table(results["runs"])
        + f"\n\nMedians, and the extremes. The pair of {SMALL}^3 shows what starting costs. Errors of Phi at the "
        "centre of the image, and the largest at its corners, in voxels; iterations are those on the image itself.",
        "Two ranks": f"Efficiency: {efficient}.",
        "Memory, MB at the peak": reporting.memory_table(results["memory"], PEAKS)
        + f"\n\nThe images have {4e-6 * o['size'] ** 3:.0f} MB, their binned levels "
        f"{binned_bytes(o['size']) / 1e6:.0f} MB: part of the anonymous memory of one process, shared by the ranks of "
        "a node. Own is what is left of the anonymous memory of a rank without them, Python and its libraries "
        "included. Resident counts all pages of mapped files.",
    }
    return reporting.document("hpcdvc-reg", intro, results, sections)


def runs_table(runs: dict) -> str:
    """Markdown: one line per case."""
    lines = ["| run | CPU s | wall s | iterations | error at the centre | at a corner |", "|--|--|--|--|--|--|"]
    for name, r in runs.items():
        times = f"{spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])}"
        lines.append(f"| {name} | {times} | {r['iterations']} | {r['centre']:.2g} | {r['corner']:.2g} |")
    return "\n".join(lines)


if __name__ == "__main__":
    reporting.run("reg", reporting.parse(reporting.parser(__doc__)), measure, report)
