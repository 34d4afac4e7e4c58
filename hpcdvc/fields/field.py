"""The data that every command measures: one row per point, and the grid the points stand on.

Arrays are ZYX; lengths are voxels.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family, in_short, is_measured
from hpcdvc.kernels.records import dtype

#: One measured point, as the kernels fill it, the shards store it and the ranks exchange it.
ROW = dtype("row")

#: One point to be measured: where, and the deformation function to start from.
POINT = dtype("point")


def row_with(*columns: tuple) -> np.dtype:
    """Rows of `ROW` with further columns, each (name, type) or (name, type, shape), at the end."""
    return np.dtype([*((name, ROW[name]) for name in ROW.names), *columns], align=True)


@dataclass(repr=False, eq=False)
class Field:
    """Deformation functions at points.

    Attributes
    ----------
    positions : (n, 3) float64 array, ZYX, voxels
    phi : (n, 4, 4) float64 array, ZYX; maps im1 to im2 about the point
    return_status, iterations : (n,) int32 arrays
    error, delta_phi_norm : (n,) float64 arrays
    grid : Grid or None for free points
    extra : further columns by name, each with n rows, vectors and tensors ZYX: ``zncc``, ``valid_fraction``,
        ``variance`` (n, 12) and all others that `hpcdvc.output.columns` declares or that were found in a file
    family : what it was made by
    """

    positions: np.ndarray
    phi: np.ndarray
    return_status: np.ndarray
    error: np.ndarray
    iterations: np.ndarray
    delta_phi_norm: np.ndarray
    grid: Grid | None = None
    extra: dict | None = None
    family: Family = Family.REGISTRATION

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def displacement(self) -> np.ndarray:
        """(n, 3) displacements, ZYX, voxels."""
        return self.phi[:, :3, 3]

    def __repr__(self) -> str:
        return f"<{self.in_words()}\n lengths in voxels>"

    def in_words(self) -> str:
        """How many points there are, where, and how they ended; two lines."""
        named = "labels" if "label" in (self.extra or {}) else "points"
        what = f"{len(self)} {named}" if len(self) != 1 or named == "labels" else "registration"
        if self.grid:
            shape, origin, spacing = (
                " x ".join(f"{number:g}" for number in numbers)
                for numbers in (self.grid.shape, self.grid.origin, self.grid.spacing)
            )
            what = f"grid of {shape} nodes (z y x), every {spacing} from {origin}"
        return f"{what}\n {ended(self.return_status, self.measured, self.family)}"

    @property
    def measured(self) -> np.ndarray:
        """(n,) bool: which rows are a result; the others keep the last iterate in `phi`."""
        return is_measured(self.return_status, self.family)


def ended(return_status: np.ndarray, measured: np.ndarray, family: Family) -> str:
    """How many points ended how, in plain words, in a line.

    Parameters
    ----------
    return_status : of the points
    measured : bool, of the same shape
    family : what they were made by
    """
    counts = status_counts(return_status)
    reasons = ", ".join(f"{count} {in_short(code, family)} ({code})" for code, count in counts.items())
    return f"{np.count_nonzero(measured)} of {measured.size} measured: {reasons}"


def status_counts(return_status: np.ndarray) -> dict[int, int]:
    """How many points ended with each return status, in the order of falling status."""
    codes, counts = np.unique(return_status, return_counts=True)
    return {int(code): int(count) for code, count in zip(codes[::-1], counts[::-1], strict=True)}
