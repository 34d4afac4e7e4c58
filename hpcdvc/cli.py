"""What every command does around its workflow: options, ranks, messages, exit code.

Little is imported before `main` looks after Ctrl-C, and what only ranks need once the command line is read: `--help`,
mistakes and `-np` shall answer at once.
"""

import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from hpcdvc.errors import RunError, UserError, memory_error
from hpcdvc.ranks import launch, terminal

if TYPE_CHECKING:
    import logging

    from hpcdvc.options.declare import OptionSet
    from hpcdvc.ranks.team import Team


def main(name: str, argv: list[str] | None = None, again: list[str] | None = None) -> int:
    """Run the command hpcdvc-<name> and return its exit code.

    The module hpcdvc.options.<name> has a class `Options` and a text `DESCRIPTION`, and needs no numpy;
    hpcdvc.workflows.<name> has `run(options, team)` that returns the paths it wrote, and perhaps `check(options)`,
    called by rank 0 before anything is read, and `judge(paths)`, called by it at the end, when all is written.

    Parameters
    ----------
    name : the command without its prefix
    argv : its arguments; default those of this process
    again : what starts this command anew, after the interpreter; where it is not the process itself

    Returns
    -------
    0 done; 1 failed; 2 mistake in the command line or the input; 75 left early, `--resume` goes on; 130 interrupted
    """
    program = f"hpcdvc-{name}"
    terminal.open_streams()
    try:
        with _interrupted_in_a_word(program):
            return _start(name, argv, program, again)
    finally:
        terminal.flush()


def _start(name: str, argv: list[str] | None, program: str, again: list[str] | None) -> int:
    if again is None:
        # -P: modules of the working folder do not pass for ours, nor for those of Python
        module = ["-P", "-m", "hpcdvc"] if sys.flags.safe_path else ["-m", "hpcdvc"]
        again = sys.orig_argv[1:] if argv is None else [*module, name, *argv]
    argv = sys.argv[1:] if argv is None else argv
    options = None
    launch.one_thread_per_rank()
    try:
        if not launch.under_launcher() or launch.alone_in_step():
            options = _read(name, argv, program)
            _relaunch(options, again)
        with _loading():
            from hpcdvc.ranks import guard
            from hpcdvc.ranks import team as parallel

        team = parallel.connect()
    except UserError as error:
        return refuse(program, error)
    except (ImportError, MemoryError) as error:
        said = memory_error(error)
        if said is None:
            raise
        return refuse(program, said)
    except SystemExit as leave:  # --help, --version
        return leave.code or 0
    return guard.run_guarded(team, lambda: _run(name, options, argv, program, team))


def _module(package: str, name: str) -> ModuleType:
    return import_module(f"hpcdvc.{package}.{name.replace('-', '_')}")


def _read(name: str, argv: list[str], program: str) -> "OptionSet":
    from hpcdvc.options.parser import parse

    declared = _module("options", name)
    return parse(declared.Options, argv, program, declared.DESCRIPTION)


def _relaunch(options: "OptionSet", again: list[str]) -> None:
    """Start this command anew under the launcher when -np asks for it."""
    processes = getattr(options, "processes", None) or 1
    if processes > 1:
        launch.relaunch(processes, again)


def refuse(program: str, error: UserError | RunError) -> int:
    """Say once what is wrong, before the ranks know each other; returns the exit code."""
    if launch.launched_rank() == 0:
        terminal.tell(f"{program}: {terminal.one_line(str(error))}\n", sys.stderr)
    else:
        time.sleep(1)  # a launcher ends all ranks as soon as one leaves, and rank 0 must have spoken
    return error.exit_code


def _run(name: str, options: "OptionSet | None", argv: list[str], program: str, team: "Team") -> None:
    with _loading():  # by all ranks at once, before they wait for rank 0 to read the command line
        # most ranks never use it, and hundreds would read its files at once
        sys.modules.setdefault("h5py", _LoadedWhenUsed("h5py"))
        workflow = _module("workflows", name)
    _interrupts_raise()
    if options is None:
        options = team.agree(lambda: _read(name, argv, program))
    from hpcdvc.ranks import messages

    verbose, quiet = getattr(options, "verbose", False), getattr(options, "quiet", False)
    log = messages.set_up_messages(program, team.rank, verbose, quiet)
    _say_first(log, options, team.size)
    if hasattr(workflow, "check"):
        team.agree(lambda: workflow.check(options))
    paths = workflow.run(options, team) or ()
    for path in paths:
        log.info("wrote %s", path)
    judge = getattr(workflow, "judge", lambda paths: None)
    if hasattr(options, "with_report"):
        from hpcdvc.pages.after_run import tell_of_reports

        team.agree(lambda: tell_of_reports(paths, options.with_report, judge))
    else:
        team.agree(lambda: judge(paths))


@contextmanager
def _interrupted_in_a_word(program: str) -> Iterator[None]:
    """Ctrl-C while modules are loaded ends the process at once: they would turn it into errors of their own."""

    def leave(number: int, frame: object) -> None:
        if launch.launched_rank() == 0:
            os.write(2, f"{program}: interrupted\n".encode())
        os._exit(130)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _interrupts_raise() -> None:
    """From now on Ctrl-C is an exception, which `hpcdvc.ranks.guard` tells."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def _loading() -> Iterator[None]:
    """Modules hold no garbage: looking for it among them, now or later, would take a tenth of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _LoadedWhenUsed(ModuleType):
    """Stands for a package until something of it is used; `import` alone does not load it."""

    def __getattr__(self, name: str) -> object:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def _say_first(log: "logging.Logger", options: "OptionSet", size: int) -> None:
    from hpcdvc.options.common import RunControl
    from hpcdvc.options.declare import notes

    for note in notes(options):
        log.warning(note)
    processes = getattr(options, "processes", None)
    if processes not in (None, size):
        log.warning(f"-np {processes} is ignored: the launcher has started {size} processes")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    alone = isinstance(options, RunControl) and not options.dry_run and processes is None and size == 1
    if alone and cores > 1:
        log.info(f"running on 1 of {cores} cores, -np {cores} uses all")
