"""What a run of hpcdvc-ldic will take on 64, 1024 and 10 000 ranks: a model, checked on 1 and 2 ranks.

    wall = start-up + reading + dealing points + makespan of the tasks + gathering rows + writing

Every cost per node, chunk, rank and byte is measured here on 1 and 2 ranks, except those of the network, the launcher
and the storage of a cluster, which are ASSUMED and stated. The makespan comes from a discrete-event simulation of the
real scheduling with the measured costs of the tasks.

    python benchmarks/scaling.py                    writes benchmarks/results/scaling.txt, some minutes
    python benchmarks/scaling.py --size 200         a first look
"""

import argparse
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import facts  # noqa: E402
import machine  # noqa: E402
import numpy as np  # noqa: E402
from processes import ROOT, environment, mpiexec  # noqa: E402
from simulation import Rule, bytes_touched, makespan, node_sizes  # noqa: E402

from hpcdvc.fields.field import ROW  # noqa: E402
from hpcdvc.ranks.exchange import BLOCKS_PER_NODE  # noqa: E402
from hpcdvc.registration.settings import Interpolation, Settings, Window  # noqa: E402
from hpcdvc.registration.windows import seconds_per_window  # noqa: E402
from hpcdvc.runs.points import chunk_size  # noqa: E402

RANKS = (64, 1024, 9984, 10_000)
RANKS_PER_NODE = 64
HALF_WINDOW, ORDER, SPACING = 10, 3, 10  # of the predicted job
LOST = 0.15  # part of the points, at one end, that find no match, in the hard job
ASSUMED = {
    "launcher, s per rank": 2e-4,
    "Python and libraries from shared storage, s": 2.0,
    "network, bytes/s into or out of one rank": 5e9,
    "network, s per message": 1e-5,
    "storage, bytes/s to one node": 2e9,
    "storage, bytes/s to all nodes": 50e9,
    "storage, new files/s": 10_000,
}


@dataclass
class Costs:
    """Measured here."""

    easy: np.ndarray  # s per point, points that converge, in their order
    lost: np.ndarray  # s per point, points that find no match
    call: float  # s per call of the kernel
    fetch: float  # s per chunk for everything else of the loop: counter, shard, progress
    touch: float  # s per byte of the images that a rank is the first time at: page faults, cold caches
    start: dict  # ranks -> s
    gather: float  # s per byte of rows, on 2 ranks
    write: float  # s per point, HDF5 by rank 0
    tsv: float  # s per point


def run_chunks(ranks: int, *arguments) -> dict:
    """The answer of chunks.py."""
    words = [mpiexec(), "-n", str(ranks), sys.executable, str(ROOT / "benchmarks" / "chunks.py"), *map(str, arguments)]
    out = subprocess.run(words, capture_output=True, text=True, env=environment(), timeout=900)
    if out.returncode:
        raise SystemExit(f"chunks.py failed:\n{out.stderr[-2000:]}")
    return json.loads(out.stdout.splitlines()[-1])


def measure(size: int, rows: int) -> tuple[Costs, list[dict]]:
    """All costs; and the runs of 1 and 2 ranks that check the model."""
    runs = [run_chunks(ranks, size, 12 if size > 300 else 16, HALF_WINDOW, ORDER) for ranks in (1, 2)]
    lost = run_chunks(1, size, max(24, size // 8), HALF_WINDOW, ORDER, "lost")
    start = facts.start_up(7)
    written = facts.million_rows(rows)
    images = 2 * 2 * size**3
    costs = Costs(
        easy=np.array(runs[0]["costs"]),
        lost=np.array(lost["costs"]),
        call=runs[0]["call"],
        fetch=runs[1]["fetch"],
        touch=0.0,
        start={ranks: start[f"np{ranks}"]["wall_min"] for ranks in (1, 2)},
        gather=written[1]["gather"] / (written[1]["points"] * ROW.itemsize),
        write=min(w["write"] / w["points"] for w in written),
        tsv=min(w["tsv"] / w["points"] for w in written),
    )
    costs.touch = max(runs[0]["loops"][0][1] - task_seconds(costs, runs[0]), 0) / images
    return costs, runs


def task_seconds(costs: Costs, run: dict) -> float:
    """Makespan of the tasks of a run of this machine, by the model, with all pages of the images at hand."""
    count, ranks = run["points"], run["ranks"]
    each, sizes = point_costs(costs, count, 0.0), node_sizes(ranks, ranks)
    return makespan(each, sizes, rule_of(count, ranks), costs.call + costs.fetch, np.zeros(ranks))


def point_costs(costs: Costs, count: int, lost: float) -> np.ndarray:
    """Costs of `count` points: the measured ones again and again; the part `lost`, at the end, finds no match."""
    easy = np.resize(costs.easy, count)
    hard = int(lost * count)
    if hard:
        easy[-hard:] = np.resize(costs.lost, hard)
    return easy


def rule_of(points: int, ranks: int) -> Rule:
    """The rule of hpcdvc.runs.points and hpcdvc.ranks.exchange."""
    settings = Settings(Window((HALF_WINDOW,) * 3), interpolation=Interpolation(ORDER))
    chunk = chunk_size(seconds_per_window(settings), points, ranks)
    nodes = len(node_sizes(ranks, RANKS_PER_NODE))
    return Rule(chunk, max(1, points // (chunk * nodes * BLOCKS_PER_NODE)), True)


def balance(costs: Costs, count: int, ranks: int, lost: float, rule: Rule) -> float:
    """Makespan / ideal by simulation."""
    each, sizes = point_costs(costs, count, lost), node_sizes(ranks, RANKS_PER_NODE)
    start = np.zeros(ranks)
    return makespan(each, sizes, rule, costs.call + costs.fetch, start) / (each.sum() / ranks)


def parts(costs: Costs, edge: int, ranks: int, rule: Rule) -> dict[str, float]:
    """Seconds of every part of a run of edge^3 points on a cluster."""
    count, sizes = edge**3, node_sizes(ranks, RANKS_PER_NODE)
    a = ASSUMED
    each = point_costs(costs, count, 0.0)
    touched = 2 * bytes_touched(edge, SPACING, HALF_WINDOW, rule, len(sizes))
    reading = max(
        touched / a["storage, bytes/s to one node"], touched * len(sizes) / a["storage, bytes/s to all nodes"]
    )
    rows = count * ROW.itemsize
    network, message = a["network, bytes/s into or out of one rank"], a["network, s per message"]
    return {
        "start-up": costs.start[2]
        + a["Python and libraries from shared storage, s"]
        + ranks * a["launcher, s per rank"],
        "reading": reading,
        "dealing": len(sizes) * message + ranks / a["storage, new files/s"],
        "touching": costs.touch * 2 * bytes_touched(edge, SPACING, HALF_WINDOW, rule, ranks),
        "tasks": makespan(each, sizes, rule, costs.call + costs.fetch, np.zeros(ranks)),
        "gathering": max(rows / network, rows * costs.gather) + ranks * message,
        "HDF5": count * costs.write,
        "TSV": count * costs.tsv,
    }


def hard_ideal(costs: Costs) -> float:
    """Milliseconds per rank of the hard job of 10^6 points on 9984 ranks."""
    return point_costs(costs, 10**6, LOST).sum() / 9984 * 1e3


def check_lines(costs: Costs, runs: list[dict], size: int) -> list[str]:
    """The task part of the model against the runs on 1 and 2 ranks: CPU, and wall that also holds other programs."""
    lines = ["ranks  points  predicted loop s  measured CPU s (slowest rank)  measured wall s"]
    for run in runs:
        # chunks are dealt one by one, so every rank comes to nearly all pages
        predicted = task_seconds(costs, run) + costs.touch * 2 * 2 * size**3
        wall, cpu = (max(x[i] for x in run["loops"]) for i in (0, 1))
        lines.append(f"{run['ranks']:5d} {run['points']:7d} {predicted:17.2f} {cpu:30.2f} {wall:16.2f}")
    return lines


def balance_lines(costs: Costs, count: int, several: tuple = RANKS) -> list[str]:
    """Makespan / ideal of the present rule and of changed ones."""
    lines = [f"{count} points", "ranks  nodes  points/chunk  rule                                   easy job  hard job"]
    for ranks in several:
        now = rule_of(count, ranks)
        chunk, block, nodes = now.points_per_chunk, now.chunks_per_block, len(node_sizes(ranks, RANKS_PER_NODE))
        chosen = {
            "as in hpcdvc": now,
            "chunks one by one, equal shares": Rule(chunk),
            "chunks one by one, by ranks": Rule(chunk, 1, True),
            "as in hpcdvc, half chunks": Rule(max(1, chunk // 2), 2 * block, True),
            "as in hpcdvc, last chunk as points": Rule(chunk, block, True, 1),
        }
        for name, rule in chosen.items():
            easy, hard = (balance(costs, count, ranks, lost, rule) for lost in (0.0, LOST))
            lines.append(f"{ranks:5d} {nodes:6d} {rule.points_per_chunk:13d}  {name:38s} {easy:8.3f}  {hard:8.3f}")
    return lines


def prediction_lines(costs: Costs, edge: int) -> list[str]:
    """Wall time and efficiency of a run of edge^3 points."""
    count = edge**3
    work = point_costs(costs, count, 0.0).sum()
    rows = {}
    for ranks in RANKS[:3]:
        now = rule_of(count, ranks)
        rows[f"{ranks}, as in hpcdvc"] = (ranks, parts(costs, edge, ranks, now))
        rows[f"{ranks}, chunks one by one"] = (ranks, parts(costs, edge, ranks, Rule(now.points_per_chunk, 1, True)))
    names = list(next(iter(rows.values()))[1])
    titles = "".join(f"{name:>11s}" for name in (*names, "total"))
    lines = [f"{'ranks, rule':28s}{titles}  without TSV  efficiency"]
    for name, (ranks, p) in rows.items():
        total = sum(p.values())
        numbers = "".join(f"{p[n]:11.2f}" for n in names)
        without = total - p["TSV"]
        lines.append(f"{name:28s}{numbers}{total:11.2f}{without:13.2f}{work / ranks / without:12.3f}")
    return [f"{count} points, {work:.0f} s of work", *lines, ""]


def report(costs: Costs, runs: list[dict], size: int) -> str:
    """All of it as text."""
    e, h = costs.easy * 1e6, costs.lost * 1e6
    lines = [
        "Scaling of hpcdvc-ldic: model, measured costs, simulated scheduling (benchmarks/scaling.py)",
        "",
        *(f"{name}: {value}" for name, value in machine.facts().items()),
        "",
        f"1. Measured costs (hws {HALF_WINDOW}, -o {ORDER})",
        f"point that converges: mean {e.mean():.0f} us, standard deviation {e.std():.0f}, largest {e.max():.0f}",
        f"point without a match: mean {h.mean():.0f} us, standard deviation {h.std():.0f}, largest {h.max():.0f}",
        f"chunk: call of the kernel {costs.call * 1e6:.0f} us, counter + shard + progress {costs.fetch * 1e6:.0f} us",
        f"first touch of an image by a rank: {costs.touch * 1e9:.2f} ns per byte "
        "(what the run on 1 rank in 3. takes beyond its tasks: an upper bound)",
        f"start-up: {costs.start[1]:.2f} s on 1 rank, {costs.start[2]:.2f} s on 2 ranks",
        f"rows: gathering {costs.gather * 1e9:.2f} ns per byte, HDF5 {costs.write * 1e6:.2f} us per point, "
        f"TSV {costs.tsv * 1e6:.1f} us per point",
        "",
        "2. Assumed, of a cluster with 64 ranks per node",
        *(f"{name}: {value:g}" for name, value in ASSUMED.items()),
        "",
        "3. Check: the loop over the tasks on 1 and 2 ranks of this machine",
        *check_lines(costs, runs, size),
        "",
        f"4. Makespan / ideal; hard job: the last {LOST:.0%} of the points find no match",
        "10 000 ranks leave a last node of 16 ranks, 9984 fill all nodes. A point cannot be divided: the longest takes "
        f"{costs.lost.max() * 1e3:.0f} ms,",
        f"the ideal of the hard job of 10^6 points on 9984 ranks is {hard_ideal(costs):.0f} ms.",
        *balance_lines(costs, 10**6),
        *balance_lines(costs, 10**7, RANKS[3:]),
        "",
        f"5. Prediction, hws {HALF_WINDOW}, ns {SPACING}, -o {ORDER}, uint16 images mapped from shared storage (s)",
        "Efficiency: work / (ranks x wall without TSV)",
        *prediction_lines(costs, 100),
        *prediction_lines(costs, 215),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure, model, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=500, help="voxels along an edge of the measured pair")
    parser.add_argument("--rows", type=int, default=100, help="its cube is the number of rows gathered and written")
    o = parser.parse_args()
    text = report(*measure(o.size, o.rows), o.size)
    print(text)
    results = ROOT / "benchmarks" / "results"
    results.mkdir(exist_ok=True)
    (results / "scaling.txt").write_text(text)


if __name__ == "__main__":
    main()
