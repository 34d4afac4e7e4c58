"""Which rows of a field are wrong, by what was asked for."""

import logging

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.around import Around, axes_of
from hpcdvc.fields.field import Field
from hpcdvc.fields.filters import Boxes
from hpcdvc.fields.local import local_coherency
from hpcdvc.fields.misfit import HALF_BOX, NEAREST, misfit
from hpcdvc.fields.status import LOWEST_MEASURED, Status
from hpcdvc.options.filterPhiField import Options
from hpcdvc.output.hdf5 import read_metadata
from hpcdvc.output.kinds import is_hdf
from hpcdvc.steps.tables import for_all, mean_spacing

log = logging.getLogger("hpcdvc")

#: Correlation at or below which a match is wrong, by the criterion of the search.
CORRELATION = {"ncc": 0.99, "zncc": 0.6}
#: Radius within which nodes count, in node spacings; so many of the nearest where there is no grid.
SPACINGS, COUNT = 4, 27


def around_rows(field: Field, usable: np.ndarray, options: Options) -> Around:
    """The rows that count around a row: those of `-nr` or `-nn`, by default within four node spacings, or 27."""
    radius, count = options.radius, options.neighbours
    if radius is None and count is None:
        radius, count = (SPACINGS * mean_spacing(field.grid), None) if field.grid else (None, COUNT)
    return Around(field.positions, usable, field.grid, radius, count, at_nodes=field.grid is not None)


def scores(field: Field, path: str, options: Options) -> tuple[np.ndarray, float]:
    """Correlation of the rows of a search, and the threshold for it, on one rank.

    Parameters
    ----------
    field : n rows
    path : its file
    options : of the command

    Returns
    -------
    (n,) array; number

    Raises
    ------
    UserError
        The field has none.
    """
    found = (field.extra or {}).get("CC")
    # tables of fields that were no search have a column of zeros
    if found is None or not found.any():
        raise UserError(f"{path} holds no correlation coefficients: -scc is for fields of a search")
    if options.correlation_threshold is not None:
        return found, options.correlation_threshold
    threshold = CORRELATION[_criterion(field, path)]
    log.info("-scc selects rows with a correlation at or below %g", threshold)
    return found, threshold


def _criterion(field: Field, path: str) -> str:
    """What the correlation of a search is: by its file, else zncc where it is what the column of this name says."""
    parameters = read_metadata(path, "parameters").get("parameters", {}) if is_hdf(path) else {}
    if parameters.get("criterion") in CORRELATION:
        return parameters["criterion"]
    found, other = field.extra["CC"], field.extra.get("zncc", np.full(len(field), np.nan))
    known = np.isfinite(found) & np.isfinite(other)
    return "zncc" if known.any() and np.allclose(found[known], other[known], rtol=0, atol=1e-6) else "ncc"


def judged_wrong(
    field: Field, usable: np.ndarray, options: Options, correlation: tuple[np.ndarray, float] | None, team
) -> np.ndarray:
    """Rows that one of the selections finds. Collective.

    Parameters
    ----------
    field : n rows
    usable : (n,) bool, rows that are measured and finite: they alone say how a field is
    options : of the command
    correlation : from `scores`
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    (n,) bool
    """
    wrong = np.zeros(len(field), bool)
    eligible = np.ones(len(field), bool) if options.no_mask else field.return_status != Status.NO_SPECIMEN
    for flag, found in _selections(field, usable, eligible, options, correlation, team):
        found = found & eligible
        log.info("%s selects %d of %d rows", flag, np.count_nonzero(found), np.count_nonzero(eligible))
        wrong |= found
    return wrong


def _selections(field, usable, eligible, options, correlation, team):
    displacements, finite = field.displacement, np.isfinite(field.phi).all(axis=(1, 2)) & eligible
    if options.by_status:
        threshold = LOWEST_MEASURED[field.family] - 1 if options.status_threshold is None else options.status_threshold
        yield "-srs", (field.return_status <= threshold) | (field.measured & ~finite)
    if options.by_correlation:
        found, threshold = correlation
        replaced = (field.return_status == Status.FILTERED) & np.isnan(found)
        yield "-scc", ~(found > threshold) & ~replaced
    if options.by_coherency:
        around = around_rows(field, usable, options)

        def coherency(numbers: np.ndarray) -> np.ndarray:
            return _of(finite, numbers, lambda some: local_coherency(around, displacements, some))

        yield "-slqc", for_all(team, len(field), coherency)[:, 0] >= options.coherency_threshold
    if options.by_misfit:
        boxes = neighbours_for_misfit(field, usable, options)

        def far(numbers: np.ndarray) -> np.ndarray:
            return _of(finite, numbers, lambda some: misfit(boxes, field.positions, displacements, some))

        yield "-smed", for_all(team, len(field), far)[:, 0] > options.misfit_threshold


def neighbours_for_misfit(field: Field, usable: np.ndarray, options: Options) -> Around | Boxes:
    """Rows by which `-smed` judges: those of `-nr` or `-nn`, else 5 x 5 x 5 nodes, or as many of the nearest."""
    if options.radius is not None or options.neighbours is not None:
        return around_rows(field, usable, options)
    if field.grid:
        return Boxes(field.grid, usable, (HALF_BOX,) * 3)
    # itself is one of them
    return Around(field.positions, usable, None, None, NEAREST[max(len(axes_of(field.positions[usable])), 1)] + 1)


def _of(some: np.ndarray, numbers: np.ndarray, judge) -> np.ndarray:
    """What `judge` says of those numbers that are among some rows, NaN for the others."""
    result = np.full(len(numbers), np.nan)
    chosen = some[numbers]
    result[chosen] = judge(numbers[chosen])
    return result
