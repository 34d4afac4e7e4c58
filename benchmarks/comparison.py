"""hpcdvc-ldic beside spam-ldic and al-dvc on the same pair with the same processes, interleaved."""

from dataclasses import dataclass
from pathlib import Path

import aldvc
import peer
import series
from processes import command
from speckle import speckle_pair, truth


@dataclass(frozen=True)
class Case:
    """One program, with what it is asked for."""

    program: str  # "ours", "peer" (spam) or "al-dvc"
    order: int
    ranks: int
    spacing: int

    @property
    def name(self) -> str:
        """Key in the results."""
        return f"{self.program} -o {self.order} -np {self.ranks} -ns {self.spacing}"


def run_of(case: Case, size: int, half: int) -> series.Case:
    """How a case is run, and its error against the truth."""
    images = speckle_pair(size)

    def words(folder: Path) -> list[str]:
        if case.program == "peer":
            return peer.ldic(*images, folder, case.spacing, half, case.order, case.ranks)
        if case.program == "al-dvc":
            return aldvc.words(*images, folder, size, case.spacing, half, case.ranks)
        options = ["-ns", case.spacing, "-hws", half, "-m", 3, "-o", case.order, "-od", folder, "-pre", "ours"]
        return command("ldic", *images, *options, "-q", ranks=case.ranks)

    def read(folder: Path) -> dict:
        if case.program == "al-dvc":
            return aldvc.error(folder / "aldvc.npz", truth(size))
        return peer.error(folder / f"{case.program}-ldic.tsv", truth(size))

    more = aldvc.threads(case.ranks) if case.program == "al-dvc" else {}
    return series.Case(case.name, words, read, environment=more)


def peer_memory(program: str, order: int, size: int, half: int, spacing: int) -> dict:
    """Peak memory of another program on two processes, bytes."""
    return series.run(run_of(Case(program, order, 2, spacing), size, half), speckle_pair(size))[0].memory


def cases(size: int, spacing: int, with_peer: bool) -> list[Case]:
    """What is compared. The cubic runs of spam have nodes twice as far apart: 8 times fewer, its time is per node."""
    result = []
    for ranks in (1, 2):
        for order in (1, 3):
            if with_peer:
                result.append(Case("peer", order, ranks, spacing if order == 1 else 2 * spacing))
            result.append(Case("ours", order, ranks, spacing))
        if with_peer:
            result.append(Case("al-dvc", 3, ranks, spacing))
            result.append(Case("peer", 1, ranks, size // 2))  # one node: what it takes to start, read and write
        result.append(Case("ours", 1, ranks, size // 2))
    return result


def compare(size: int, half: int, spacing: int, rounds: int, with_peer: bool) -> dict:
    """All cases, `rounds` times, one after the other in every round.

    Returns
    -------
    name of the case -> cpu, wall (medians, s), cpus, walls (of all rounds), nodes, converged, rms, worst, and
    iterations where the program tells
    """
    chosen = cases(size, spacing, with_peer)
    results = series.interleaved([run_of(case, size, half) for case in chosen], rounds)
    for case in chosen:
        results[case.name] |= vars(case)
    for entry in results.values():
        _scale(entry, results, size, spacing)
    return results


def _scale(entry: dict, results: dict, size: int, spacing: int) -> None:
    """Add what a run with fewer nodes would take with all: fixed part + nodes x the rest."""
    if entry["program"] != "peer" or entry["order"] == 1:
        return
    fixed = results[Case("peer", 1, entry["ranks"], size // 2).name]
    nodes = results[Case("ours", 3, entry["ranks"], spacing).name]["nodes"]
    for what in ("cpu", "wall"):
        entry[f"scaled_{what}"] = fixed[what] + (entry[what] - fixed[what]) * nodes / entry["nodes"]
    entry["scaled_to"] = nodes


def ratios(results: dict, size: int, spacing: int) -> list[dict]:
    """The other programs over ours, for each order and number of processes."""
    found = []
    for program, order, other_spacing in (("peer", 1, spacing), ("peer", 3, 2 * spacing), ("al-dvc", 3, spacing)):
        for ranks in (1, 2):
            ours = results[Case("ours", order, ranks, spacing).name]
            other = results.get(Case(program, order, ranks, other_spacing).name)
            if other:
                scaled = "scaled_cpu" in other
                peer_cpu, peer_wall = (other[f"scaled_{w}" if scaled else w] for w in ("cpu", "wall"))
                found.append(
                    {
                        "program": program,
                        "order": order,
                        "ranks": ranks,
                        "peer_cpu": peer_cpu,
                        "peer_wall": peer_wall,
                        "scaled": scaled,
                        "cpu_ratio": peer_cpu / ours["cpu"],
                        "wall_ratio": peer_wall / ours["wall"],
                        "rms_ratio": other["rms"] / ours["rms"],
                    }
                )
    return found


def table(results: dict) -> str:
    """Markdown: one line per case."""
    lines = [
        "| run | nodes | CPU s (all rounds) | wall s (all rounds) | iterations | converged | rms error | worst |",
        "|--|--|--|--|--|--|--|--|",
    ]
    for name, r in results.items():
        cpu = f"{r['cpu']:.2f} ({', '.join(f'{c:.2f}' for c in r['cpus'])})"
        wall = f"{r['wall']:.2f} ({', '.join(f'{w:.2f}' for w in r['walls'])})"
        if "scaled_cpu" in r:
            cpu += f"; scaled to {r['scaled_to']} nodes: {r['scaled_cpu']:.0f}"
            wall += f"; scaled: {r['scaled_wall']:.0f}"
        iterations = f"{r['iterations']:.2f}" if "iterations" in r else ""
        lines.append(
            f"| {name} | {r['nodes']} | {cpu} | {wall} | {iterations} | {r['converged'] / r['nodes']:.1%} "
            f"| {r['rms']:.5f} | {r['worst']:.4f} |"
        )
    return "\n".join(lines)
