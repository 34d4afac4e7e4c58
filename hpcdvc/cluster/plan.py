"""What a job asks for: ranks, machines, memory and time, from what `--dry-run` says of the command."""

import math
import re
import shlex
import subprocess
import sys
from typing import NamedTuple

from hpcdvc.errors import UserError
from hpcdvc.ranks.launch import environment_here
from hpcdvc.ranks.terminal import one_line

#: Asked for where a dry run does not say, and of commands that have none.
TIME, MEMORY = 4 * 3600.0, 4e9
#: Ranks are added until the longest time is below this; least time that is asked for; how much more than is needed.
WANTED_TIME, LEAST_TIME, MARGIN = 1800.0, 600.0, 1.25
MOST_RANKS = 1024


class Needs(NamedTuple):
    """What a command takes.

    Attributes
    ----------
    seconds : most core time; None: not known
    node, rank, root : bytes of memory on a machine, of each rank beside, and of rank 0 beside; None: not known
    """

    seconds: float | None
    node: float | None
    rank: float
    root: float


class Plan(NamedTuple):
    """What a job asks for.

    Attributes
    ----------
    ranks, nodes, per_node : processes, machines, and processes on each of them
    seconds : the time limit
    memory : bytes on each machine
    why : in words, where the numbers come from
    """

    ranks: int
    nodes: int
    per_node: int
    seconds: float
    memory: float
    why: str


def dry_run(name: str, words: list[str]) -> str:
    """What the dry run of a command says.

    Parameters
    ----------
    name : the command without its prefix
    words : its arguments

    Raises
    ------
    UserError
        The command would be refused: its own sentence.
    """
    line = [sys.executable, "-P", "-m", "hpcdvc", name, *words, "--dry-run"]
    done = subprocess.run(line, env=environment_here(), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise UserError(one_line(said.removeprefix(f"hpcdvc-{name}: ")))
    return done.stdout + done.stderr


def needs_of(text: str) -> Needs:
    """What a dry run says, as numbers.

    Parameters
    ----------
    text : its lines; `hpcdvc.runs.cost.core_time` writes that of the time
    """
    time = re.search(r"^.*core time: \S+(?: s)? to ([\d.:]+)(?: s)?;", text, re.M)
    seconds = _seconds(time[1]) if time else None
    aligned = re.search(r"\(this run\).*together ([\d.]+) GB on a node", text)
    if aligned:
        return Needs(seconds, float(aligned[1]) * 1e9, 0.0, 0.0)
    node, rank, root = (_megabytes(text, rf"per {what}: (.*)") for what in ("node", "rank", "none"))
    root = _megabytes(text, r"rank 0[:]? (?:also |about |at most )*([\d.]+ MB)")
    if rank is not None and re.search(r"per rank: .*rank 0", text):
        rank = _megabytes(text, r"per rank: (.*?)[;,].*rank 0")
    return Needs(seconds, node, rank or 80e6, root or 0.0)


def _megabytes(text: str, pattern: str) -> float | None:
    """Sum, in bytes, of the numbers of MB in what the pattern finds; None where it finds nothing."""
    found = re.search(pattern, text)
    return sum(map(float, re.findall(r"([\d.]+) MB", found[1]))) * 1e6 if found else None


def _seconds(text: str) -> float:
    """`4.2`, `1:15` and `2:03:04` in seconds."""
    return sum(float(part) * 60**power for power, part in enumerate(reversed(text.split(":"))))


def plan(needs: Needs, ranks: int | None, per_node: int, seconds: float | None, memory: float | None) -> Plan:
    """What to ask for.

    Parameters
    ----------
    needs : of the command
    ranks : processes; None: as many as bring the longest time below half an hour
    per_node : most processes on a machine
    seconds, memory : time limit, and bytes on each machine, where they are given
    """
    known = needs.seconds is not None
    if ranks is None:
        ranks = 2 ** max(0, math.ceil(math.log2(max(1.0, (needs.seconds or 0) / WANTED_TIME))))
        ranks = min(max(ranks, 1 if known else per_node), MOST_RANKS)
    nodes = -(-ranks // per_node)
    per_node = -(-ranks // nodes)
    why = [f"{ranks} rank{'s' * (ranks > 1)} on {nodes} node{'s' * (nodes > 1)}"]
    if seconds is None:
        seconds = max(MARGIN * needs.seconds / ranks, LEAST_TIME) if known else TIME
        seconds = 300 * math.ceil(seconds / 300)
        why.append("time from the longest of the dry run" if known else "the dry run does not say the time: 4 hours")
    if memory is None:
        counted = MARGIN * ((needs.node or 0) + per_node * needs.rank + needs.root) + 2e8
        memory = MEMORY if needs.node is None else counted
        why.append("memory from the dry run" if needs.node is not None else "the dry run says no memory: 4 GB")
    return Plan(ranks, nodes, per_node, seconds, memory, "; ".join(why))


def steps_of_series(words: list[str], images: tuple[str, ...], pairs: list[tuple[str, str]]) -> list[list[str]]:
    """Arguments for each pair of a series, for the tasks of an array.

    Parameters
    ----------
    words : arguments for the whole series
    images : of the series, as they stand in the words
    pairs : images of each step

    Raises
    ------
    UserError
        The images do not stand side by side.
    """
    count = len(images)
    places = [i for i in range(len(words) - count + 1) if tuple(words[i : i + count]) == images]
    if not places:
        raise UserError(f"--array: the images of a series must stand side by side, {shlex.join(images)}")
    first = places[0]
    return [[*words[:first], *pair, *words[first + count :]] for pair in pairs]
