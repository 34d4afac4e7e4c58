"""The data that every command measures: one row per point, and the grid the points stand on.

Arrays are ZYX; lengths are voxels. Imports nothing of hpcdvc.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

#: One measured point, as the kernels fill it, the shards store it and the ranks exchange it.
ROW = np.dtype(
    [
        ("index", "<i8"),  # row number in the field
        ("Phi", "<f8", (3, 4)),  # first three rows of the 4x4 deformation function, ZYX
        ("variance", "<f8", (12,)),  # variances of the twelve entries of Phi
        ("error", "<f8"),  # sum of squared residuals / sum of grey values of im1
        ("delta_phi_norm", "<f8"),  # norm of the last change of Phi
        ("zncc", "<f8"),  # zero-mean normalised correlation of the two windows
        ("valid_fraction", "<f8"),  # part of the window that took part
        ("return_status", "<i4"),
        ("iterations", "<i4"),
    ],
    align=True,
)

#: One point to be measured: where, and the deformation function to start from.
POINT = np.dtype([("index", "<i8"), ("position", "<f8", (3,)), ("Phi", "<f8", (3, 4))], align=True)


class Status(IntEnum):
    """Return status of a point; 2 is the only one to trust."""

    CONVERGED = 2
    MAX_ITERATIONS = 1
    NOT_EVALUATED = 0
    ERROR_GROWTH = -1
    SINGULAR = -2
    VOLUME_CHANGE = -3
    SINGULAR_PHI = -4
    GREY_THRESHOLD = -5
    FEW_VALID_VOXELS = -6
    BAD_GUESS = -7
    LEFT_IMAGE = -8
    DECORRELATED = -9


#: status -> (reason, what to try)
STATUS_TEXT = {
    Status.CONVERGED: ("converged", ""),
    Status.MAX_ITERATIONS: (
        "maximum number of iterations reached",
        "raise -it or -dp, or give a better start with -pf",
    ),
    Status.NOT_EVALUATED: ("nothing evaluated", ""),
    Status.ERROR_GROWTH: ("the residual grew", "larger -hws, or a better start with -pf"),
    Status.SINGULAR: ("no texture: the equations are singular", "larger -hws, or skip such windows with -glt"),
    Status.VOLUME_CHANGE: ("volume ratio outside 0.2 to 3", "larger -hws, or a better start with -pf"),
    Status.SINGULAR_PHI: ("the deformation function became singular", "a better start with -pf"),
    Status.GREY_THRESHOLD: ("mean grey value outside -glt and -ght", ""),
    Status.FEW_VALID_VOXELS: ("fewer valid voxels in the window of im1 than -mc", "lower -mc, or check the mask"),
    Status.BAD_GUESS: ("the start from -pf is not finite", "filter the start field first"),
    Status.LEFT_IMAGE: ("left im2, or hit its masked voxels", "lower -mc, or a larger image"),
    Status.DECORRELATED: ("converged on grey values that do not match", "a better start with -pf"),
}


@dataclass(frozen=True)
class Grid:
    """A regular grid of nodes: node (k, j, i) stands at origin + (k, j, i) * spacing (ZYX, voxels)."""

    origin: tuple[float, float, float]
    spacing: tuple[float, float, float]
    shape: tuple[int, int, int]

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(np.prod(self.shape))

    def positions(self) -> np.ndarray:
        """Positions of all nodes, (n, 3) float64, ZYX, X fastest."""
        axes = [o + s * np.arange(n) for o, s, n in zip(self.origin, self.spacing, self.shape, strict=True)]
        return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


@dataclass
class Field:
    """Deformation functions at points.

    Attributes
    ----------
    positions : (n, 3) float64 array, ZYX, voxels
    phi : (n, 4, 4) float64 array, ZYX; maps im1 to im2 about the point
    return_status, iterations : (n,) int32 arrays
    error, delta_phi_norm : (n,) float64 arrays
    grid : Grid or None for free points
    extra : further columns by name, each with n rows: ``zncc``, ``valid_fraction``, ``variance`` (n, 12), ``CC``,
        ``label``
    """

    positions: np.ndarray
    phi: np.ndarray
    return_status: np.ndarray
    error: np.ndarray
    iterations: np.ndarray
    delta_phi_norm: np.ndarray
    grid: Grid | None = None
    extra: dict | None = None

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def displacement(self) -> np.ndarray:
        """(n, 3) displacements, ZYX, voxels."""
        return self.phi[:, :3, 3]
