"""hpcdvc-ldic measured: beside spam-ldic and al-dvc, and alone (kernel, start-up, two ranks, memory, rows, precision).

    python benchmarks/ldic.py                       500^3, 8000 nodes, some 20 minutes
    python benchmarks/ldic.py --size 200 --rounds 1 a first look

The result goes to benchmarks/results/ldic-<date>-<machine>.md and .json. CPU is user + system time of all processes
and hardly depends on what else runs; wall times need an idle machine.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import aldvc  # noqa: E402
import comparison  # noqa: E402
import facts  # noqa: E402
import kernel  # noqa: E402
import machine  # noqa: E402
import peer  # noqa: E402
import reporting  # noqa: E402
import targets  # noqa: E402

HALF_WINDOW = 10


def options() -> argparse.Namespace:
    """The command line."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--spacing", type=int, default=24, help="node spacing, voxels")
    parser.add_argument("--rows", type=int, default=100, help="its cube is the number of rows gathered and written")
    return reporting.parse(parser)


def measure(o: argparse.Namespace) -> dict:
    """All figures, slowest first."""
    results = reporting.begin(o)
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
        for key, program, order in (("peer_memory", "peer", 1), ("al_dvc_memory", "al-dvc", 3)):
            results[key] = comparison.peer_memory(program, order, o.size, HALF_WINDOW, o.spacing)
    results["rows"] = facts.million_rows(o.rows)
    results["precision"] = facts.precision(o.size)
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o = results["options"]
    intro = (
        f"Speckle pair of {o['size']}^3 uint16 (texture evaluated at moved points, strain 0.4 %, noise 1 % of the "
        f"mean grey value), hws {HALF_WINDOW}, ns {o['spacing']}, {o['rounds']} round(s), interleaved; medians. CPU = "
        "user + system time of all processes. peer: spam-ldic. al-dvc: its local step with cubic B-spline, started at "
        "zero, threads instead of processes."
    )
    sections = {
        "Goals": targets.table(targets.ldic(results)),
        "Runs": comparison.table(results["runs"])
        + "\n\nThe runs with one node show what starting, reading and writing cost. A scaled figure is that of one "
        "node + the rest x the ratio of the nodes. Errors of displacement are in voxels, over the converged points.",
        "Kernel, ns per voxel and iteration, everything included (min / median)": kernel.table(results["kernel"]),
        "Two ranks": _two_ranks(results["efficiency"], results["start_up"]),
        "Memory on 2 ranks, MB at the peak": _memory_table(results),
        "Rows gathered on rank 0 and written": "\n".join(f"* {_rows_line(rows)}" for rows in results["rows"]),
    }
    return reporting.document("hpcdvc-ldic", intro, results, sections)


def _two_ranks(efficiency: dict, start: dict) -> str:
    return (
        f"-o 3, wall s on 1 rank {efficiency['walls'][1]}, on 2 ranks {efficiency['walls'][2]}; "
        f"CPU s {efficiency['cpus'][1]}, {efficiency['cpus'][2]}: efficiency {efficiency['best']:.2f} (best walls), "
        f"{efficiency['median']:.2f} (medians), {efficiency['cpu']:.2f} (CPU).\n\n"
        "Start-up, wall s, best / median: "
        + ", ".join(f"{name} {s['wall_min']:.2f} / {s['wall_median']:.2f}" for name, s in start.items())
        + " (bare_np2: mpiexec -n 2 with numpy and mpi4py alone)."
    )


def _memory_table(results: dict) -> str:
    found = {"ours, mapped images": results["memory"]["mapped"], "ours, packed TIFF": results["memory"]["decoded"]}
    if "peer_memory" in results:
        found |= {"peer": results["peer_memory"], "al-dvc": results["al_dvc_memory"]}
    columns = {
        "anonymous, largest process": "anonymous_per_process",
        "anonymous, all": "anonymous",
        "images mapped (PSS)": "mapped",
        "shared (PSS)": "shared",
    }
    return reporting.memory_table(found, columns)


def _rows_line(rows: dict) -> str:
    return (
        f"{rows['points']} points, {rows['ranks']} rank(s): gathered {rows['gather']:.2f} s, HDF5 "
        f"({rows['bytes'] / 1e6:.0f} MB) {rows['write']:.2f} s, TSV {rows['tsv']:.1f} s"
    )


if __name__ == "__main__":
    reporting.run("ldic", options(), measure, report, (peer, aldvc))
