"""How many of the nodes that have converged disagree with their neighbours: told at the end of a run."""

import logging

import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.fields.outliers import DEVIATIONS, boxes_of, disagreeing
from hpcdvc.fields.status import Status

log = logging.getLogger("hpcdvc")

#: Most nodes that are judged, 0.1 ms of a core each; of larger grids picked at random. 1 % is then known to 0.02 %.
MOST = 200_000
#: Of the rows, what they are judged by.
_JUDGED = np.dtype([("index", "i8"), ("displacement", "f8", 3), ("variance", "f8"), ("usable", "?")])


def agreement(rows: np.ndarray, grid: Grid, dimensions: int, team) -> dict:
    """How many converged nodes disagree with the affine fit of those around them. Collective.

    Every rank judges some; a node of the machine holds what they are judged by once.

    Parameters
    ----------
    rows : of this rank, of `hpcdvc.fields.field.ROW`, in any order; together the ranks hold each index once
    grid : of the nodes
    dimensions : 2 or 3, of the images
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    dict of ``judged`` and ``disagree``, numbers of nodes, and ``percent``; the same on all ranks
    """
    table, _ = team.collect(_table(rows, dimensions), grid.size)
    table = team.agree(lambda: table)
    usable = np.ascontiguousarray(table["usable"])
    numbers = _picked(grid.size)
    numbers = numbers[slice(*team.spans(len(numbers)))]
    numbers = numbers[usable[numbers]]
    found = disagreeing(boxes_of(grid, usable), table["displacement"], table["variance"], numbers, dimensions)
    judged, disagree = team.sum(np.array([np.count_nonzero(one) for one in found])).tolist()
    return {"judged": judged, "disagree": disagree, "percent": round(100 * disagree / judged, 4) if judged else None}


def _picked(count: int) -> np.ndarray:
    """Numbers of the nodes to be judged, ascending: all, or the same ones on all ranks."""
    if count <= MOST:
        return np.arange(count)
    return np.unique(np.random.default_rng(0).integers(count, size=MOST))


def in_words(found: dict) -> str:
    """A sentence on what `agreement` has found; "" where nothing could be judged."""
    if not found["judged"]:
        return ""
    return (
        f"{found['percent']:.2f} % of the converged nodes ({found['disagree']} of {found['judged']}) disagree with the "
        f"affine fit of their neighbours by more than {DEVIATIONS:g} standard deviations"
    )


def _table(rows: np.ndarray, dimensions: int) -> np.ndarray:
    table = np.zeros(len(rows), _JUDGED)
    table["index"], table["displacement"] = rows["index"], rows["Phi"][:, :, 3]
    table["usable"] = (rows["return_status"] == Status.CONVERGED) & np.isfinite(rows["Phi"][:, :, 3]).all(axis=1)
    table["displacement"][~table["usable"]] = 0
    variance = rows["variance"][:, 3::4][:, 3 - dimensions :].mean(axis=1)
    table["variance"] = np.where(np.isfinite(variance) & (variance > 0), variance, 0)
    return table
