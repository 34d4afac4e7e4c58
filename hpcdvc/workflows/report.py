"""hpcdvc-report: one HTML page on a result."""

import os

from hpcdvc.errors import UserError
from hpcdvc.options.report import Options
from hpcdvc.output.files import sweep
from hpcdvc.output.places import check_folder, check_inputs_stay, check_names
from hpcdvc.output.result import record_path
from hpcdvc.pages.report import paths_of, report_path, write_report


def run(options: Options, team) -> list[str]:
    """Write the page; returns the paths written. Collective: rank 0 does it.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return team.agree(lambda: _report(options))


def _report(options: Options) -> list[str]:
    page = options.output or report_path(options.result)
    paths = paths_of(page)
    check_names(paths)
    record = record_path(options.result.removesuffix(".hdf"))
    check_inputs_stay(paths, [path for path in (options.result, record) if os.path.exists(path)])
    for path in paths:
        if os.path.exists(path) and not options.force:
            raise UserError(f"{path} exists: -o gives another name, --force overwrites it")
    return write_report(options.result, page, lambda: _prepare(paths))


def _prepare(paths: list[str]) -> None:
    """The folder is there, and no file that a killed run has left."""
    check_folder(os.path.dirname(paths[0]))
    sweep(paths)
