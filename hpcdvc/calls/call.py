"""One call of a command: options, run, results, and nothing left behind."""

import logging
import os
import re
import shutil
import signal
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from hpcdvc import workflows
from hpcdvc.calls.arguments import as_options, bound
from hpcdvc.calls.files import Files
from hpcdvc.calls.messages import heard
from hpcdvc.calls.names import in_python, options_class
from hpcdvc.calls.products import products_of
from hpcdvc.calls.signature import parameters
from hpcdvc.errors import RunError, UserError
from hpcdvc.options.declare import OptionSet, declarations, named_files, notes
from hpcdvc.ranks.team import Team

log = logging.getLogger("hpcdvc")

#: Options that name where something is written.
PLACES = ("out_dir", "output")
#: What a call says is caught where all threads speak: one call after the other.
_ONE_AT_A_TIME = threading.RLock()


class _Call:
    """A command that is called.

    Parameters
    ----------
    name : of the command, in Python
    comm : mpi4py communicator, or None
    """

    def __init__(self, name: str, comm: Any) -> None:
        self.name, self.command, self.team = name, options_class(name), Team(comm)
        self.known = [declared.name for declared in declarations(self.command)]
        self.files: Files | None = None
        self.options: OptionSet | None = None
        self.paths: dict[str, Any] = {}
        self.warned: list[str] = []

    def __call__(self, given: tuple, named: dict[str, Any]) -> Any:
        try:
            self.options, self.files, keep, verbose = self._agreed(lambda: self._prepared(given, named))
            return self._run(self.options, keep, verbose)
        finally:
            if self.files is not None and self.team.rank == 0:
                shutil.rmtree(self.files.folder, ignore_errors=True)
            self.team.close()

    def _agreed(self, prepare: Callable[[], Any]) -> Any:
        """What rank 0 prepares, on all ranks; its error there is that of all."""

        def outcome() -> tuple[Any, Exception | None]:
            try:
                return prepare(), None
            except (TypeError, ValueError) as error:
                return None, type(error)(str(error))

        value, error = self.team.agree(outcome)
        if error is not None:
            raise error
        return value

    def _prepared(self, given: tuple, named: dict[str, Any]) -> tuple[OptionSet, Files, bool, bool]:
        """Options, files, whether what is written stays, and whether it is told; on rank 0."""
        arguments = bound(self.name, self.command, given, named)
        keep = any(arguments.get(place) is not None for place in PLACES)
        # a folder that all nodes see
        shared = os.getcwd() if self.team.node_count > 1 else None
        self.files = Files(Path(tempfile.mkdtemp(prefix="hpcdvc-", dir=shared)))
        values = as_options(self.command, arguments, self.files)
        reading = [declared.name for declared in parameters(self.command) if declared.reads]
        self.paths = {name: values[name] for name in reading if name in values}
        verbose = values.get("verbose", False)
        if not keep:
            folder = self.files.folder
            values = {"tsv": False} | values | {"out_dir": str(folder), "output": str(folder / "report.html")}
        values["quiet"] = not verbose
        values = {name: value for name, value in values.items() if name in self.known}
        try:
            return self.command(**values), self.files, keep, verbose
        except UserError as error:
            raise UserError(self._spoken(str(error))) from None

    def _spoken(self, text: str) -> str:
        """A sentence of the command, in the names of Python; it names the parameter whose file it is about."""
        text = in_python(self.files.named(text) if self.files else text, self.command)
        files = (named_files(self.options) if self.options is not None else {}) | self.paths
        if not any(re.search(rf"\b{name}\b", text) for name in self.known):
            text = _with_underscores(text, self.known)
        for name, value in files.items():
            several = value if isinstance(value, tuple) else (value,)
            if name not in text and any(path and text.startswith(str(path)) for path in several):
                return f"{name}: {text}"
        return text

    def _run(self, options: OptionSet, keep: bool, verbose: bool) -> Any:
        workflow = import_module(f"{workflows.__name__}.{self.name}")
        try:
            with heard(verbose, self.team.rank == 0, self._spoken) as heard_of:
                self.warned = heard_of.warned
                paths = self._carried_out(workflow, options, keep)
                found = self.team.on_root(lambda: products_of(paths, None if keep else str(self.files.folder)))
        except (UserError, RunError) as error:
            raise type(error)(self._spoken(str(error))) from None
        except SystemExit as error:
            raise RuntimeError(f"{self.name} ended with exit code {error.code}") from None
        if self.team.rank == 0 and not paths:
            return "\n".join(heard_of.said)
        return found

    def _carried_out(self, workflow: Any, options: OptionSet, keep: bool) -> list[str]:
        """Run the workflow; returns the paths written."""
        for note in notes(options):
            log.warning(note)
        if hasattr(workflow, "check"):
            self.team.agree(lambda: workflow.check(options))
        paths = workflow.run(options, self.team) or []
        if paths and hasattr(workflow, "judge"):
            self.team.agree(lambda: _judged(workflow, paths))
        if keep and getattr(options, "report", False):
            from hpcdvc.pages.after_run import tell_of_reports

            self.team.agree(lambda: tell_of_reports(paths, True, lambda paths: None))
        return paths


def _judged(workflow: Any, paths: list[str]) -> None:
    """Where nothing was measured that is a warning: the statuses of the result say why."""
    try:
        workflow.judge(paths)
    except RunError as error:
        log.warning("%s", error)


def _with_underscores(text: str, names: list[str]) -> str:
    """A sentence that names a parameter in words, with its name."""
    for name in sorted(names, key=len, reverse=True):
        words = name.replace("_", " ")
        if words != name and words in text:
            return text.replace(f"the {words}", name).replace(words, name)
    return text


@contextmanager
def _signal_kept() -> Iterator[None]:
    """SIGUSR1, which a run that can be resumed listens to, does afterwards what it did before."""
    before = signal.getsignal(signal.SIGUSR1)
    try:
        yield
    finally:
        if before is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGUSR1, before)


def call(name: str, given: tuple, named: dict[str, Any]) -> Any:
    """Call a command.

    Parameters
    ----------
    name : of the command, in Python
    given, named : arguments of its function, see `hpcdvc.calls.signature`

    Returns
    -------
    see `hpcdvc.calls.products.products_of`; None on ranks above 0

    Raises
    ------
    ValueError, TypeError : a parameter is not what it should be; the sentence names it
    RunError : the run failed
    """
    comm = named.pop("comm", None)
    if comm is not None and not hasattr(comm, "Split_type"):
        raise TypeError(f"comm takes a communicator of mpi4py, not {type(comm).__name__}")
    one = _Call(name, comm)
    try:
        with _ONE_AT_A_TIME, _signal_kept():
            return one(given, named)
    finally:
        for text in one.warned:
            warnings.warn(text, stacklevel=3)
