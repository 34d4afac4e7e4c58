"""hpcdvc-ldic measured: beside spam-ldic, and alone (kernel, start-up, two ranks, memory, rows, precision).

    python benchmarks/ldic.py                       500^3, 8000 nodes, some 15 minutes
    python benchmarks/ldic.py --size 200 --rounds 1 a first look

The result goes to benchmarks/results/ldic-<date>-<machine>.md and .json. CPU is user + system time of all processes
and hardly depends on what else runs; wall times need an idle machine.
"""

import argparse
import json
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import comparison  # noqa: E402
import facts  # noqa: E402
import kernel  # noqa: E402
import machine  # noqa: E402
import peer  # noqa: E402
import targets  # noqa: E402
from processes import ROOT  # noqa: E402
from speckle import speckle_pair  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
HALF_WINDOW = 10


def options() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n\n")[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--size", type=int, default=500, help="voxels along an edge of the pair, 200 or more")
    parser.add_argument("--spacing", type=int, default=24, help="node spacing, voxels")
    parser.add_argument("--rounds", type=int, default=3, help="how often each run is repeated, one after the other")
    parser.add_argument("--rows", type=int, default=100, help="its cube is the number of rows gathered and written")
    parser.add_argument("--no-peer", action="store_true", help="do not install and run spam")
    found = parser.parse_args()
    if found.size < 200 or found.rounds < 1:
        parser.error("--size must be 200 or more and --rounds 1 or more")
    return found


def measure(o: argparse.Namespace) -> dict:
    """All figures, slowest first."""
    results = {"options": vars(o), "machine": machine.facts()}
    print("kernel", flush=True)
    results["kernel"] = kernel.all_instruction_sets(o.size, 2 * o.rounds + 1)
    runs = comparison.compare(o.size, HALF_WINDOW, o.spacing, o.rounds, not o.no_peer)
    results["runs"], results["ratios"] = runs, comparison.ratios(runs, o.size, o.spacing)
    print("two ranks, start-up", flush=True)
    results["efficiency"] = facts.efficiency(o.size, o.spacing, HALF_WINDOW, 2 * o.rounds - 1)
    results["start_up"] = facts.start_up(2 * o.rounds + 1)
    print("memory, rows, precision", flush=True)
    results["memory"] = facts.memory(o.size, o.spacing, HALF_WINDOW)
    if not o.no_peer:
        case = comparison.Case("peer", 1, 2, o.spacing)
        results["peer_memory"] = comparison.run_case(case, o.size, HALF_WINDOW, sample_memory=True)[0].memory
    results["rows"] = facts.million_rows(o.rows)
    results["precision"] = facts.precision(o.size)
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o, start, efficiency = results["options"], results["start_up"], results["efficiency"]
    lines = [
        f"# hpcdvc-ldic, {results['machine']['date']}",
        "",
        f"Speckle pair of {o['size']}^3 uint16 (texture evaluated at moved points, strain 0.4 %, noise 1 % of the "
        f"mean grey value), hws {HALF_WINDOW}, ns {o['spacing']}, {o['rounds']} round(s), interleaved; medians. CPU = "
        "user + system time of all processes.",
        "",
        *(f"* {name}: {value}" for name, value in results["machine"].items()),
        f"* load average at the end: {results['load average at the end']}",
        "",
        "## Goals",
        "",
        targets.table(results),
        "",
        "## Runs",
        "",
        comparison.table(results["runs"]),
        "",
        "The runs with one node show what starting, reading and writing cost. A scaled figure is that of one node + "
        "the rest x the ratio of the nodes. Displacement errors are in voxels, over the points called converged.",
        "",
        "## Kernel, ns per voxel and iteration, everything included (min / median)",
        "",
        kernel.table(results["kernel"]),
        "",
        "## Two ranks",
        "",
        f"-o 3, wall s on 1 rank {efficiency['walls'][1]}, on 2 ranks {efficiency['walls'][2]}; "
        f"CPU s {efficiency['cpus'][1]}, {efficiency['cpus'][2]}: efficiency {efficiency['best']:.2f} (best walls), "
        f"{efficiency['median']:.2f} (medians), {efficiency['cpu']:.2f} (CPU).",
        "",
        "Start-up, wall s, best / median: "
        + ", ".join(f"{name} {s['wall_min']:.2f} / {s['wall_median']:.2f}" for name, s in start.items())
        + " (bare_np2: mpiexec -n 2 with numpy and mpi4py alone).",
        "",
        "## Memory on 2 ranks, MB at the peak",
        "",
        "| | anonymous, largest process | anonymous, all | images mapped (PSS) | shared (PSS) |",
        "|--|--|--|--|--|",
        *_memory_lines(results),
        "",
        "## Rows gathered on rank 0 and written",
        "",
        *(f"* {_rows_line(rows)}" for rows in results["rows"]),
        "",
    ]
    return "\n".join(lines)


def _memory_lines(results: dict) -> list[str]:
    found = {"ours, mapped images": results["memory"]["mapped"], "ours, packed TIFF": results["memory"]["decoded"]}
    if "peer_memory" in results:
        found["peer"] = results["peer_memory"]
    names = ("anonymous_per_process", "anonymous", "mapped", "shared")
    return [f"| {name} | " + " | ".join(f"{m[n] / 1e6:.0f}" for n in names) + " |" for name, m in found.items()]


def _rows_line(rows: dict) -> str:
    return (
        f"{rows['points']} points, {rows['ranks']} rank(s): gathered {rows['gather']:.2f} s, HDF5 "
        f"({rows['bytes'] / 1e6:.0f} MB) {rows['write']:.2f} s, TSV {rows['tsv']:.1f} s"
    )


def main() -> None:
    """Measure, print, write."""
    o = options()
    speckle_pair(o.size)
    if not o.no_peer:
        peer.install()
    results = measure(o)
    stem = f"ldic-{time.strftime('%Y-%m-%d')}-{results['machine']['machine']}"
    text = report(results)
    print(text)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{stem}.md").write_text(text)
    (RESULTS / f"{stem}.json").write_text(json.dumps(results, indent=1) + "\n")
    print(f"written to benchmarks/results/{stem}.md and .json")


if __name__ == "__main__":
    main()
