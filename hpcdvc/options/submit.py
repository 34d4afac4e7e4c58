"""Options of hpcdvc-submit."""

import re
from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.common import Messages, Processes
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group

DESCRIPTION = (
    "Write the job file of a command for SLURM, PBS or LSF, and show it: ranks, memory and time are those of the dry "
    "run of the command, which finds its mistakes too. What follows -- is the command, as it would be typed."
)


@option_group
class Command(OptionSet):
    """What the job runs."""

    group: ClassVar[str] = "command"

    command: tuple[str, ...] = option(
        REQUIRED, metavar="-- hpcdvc-COMMAND ...", help="the command and its arguments; they come last"
    )
    array: bool = option(
        False, "--array", help="a series of images: a task of an array for each of its pairs, which start by themselves"
    )


@option_group
class Asked(OptionSet):
    """What is asked for."""

    group: ClassVar[str] = "what is asked for"

    ranks: int | None = option(
        None, "-n", "--ranks", at_least=1, at_most=2**20,
        help="processes; default as many as bring the longest time that the dry run says below half an hour",
    )  # fmt: skip
    ranks_per_node: int = option(
        32, "-rpn", "--ranks-per-node", at_least=1, at_most=4096, help="most processes on a machine: its cores"
    )
    time: str | None = option(
        None, "-t", "--time", metavar="H:MM", help="time limit; default a quarter more than the longest of the dry run"
    )
    memory: float | None = option(
        None, "-mem", "--memory", above=0, at_most=1e6, unit="GB", help="memory of each machine; default by the dry run"
    )
    account: str | None = option(None, "-A", "--account", help="account or project that pays")
    queue: str | None = option(None, "-p", "--partition", "--queue", help="partition or queue")

    def check(self) -> None:
        some = self.time is not None and re.search("[1-9]", self.time)  # a limit of 0 is none for SLURM
        if self.time is not None and not (some and re.fullmatch(r"\d{1,4}:[0-5]\d(:[0-5]\d)?", self.time)):
            raise UserError(f"-t takes hours and minutes, 2:30, not {quoted(self.time)}")
        if self.seconds is not None and self.seconds < 300:  # else it comes back without end, with nothing done
            raise UserError(f"-t {self.time} is too short, jobs leave two minutes before it: give 0:05 or more")
        for flag, word in (("-A", self.account), ("-p", self.queue)):
            if word is not None and not re.fullmatch(r"[\w.,@+:-]+", word):
                raise UserError(f"{flag} takes a name, not {quoted(word)}")

    @property
    def seconds(self) -> float | None:
        """The time limit that is given."""
        if self.time is None:
            return None
        hours, minutes, *rest = map(int, self.time.split(":"))
        return 3600.0 * hours + 60.0 * minutes + sum(rest)


@option_group
class JobFile(OptionSet):
    """The file, and what is done with it."""

    group: ClassVar[str] = "file"

    scheduler: str = option(
        "slurm", "-s", "--scheduler", choices=("slurm", "pbs", "lsf"), help="the batch system that the file is for"
    )
    output: str | None = option(
        None, "-o", "--output", metavar="FILE", help="the job file; default hpcdvc-COMMAND.sbatch, .pbs or .lsf, here"
    )
    send: bool = option(False, "--send", help="submit it as well")
    force: bool = option(False, "--force", help="overwrite a job file that exists")


@dataclass(kw_only=True)
class Options(Command, Asked, JobFile, Processes, Messages):
    """Options of hpcdvc-submit."""

    after_dashes: ClassVar[str] = "command"
