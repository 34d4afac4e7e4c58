"""A field that gauges are laid on: its measured points, what is between them, and how certain sums over them are."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.cells import cells_holding
from hpcdvc.fields.gradients import Support, ball_support
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.interpolation import EDGE, corners_about
from hpcdvc.fields.removal import Removal
from hpcdvc.fields.sums import Errors
from hpcdvc.fields.triangulation import triangulate

#: How far the neighbours are that the strain of a node is made of, in units of the largest node spacing.
REACH = 1.5
AXES = "ZYX"
#: Alpha of triangulations: none bridges a gap, as of hpcdvc-discreteStrain.
AUTOMATIC = -1.0


@dataclass(frozen=True, eq=False)
class Gauged:
    """A field that gauges are laid on.

    Attributes
    ----------
    positions : (n, 3) ZYX, voxels
    displacement : (n, 3) ZYX, voxels
    f : (n, 3, 3) of the points themselves; None where the field has none that was measured
    measured : (n,) bool, points that count
    grid : of the points, or None
    cells : (k, 4) tetrahedra between them, of a mesh; None: those of Delaunay that bridge no gap, where there is
        no grid
    flat : of images in two dimensions
    errors : of the displacements, or None where these are not known
    f_variance : (n, 3, 3) of f, or None
    removed : what was undone, or None
    as_measured : (n, 3) displacements before that
    """

    positions: np.ndarray
    displacement: np.ndarray
    f: np.ndarray | None
    measured: np.ndarray
    grid: Grid | None
    cells: np.ndarray | None
    flat: bool
    errors: Errors | None = None
    f_variance: np.ndarray | None = None
    removed: Removal | None = None
    as_measured: np.ndarray | None = None

    def deviation(self, numbers: np.ndarray, weights: np.ndarray) -> float:
        """Standard deviation of the sum over displacements with weights (k, 3); NaN where not known."""
        if self.errors is None:
            return np.nan
        if self.removed is not None:
            numbers, weights = self.removed.weights(self.positions, self.as_measured, numbers, weights, self._fitted)
        return self.errors.deviation(numbers, weights)

    @cached_property
    def _fitted(self) -> np.ndarray:
        """(m, 3, q) modes of the motion of the points that it was fitted to: the same for all sums."""
        rows = self.removed.rows
        return self.removed.modes(self.positions[rows], self.as_measured[rows])

    def between(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Linear interpolation between measured points: multilinear in a grid, else in tetrahedra (triangles).

        Parameters
        ----------
        places : (m, 3) ZYX, voxels

        Returns
        -------
        numbers : (m, k) of the points around each place
        weights : (m, k) of their values; NaN where a place is not between measured points
        """
        if self.grid is not None:
            return corners_about(self.grid, self.measured, places)
        cells = self.measured_cells(self.measured)
        numbers, weights = np.zeros((len(places), 4), np.int64), np.full((len(places), 4), np.nan)
        if cells is None:
            return numbers, weights
        which, shares = cells_holding(self.positions, cells, places)
        width = cells.shape[1]
        off = np.abs(places[:, 0]) > EDGE if width == 3 else np.zeros(len(places), bool)
        shares[off] = np.nan
        numbers[:, :width], weights[:, :width] = cells[np.maximum(which, 0)], shares
        weights[:, width:] = np.where(np.isnan(shares[:, :1]), np.nan, 0)
        return numbers, weights

    def measured_cells(self, chosen: np.ndarray) -> np.ndarray | None:
        """Tetrahedra (triangles) between the chosen, (n,) bool, of the points; None where there are none."""
        if self.cells is not None:
            cells = self.cells[chosen[self.cells].all(axis=1)]
            solid = cells[np.linalg.det(self.positions[cells[:, 1:]] - self.positions[cells[:, :1]]) != 0]
            return solid if len(solid) else None
        numbers = np.flatnonzero(chosen)
        try:
            return numbers[triangulate(self.positions[numbers, int(self.flat) :], AUTOMATIC)]
        except UserError:  # too few, or all in one plane
            return None

    @property
    def support(self) -> Support | None:
        """Neighbours on the grid that the strain of a node is made of; None where a single layer leaves it open."""
        if self.grid is None or not (np.array(self.grid.shape) > 1)[int(self.flat) :].all():
            return None
        return ball_support(self.grid, REACH)


def column_names(name: str) -> tuple[str, str, str]:
    """A mean, its scatter, and its standard deviation."""
    return name, f"{name}_scatter", f"{name}_std"


def scatter_of(values: np.ndarray, shares: np.ndarray | None = None) -> float:
    """Standard deviation of values (k,) among themselves; NaN of a single one."""
    if len(values) < 2:
        return np.nan
    if shares is None:
        return float(values.std(ddof=1))
    return float(np.sqrt((shares * (values - (shares * values).sum()) ** 2).sum() / (1 - (shares**2).sum())))
