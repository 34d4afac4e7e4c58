"""The end of a measuring command: a report where one is wanted, and a line that names the command that makes one."""

import logging
import shlex
from collections.abc import Callable, Sequence

from hpcdvc.errors import RunError

log = logging.getLogger("hpcdvc")


def tell_of_reports(paths: Sequence[str], wanted: bool, judge: Callable[[Sequence[str]], None]) -> None:
    """Write the reports of the results among the paths of a run, and name the command (one rank).

    Parameters
    ----------
    paths : that the run has written
    wanted : reports are to be written; where one cannot be, that is a warning and the run is not spoilt
    judge : RunError where nothing was measured, whose sentence then names the command

    Raises
    ------
    RunError : from `judge`
    """
    results = [str(path) for path in paths if str(path).endswith(".hdf")]
    for result in results if wanted else ():
        _write(result)
    try:
        judge(paths)
    except RunError as error:
        if not results:
            raise
        judged = next((result for result in results if str(error).startswith(f"{result}:")), results[0])
        raise RunError(f"{error}; hpcdvc-report {shlex.quote(judged)} shows it") from error
    if results:
        log.info("look at it: hpcdvc-report %s", shlex.quote(results[-1]))


def _write(result: str) -> None:
    from hpcdvc.pages.report import report_path, write_report

    try:
        for path in write_report(result, report_path(result)):
            log.info("wrote %s", path)
    except Exception as error:
        log.warning("no report of %s: %s", result, " ".join(str(error).split()) or type(error).__name__)
