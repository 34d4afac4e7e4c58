"""Rows that disagree with the affine fit of their neighbours by more than what is likely.

What a row may differ by is what its neighbours differ by from their fit, so that the curvature of a field is no
disagreement, and its own standard deviation. To find rows that are wrong and to replace them is another matter, see
`hpcdvc.fields.misfit`.
"""

import numpy as np

from hpcdvc.fields.filters import Boxes
from hpcdvc.fields.local import values_at
from hpcdvc.fields.misfit import HALF_BOX, Neighbours

#: Standard deviations beyond which a row disagrees.
DEVIATIONS = 5.0
#: What displacements differ by anyway, voxels: interpolation, and what an affine fit leaves of a smooth field.
ANYWAY = 0.01
#: Median length of a vector of so many normal components of unit variance.
MEDIAN_LENGTH = {2: 1.1774, 3: 1.5382}


def disagreeing(
    boxes: Boxes, displacements: np.ndarray, variance: np.ndarray, numbers: np.ndarray, dimensions: int = 3
) -> tuple[np.ndarray, np.ndarray]:
    """Rows that are more than `DEVIATIONS` standard deviations away from the affine fit of their neighbours.

    Parameters
    ----------
    boxes : of nodes, from `boxes_of`; the node itself is left out
    displacements : (n, 3) of all nodes, ZYX, voxels
    variance : (n,) of a component of them, voxels^2; 0 where not known
    numbers : (m,) of those that are judged
    dimensions : 2 or 3, of the images

    Returns
    -------
    judged : (m,) bool, those that have neighbours enough
    disagree : (m,) bool, those of them that are too far away
    """
    judged, disagree = np.zeros(len(numbers), bool), np.zeros(len(numbers), bool)
    away = boxes.offsets[None] / max(np.abs(boxes.offsets).max(), 1e-9)
    for some, rows in boxes.blocks(numbers):
        own = numbers[some]
        count = (rows >= 0) & (rows != own[:, None])
        near = Neighbours(displacements[own], values_at(displacements, rows), away, boxes.axes, ANYWAY)
        distance, usual, _ = near.fit(count, 1)
        known = np.isfinite(distance) & np.isfinite(usual)
        scatter = np.where(known, usual, 0) / MEDIAN_LENGTH[dimensions]
        judged[some] = known
        disagree[some] = known & (distance > DEVIATIONS * np.sqrt(scatter**2 + variance[own]))
    return judged, disagree


def boxes_of(grid, usable: np.ndarray) -> Boxes:
    """The nodes by which a node is judged: those at most two away along each axis.

    Parameters
    ----------
    grid : hpcdvc.fields.grid.Grid, n nodes
    usable : (n,) bool, those that count
    """
    return Boxes(grid, usable, (HALF_BOX,) * 3)
