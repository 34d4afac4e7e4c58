"""hpcdvc-submit: the job file of a command, with what its dry run says that it takes."""

import logging
import os
import shlex
import subprocess
import sys
from importlib import import_module

from hpcdvc.cluster.job_file import SCHEDULERS, job_file
from hpcdvc.cluster.plan import Needs, dry_run, needs_of, plan, steps_of_series
from hpcdvc.errors import RunError, UserError, quoted
from hpcdvc.options.common import Images, RunControl
from hpcdvc.options.ddic import DeformedSeries
from hpcdvc.options.declare import OptionSet
from hpcdvc.options.parser import parse
from hpcdvc.options.submit import Options
from hpcdvc.output.files import fill, whole_file
from hpcdvc.output.places import check_folder, check_inputs_stay
from hpcdvc.ranks.terminal import one_line
from hpcdvc.runs.inputs import Inputs
from hpcdvc.steps.series import note_masks

log = logging.getLogger("hpcdvc")


def run(options: Options, team) -> list[str]:
    """Write the job file and show it; returns its path. Collective: rank 0 does it.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return team.agree(lambda: _submit(options))


def _submit(options: Options) -> list[str]:
    name, words, given = command_of(options.command)
    scheduler = SCHEDULERS[options.scheduler]
    path = options.output or f"hpcdvc-{name}{scheduler.ending}"
    if os.path.exists(path) and not options.force:
        raise UserError(f"{path} exists: -o gives another name, --force overwrites it")
    tasks = tasks_of(given, words) if options.array else [words]
    resumes = isinstance(given, RunControl)
    said = dry_run(name, tasks[0]) if resumes else ""
    if options.array:
        dry_run(name, words)  # finds the mistakes of all steps
    check_inputs_stay([path], Inputs.of(given).paths)
    needs = needs_of(said) if resumes else Needs(None, None, 0.0, 0.0)
    memory = None if options.memory is None else options.memory * 1e9
    ranks = options.ranks or (None if resumes else 1)
    asked = plan(needs, ranks, options.ranks_per_node, options.seconds, memory)
    more = {"account": options.account or "", "queue": options.queue or "", "resume": "yes" if resumes else ""}
    programs = os.path.dirname(os.path.abspath(sys.executable))
    text = job_file(options.scheduler, name, tasks, asked, os.path.abspath(path), programs, **more)
    check_folder(os.path.dirname(path))
    with whole_file(path) as temporary, fill(temporary) as file:
        file.write(text)
    for shown in (*said.splitlines(), "", *text.splitlines(), ""):
        log.info("%s", shown)
    line = f"{scheduler.submit} {shlex.quote(path)}"
    if options.send:
        _send(line)
    else:
        log.info("submit it by: %s", line)
    return [path]


def command_of(line: tuple[str, ...]) -> tuple[str, list[str], OptionSet]:
    """Name, arguments and options of the command that a job is to run.

    Raises
    ------
    UserError
        It is none of ours, or would be refused.
    """
    line = line[1:] if line[0] == "hpcdvc" and len(line) > 1 else line
    name, words = os.path.basename(line[0]).removeprefix("hpcdvc-"), list(line[1:])
    try:
        declared = import_module(f"hpcdvc.options.{name.replace('-', '_')}")
        options_class, description = declared.Options, declared.DESCRIPTION
    except (ImportError, AttributeError):
        raise UserError(f"{quoted(line[0])} is no command of hpcdvc (all commands: hpcdvc --help)") from None
    if name == "submit":
        raise UserError("a job does not submit jobs: name the command that measures after --")
    given = parse(options_class, words, f"hpcdvc-{name}", description)
    for flag, value in (("-np", getattr(given, "processes", None)), ("--dry-run", getattr(given, "dry_run", False))):
        if value:
            raise UserError(f"{flag} has no place in a job: -n of hpcdvc-submit says how many ranks there are")
    return name, words, given


def tasks_of(given: OptionSet, words: list[str]) -> list[list[str]]:
    """Arguments for each pair of a series.

    Raises
    ------
    UserError
        It is no series, or its steps need each other.
    """
    of_labels = isinstance(given, DeformedSeries)
    images = given.deformed if of_labels else given.images if isinstance(given, Images) else ()
    if len(images) < 3 - of_labels:
        raise UserError("--array takes a command with a series of three or more images")
    if getattr(given, "total", False):
        raise UserError("--array: the steps of --total need each other, leave it out")
    if of_labels and given.series_incremental:
        raise UserError("--array: with -sei each step measures the labels that the one before has moved, leave it out")
    if getattr(given, "prefix", None):
        raise UserError("--array: -pre would give all steps one name, -od gives them a folder")
    if of_labels:
        return steps_of_series(words, images, [(image,) for image in images])
    note_masks(images, given.series_incremental, [getattr(given, "mask1", None), getattr(given, "mask2", None)])
    return steps_of_series(words, images, given.pairs(images))


def _send(line: str) -> None:
    try:
        done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise RunError(f"{line} does not answer") from None
    said = one_line((done.stdout.strip() or done.stderr.strip() or "nothing is said").splitlines()[-1])
    if done.returncode:
        raise RunError(f"{line}: {said}")
    log.info("%s", said)
