"""What scanner and stage add to a field: a rigid motion, or a magnification, found by least squares and undone."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import rotation_of, rotation_vector

#: Part of the extent of points across a line, or from each other, below which it is rounding.
THIN = 1e-9


@dataclass(frozen=True, eq=False)
class Removal:
    """A motion y = moved + s R (x - centre) that was fitted to points, and is undone.

    Attributes
    ----------
    kind : "rigid" or "dilation"
    rotation : (3, 3) R
    factor : s
    centre, moved : (3,) middles of the points before and after, ZYX, voxels
    rows : (m,) numbers of the points that were fitted
    flat : of images in two dimensions
    """

    kind: str
    rotation: np.ndarray
    factor: float
    centre: np.ndarray
    moved: np.ndarray
    rows: np.ndarray
    flat: bool

    @property
    def back(self) -> np.ndarray:
        """(3, 3): what takes a deformed offset back, R^T / s; across an image nothing."""
        scale = np.array([1.0 if self.flat else self.factor, self.factor, self.factor])
        return self.rotation.T / scale[:, None]

    def undo(self, positions: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """(n, 3) displacements without the motion."""
        return (positions + displacement - self.moved) @ self.back.T + self.centre - positions

    def undo_gradient(self, f: np.ndarray) -> np.ndarray:
        """(n, 3, 3) F without the motion."""
        return self.back @ f

    def weights(
        self,
        positions: np.ndarray,
        displacement: np.ndarray,
        numbers: np.ndarray,
        weights: np.ndarray,
        fitted: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """A sum over displacements without the motion, as one over those that were measured, to first order.

        The motion was fitted to the same errors and takes its part of them along: what the modes of the motion have of
        the weights goes.

        Parameters
        ----------
        positions, displacement : (n, 3) of all points, as measured
        numbers, weights : (k,) and (k, 3) of the sum
        fitted : (m, 3, q) modes of the points that were fitted

        Returns
        -------
        numbers, weights : of all points that have a part in it
        """
        turned = weights @ self.back
        sums = np.einsum("acq,ac->q", self.modes(positions[numbers], displacement[numbers]), turned)
        matrix = fitted.reshape(-1, fitted.shape[2])
        result = np.zeros_like(displacement)
        np.add.at(result, numbers, turned)
        result[self.rows] -= (matrix @ np.linalg.solve(matrix.T @ matrix, sums)).reshape(-1, 3)
        some = np.flatnonzero(result.any(axis=1))
        return some, result[some]

    def modes(self, positions: np.ndarray, displacement: np.ndarray) -> np.ndarray:
        """(n, 3, q) what small changes of the motion do to the points."""
        first = 1 if self.flat else 0
        modes = [np.broadcast_to(axis, positions.shape) for axis in np.eye(3)[first:]]
        away = positions + displacement - self.moved
        if self.kind == "dilation":
            modes.append(positions - self.centre)
        else:
            modes += [np.cross(axis, away) for axis in (np.eye(3)[:1] if self.flat else np.eye(3))]
        return np.stack(modes, axis=2)

    def __str__(self) -> str:
        """Its numbers, in words."""
        moved = " ".join(f"{value:.9g}" for value in self.moved - self.centre)
        middle = " ".join(f"{value:.9g}" for value in self.centre)
        turned = " ".join(f"{value:.9g}" for value in rotation_vector(self.rotation))
        what = f"rotation {turned} degree (ZYX)" if self.kind == "rigid" else f"factor {self.factor:.12g}"
        return (
            f"{self.kind}: {what}, translation {moved} voxel (ZYX) of the point {middle}, "
            f"fitted to {len(self.rows)} points"
        )


def fit_removal(kind: str, positions: np.ndarray, displacement: np.ndarray, rows: np.ndarray, flat: bool) -> Removal:
    """The motion that fits the displacements of points best.

    The rotation is that of Kabsch [Kabsch 1976, https://doi.org/10.1107/S0567739476001873], by the polar decomposition;
    the factor is the least-squares slope of deformed over initial offsets.

    Parameters
    ----------
    kind : "rigid", rotation and translation, or "dilation", one factor and translation
    positions, displacement : (n, 3) of all points, ZYX, voxels
    rows : (m,) numbers of those that count
    flat : of images in two dimensions

    Raises
    ------
    UserError
        The points leave the motion open.
    """
    x, y = positions[rows], (positions + displacement)[rows]
    needed = {"rigid": 1 if flat else 2, "dilation": 1}[kind]
    centre, moved = (points.mean(axis=0) if len(rows) else np.zeros(3) for points in (x, y))
    x, y = x - centre, y - moved
    extents = np.linalg.svd(x, compute_uv=False) if len(rows) > 1 else np.zeros(3)
    if (extents > THIN * max(extents.max(initial=0), 1)).sum() < needed:
        few = "three measured points that are not on one line" if needed == 2 else "two measured points"
        raise UserError(f"--remove {kind} needs {few}")
    rotation, factor = np.eye(3), 1.0
    if kind == "rigid":
        rotation = rotation_of(y.T @ x)
    else:
        factor = float((x * y).sum() / (x * x).sum())
        if factor <= 0:
            raise UserError(f"the factor of --remove dilation is {factor:.4g}: the points do not belong to it")
    return Removal(kind, rotation, factor, centre, moved, rows, flat)
