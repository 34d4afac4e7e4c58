"""Rows freed of the curvature of the field that neighbouring nodes show together, after all of them are measured.

Windows have corrected themselves where their residual shows curvature (cython/registration/curvature.h): what they have
added is taken off before neighbours are compared, and what neighbours find counts for the part that they left.
"""

import logging

import numpy as np

from hpcdvc.fields.curvature import Neighbourhood, curvature_lost
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status
from hpcdvc.registration.settings import Settings

log = logging.getLogger("hpcdvc")

#: Of the rows, what neighbours are compared by.
_MEASURED = np.dtype(
    [
        ("index", "i8"),
        ("displacement", "f8", 3),  # of the affine window
        ("gradient", "f4", (3, 3)),
        ("variance", "f4", 3),
        ("left", "f4"),  # part of the correction that is left to the neighbours
        ("usable", "?"),
    ]
)
#: Nodes that are gone over together: some 300 bytes each.
TOGETHER = 1_000_000
#: What comes of it.
_FOUND = np.dtype([("index", "i8"), ("lost", "f8", 3), ("price", "f8", 3)])


def neighbourhood_of(grid: Grid, settings: Settings) -> Neighbourhood | None:
    """The neighbours of a grid that can correct each other; None where none can, or no correction is wanted."""
    near = Neighbourhood.of(grid.shape, grid.spacing, settings.window.half_size)
    return near if _wanted(settings) and near.axes else None


def corrections(settings: Settings, near: Neighbourhood | None) -> dict:
    """What a file says of the correction (JSON-able): whether windows make it, and along which axes neighbours do."""
    return {
        "windows": _wanted(settings),
        "neighbours_along": "".join("zyx"[axis] for axis in near.axes) if near else "",
    }


def _wanted(settings: Settings) -> bool:
    return settings.window.shape_order == "auto" and not settings.iterations.rigid


def corrected_by_neighbours(rows: np.ndarray, grid: Grid, near: Neighbourhood, team, spread: bool) -> np.ndarray:
    """Rows with the displacement, its variance and `curvature` as they are with the correction. Collective.

    Rank 0 makes it for the whole grid, whatever ranks have measured which rows.

    Parameters
    ----------
    rows : of this rank, of `hpcdvc.fields.field.ROW`, in any order; together the ranks hold each index once
    grid : of the nodes
    near : from `neighbourhood_of`
    team : hpcdvc.ranks.team.Team
    spread : rows stay with the ranks that write them; else they go to rank 0

    Returns
    -------
    rows ordered by index: those of this rank where they are spread, else all of them on rank 0
    """
    measured, _ = team.collect(_measured(rows), grid.size)
    found = team.on_root(lambda: _found(measured, grid, near))
    found, _ = team.collect(np.empty(0, _FOUND) if found is None else found, grid.size, spread)
    rows, _ = team.collect(rows, grid.size, spread)
    rows["Phi"][:, :, 3] += found["lost"]
    rows["curvature"] += found["lost"]
    rows["variance"][:, 3::4] *= 1 + found["price"]
    return rows


def _measured(rows: np.ndarray) -> np.ndarray:
    table = np.zeros(len(rows), _MEASURED)
    table["index"], table["displacement"] = rows["index"], rows["Phi"][:, :, 3] - rows["curvature"]
    with np.errstate(over="ignore", invalid="ignore"):  # what has diverged may be too large for f4: it does not count
        table["gradient"], table["variance"] = rows["Phi"][:, :, :3] - np.eye(3), rows["variance"][:, 3::4]
    # a window that has lost its one side misses something else
    whole = np.clip(5 * rows["valid_fraction"] - 4, 0, 1)
    table["left"] = np.where(np.signbit(rows["curvature_part"]), 0, 1 - rows["curvature_part"]) * whole
    known = np.isfinite(table["displacement"]).all(axis=1) & np.isfinite(table["gradient"]).all(axis=(1, 2))
    certain = (np.isfinite(table["variance"]) & (table["variance"] >= 0)).all(axis=1)
    table["usable"] = (rows["return_status"] == Status.CONVERGED) & known & certain
    return table


def _found(measured: np.ndarray, grid: Grid, near: Neighbourhood) -> np.ndarray:
    """What all nodes have lost, some planes after the others, each with those that make a difference to it."""
    planes, found = measured.reshape(grid.shape), np.zeros(grid.shape, _FOUND)
    depth, count = near.depth(0), len(planes)
    step = max(depth, TOGETHER // planes[0].size)
    for first in range(0, count, step):
        begin, last = max(0, first - depth), min(count, first + step)
        for component in np.flatnonzero(near.half):
            results = _lost(planes[begin : last + depth], component, near)
            for name, values in zip(("lost", "price"), results, strict=True):
                found[name][first:last, ..., component] = values[first - begin : last - begin]
    found["index"], found = planes["index"], found.ravel()
    changed = (found["lost"] != 0).any(axis=1)
    if changed.any():
        log.info(
            "curvature of the field: neighbours add to %d of %d nodes, at most %.2g voxel",
            np.count_nonzero(changed), len(found), np.abs(found["lost"]).max(),
        )  # fmt: skip
    return found


def _lost(planes: np.ndarray, component: int, near: Neighbourhood) -> tuple[np.ndarray, np.ndarray]:
    """What is left to the neighbours of one component, and its price; 0 where there is nothing to correct."""
    usable, variance = planes["usable"], planes["variance"][..., component].astype(float)
    displacement, gradient = planes["displacement"][..., component], planes["gradient"][..., component, :]
    results = curvature_lost(displacement, gradient, variance, usable & (variance > 0), near)
    return tuple(np.where(usable, planes["left"] * result, 0) for result in results)
