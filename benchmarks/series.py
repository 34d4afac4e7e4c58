"""Runs of several programs, one after the other in every round, so that what disturbs one disturbs the others too."""

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from processes import Run, timed
from speckle import CACHE


@dataclass(frozen=True)
class Case:
    """A program, with what it is asked for.

    Attributes
    ----------
    name : key in the results
    words : the command, from the folder for its results
    read : what is to be known of the results, from that folder
    repeats : runs per round
    environment : more variables to run with
    """

    name: str
    words: Callable[[Path], list[str]]
    read: Callable[[Path], dict] = lambda folder: {}
    repeats: int = 1
    environment: dict[str, str] = field(default_factory=dict)


def run(case: Case, images: tuple = ()) -> tuple[Run, dict]:
    """One run; with `images`, files that are mapped, memory is sampled. The results are read and thrown away."""
    CACHE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="run-"))
    try:
        found = timed(case.words(folder), env=case.environment, images=images)
        return found, case.read(folder)
    finally:
        shutil.rmtree(folder)


def interleaved(cases: list[Case], rounds: int) -> dict[str, dict]:
    """All cases, `rounds` times.

    Returns
    -------
    name of the case -> cpu, wall (medians, s), cpus, walls (of all runs), and what was read
    """
    results: dict[str, dict] = {}
    for number in range(rounds):
        for case in cases:
            for _ in range(case.repeats):
                done, found = run(case)
                entry = results.setdefault(case.name, {**found, "cpus": [], "walls": []})
                entry["cpus"].append(round(done.cpu, 3))
                entry["walls"].append(round(done.wall, 3))
                print(f"round {number + 1}: {case.name}: CPU {done.cpu:.2f} s, wall {done.wall:.2f} s", flush=True)
    for entry in results.values():
        entry["cpu"], entry["wall"] = median(entry["cpus"]), median(entry["walls"])
    return results


def efficiency(one: dict, two: dict) -> dict[str, float]:
    """Of two ranks, from the entries for one and two; the best of the runs is least disturbed by others."""
    return {
        "best": min(one["walls"]) / (2 * min(two["walls"])),
        "median": one["wall"] / (2 * two["wall"]),
        "cpu": min(one["cpus"]) / min(two["cpus"]),
    }


def spread(values: list[float], median: float) -> str:
    """Median and the extremes of several runs."""
    return f"{median:.2f}" if len(values) < 2 else f"{median:.2f} ({min(values):.2f} to {max(values):.2f})"
