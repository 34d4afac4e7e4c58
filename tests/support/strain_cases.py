"""Fields with a known strain, as tables, and tables of strain back in."""

from pathlib import Path

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family
from hpcdvc.output.tsv import write_tsv

#: A stretch with shear and rotation, no two entries alike.
F = np.array([[1.02, -0.03, 0.014], [0.045, 0.97, -0.021], [0.008, 0.033, 1.011]])
FLAT_F = np.array([[1, 0, 0], [0, 0.97, -0.021], [0, 0.033, 1.011]])


def affine_field(
    shape=(5, 6, 7), spacing=(20.0, 10.0, 10.0), f=F, variance: float | None = None, status=None, flat: bool = False
) -> Field:
    """An affine displacement on a grid, F = I in the rows, so that only the displacements tell it."""
    origin = (0.0, *spacing[1:]) if flat else spacing
    grid = Grid(origin, spacing, shape)
    positions = grid.positions()
    phi = np.tile(np.eye(4), (grid.size, 1, 1))
    phi[:, :3, 3] = positions @ (f - np.eye(3)).T + (0 if flat else 3, -2, 1)
    status = np.full(grid.size, 2) if status is None else status
    extra = {} if variance is None else {"variance": np.full((grid.size, 12), variance)}
    zeros = np.zeros(grid.size)
    return Field(positions, phi, status, zeros, zeros.astype(int), zeros, grid, extra, Family.REGISTRATION)


def save(path: str, field: Field) -> None:
    write_tsv(path, field)


def table(path: str | Path) -> np.ndarray:
    """Rows of a table with named columns."""
    return np.atleast_1d(np.genfromtxt(path, names=True))


def tensor(rows: np.ndarray, name: str) -> np.ndarray:
    """(n, 6) components of a symmetric tensor in a table."""
    return np.stack([rows[name + pair] for pair in ("zz", "zy", "zx", "yy", "yx", "xx")], axis=1)
