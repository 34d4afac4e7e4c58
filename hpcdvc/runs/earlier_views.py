"""Views that an earlier run has left beside a result that is new now: somebody would take them for views of it."""

import logging
import os
from collections.abc import Iterable
from dataclasses import is_dataclass, replace
from typing import Any

from hpcdvc.output.columns import COLUMNS
from hpcdvc.output.result import END_OF_VIEW

log = logging.getLogger("hpcdvc")

#: Ends of names that files beside a result of the same stem have, whatever wrote them.
ENDS = (
    *END_OF_VIEW.values(),
    *(".vtu", ".vti", ".msh", ".xdmf", "-sinogram.png", "-report.html", "-report.json"),
    *(f"-{name}.tif" for column in COLUMNS for name in column.tif or (column.name,)),
)
#: The same of images, which are of one format or the other, and of what is made of labels and series.
FORMATS = (".tif", ".hdf")
PARTS = ("-residual", "-coverage", "-labels", "-total", "-points", "-reg")
#: Names that are told one by one.
TOLD = 4


def earlier_views(stem: str, files: Iterable, own: Iterable[str]) -> list[str]:
    """Paths of what lies beside a new result and is of an earlier one, on one rank.

    Parameters
    ----------
    stem : of the result
    files : it, and others of the same job: what they could have beside them counts
    own : paths that this run writes
    """
    found = {f"{stem}{end}" for end in (*ENDS, *(part + end for part in PARTS for end in FORMATS))}
    for file in files:
        if os.path.splitext(file.path)[0] == stem:
            found |= {f"{stem}{end}" for end in FORMATS}
        if is_dataclass(file) and hasattr(file, "views"):
            found |= set(replace(file, views=(*END_OF_VIEW, "tif")).view_paths())
    return sorted(path for path in found - set(own) if os.path.isfile(path))


def name_earlier_views(jobs: Iterable[Any], with_report: bool) -> None:
    """Warn of what earlier runs have left beside results that are new, on one rank.

    It is not removed: it may be all that is left of the earlier result.

    Parameters
    ----------
    jobs : hpcdvc.runs.job.Job, all of a run
    with_report : reports are made of them, when all is done
    """
    own = {path for job in jobs for path in job.paths}
    for job in (job for job in jobs if not job.done):
        reports = {f"{job.stem}-report{end}" for end in (".html", ".json") if with_report}
        found = earlier_views(job.stem, job.files, own | reports)
        if found:
            more = f" and {len(found) - TOLD} more" * (len(found) > TOLD)
            words = "is" if len(found) == 1 else "are"
            path = job.files[0].path
            log.warning("%s%s %s of an earlier result, and not of %s", ", ".join(found[:TOLD]), more, words, path)
