"""Rows that do not fit their neighbours: the normalised median test, with fits in place of the median.

The test of Westerweel & Scarano [2005, doi 10.1007/s00348-005-0016-6] takes every rotation and strain for an error, for
these differ from the median. An affine fit does not. Where the field is bent, the distances of good neighbours from it
are large, and hide what is wrong: a quadratic fit tells more there. Where it jumps, as across a shear band, a row fits
those on its side.
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from hpcdvc.fields.around import Around, squared_length
from hpcdvc.fields.filters import Boxes
from hpcdvc.fields.local import basis_of, median_of, values_at, variance_of_fit, weighted_fit

#: Half the box of nodes that a node is judged by; so many of the nearest rows, by dimensions, where there is no grid.
HALF_BOX = 2
NEAREST = {1: 4, 2: 24, 3: 124}
#: Rounds in which rows that are far from a fit lose their weight.
ROUNDS = 3
#: Neighbours for each term of a fit that are few.
FEW = 4
#: A fit whose value at the row has a larger variance, in units of that of its rows, says nothing about it.
VAGUE = 10.0
#: Rows that one side has at least, by dimensions: a cluster of wrong ones is a small part of them.
LEAST = {1: 3, 2: 9, 3: 24}
#: A side counts where its rows differ from their fit by no more than so many times what all of them do from theirs.
ALIKE = 1.5


@dataclass(frozen=True)
class Neighbours:
    """The rows around some rows.

    Attributes
    ----------
    own : (m, 3) displacements of the rows that are judged, voxels
    displacements : (m, 3, k) of their neighbours
    away : (m, k, 3), or (1, k, 3), offsets of these, of the order of 1
    axes : along which rows differ
    epsilon : what displacements differ by anyway, voxels
    """

    own: np.ndarray
    displacements: np.ndarray
    away: np.ndarray
    axes: np.ndarray
    epsilon: float

    def some(self, chosen: np.ndarray) -> "Neighbours":
        """Those of some of the rows."""
        away = self.away if len(self.away) == 1 else self.away[chosen]
        return Neighbours(self.own[chosen], self.displacements[chosen], away, self.axes, self.epsilon)

    def fit(
        self, count: np.ndarray, order: int, earlier: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A polynomial fitted to those that count; far ones lose their weight, 1 / (1 + q^2)^2 by their ratio q.

        Parameters
        ----------
        count : (m, k) bool
        order : 1 or 2
        earlier : (m, k) weights of another fit, to begin with where the neighbours are few: a cluster of wrong ones
            bends a quadratic through few. Where they are many and the field is bent, they are those of a part of it

        Returns
        -------
        distance : (m,) of the row from the fit, in units of its own error where the fit extrapolates; inf where the
            neighbours are too few or leave it open
        usual : (m,) median distance of the neighbours, with the terms of the fit taken into account, and epsilon
        weights : (m, k) at the end
        """
        basis, u = basis_of(self.away, self.axes, order), self.displacements
        known, terms, weights = count.sum(axis=1), basis.shape[1], count.astype(float)
        if earlier is not None:
            weights = np.where((known <= FEW * terms)[:, None], earlier, weights)
        spare = np.sqrt(known / np.maximum(known - terms, 1))
        for again in range(ROUNDS + 1):
            fit = weighted_fit(basis, weights, u)
            off = u - np.swapaxes(fit, 1, 2) @ basis
            length = np.sqrt(squared_length(np.moveaxis(off, 1, 2)))
            usual = median_of(length, count) + self.epsilon
            if again < ROUNDS:
                weights = count / (1 + (length / usual[:, None]) ** 2) ** 2
        variance = variance_of_fit(basis, weights)
        solid = (known >= 2 * terms) & (variance >= 0) & (variance <= VAGUE)
        distance = np.sqrt(squared_length(self.own - fit[:, 0]) / np.where(solid, 1 + variance, 1))
        return np.where(solid, distance, np.inf), np.where(solid, spare * usual, np.inf), weights


def misfit(
    around: Around | Boxes, positions: np.ndarray, displacements: np.ndarray, numbers: np.ndarray, epsilon: float = 0.1
) -> np.ndarray:
    """How far rows are from what their neighbours make of them, in units of what these differ by among themselves.

    |u - fit| / (median |u_i - fit_i| + epsilon), of an affine and a quadratic fit: the smaller distance over the
    smaller median. A row that is off by more than these is held against those on one side of it, too.

    Parameters
    ----------
    around : which rows count for a row; itself is left out
    positions, displacements : (n, 3) of all rows, ZYX, voxels
    numbers : (m,) of the rows that are judged
    epsilon : what displacements differ by anyway, voxels

    Returns
    -------
    (m,) array; above 2 to 3 a row is wrong. NaN where the neighbours are too few to tell
    """
    result = np.full(len(numbers), np.nan)
    blocks = around.blocks(numbers if isinstance(around, Boxes) else positions[numbers])
    for some, rows, *_ in blocks:
        own = numbers[some]
        count = (rows >= 0) & (rows != own[:, None])
        if around.offsets is not None:
            away = around.offsets[None]
        else:
            away = np.where(count[..., None], positions[rows] - positions[own][:, None], 0)
        away = away / np.maximum(np.abs(away).max(axis=(1, 2)), 1e-9)[:, None, None]
        near = Neighbours(displacements[own], values_at(displacements, rows), away, around.axes, epsilon)
        result[some] = _ratio(near, count)
    return result


def _ratio(near: Neighbours, count: np.ndarray) -> np.ndarray:
    """(m,) of `misfit`."""
    affine, usual, weights = near.fit(count, 1)
    quadratic, usual_too, _ = near.fit(count, 2, weights)
    known, usual = np.isfinite(affine), np.minimum(usual, usual_too)
    ratio = np.where(known, np.minimum(affine, quadratic) / np.where(known, usual, 1), np.nan)
    rest = np.flatnonzero(ratio > 1)  # the others are right already
    if len(rest):
        ratio[rest] = np.minimum(ratio[rest], _of_one_side(near.some(rest), count[rest], usual[rest]))
    return ratio


def _of_one_side(near: Neighbours, count: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(m,) least ratio to an affine fit of the neighbours on one side, inf where none counts."""
    reach = np.maximum(np.abs(near.away).max(axis=(0, 1)), 1e-9)
    directions = np.array([d for d in product(*((-1, 0, 1) if a in near.axes else (0,) for a in range(3))) if any(d)])
    sides = np.swapaxes(near.away / reach @ directions.T >= -1e-9, 1, 2) & count[:, None]
    row, side = np.nonzero(sides.sum(axis=2) >= LEAST[len(near.axes)])
    best = np.full(len(count), np.inf)
    if len(row):
        distance, own_usual, _ = near.some(row).fit(sides[row, side], 1)
        np.minimum.at(best, row, np.where(own_usual <= ALIKE * usual[row], distance / usual[row], np.inf))
    return best
