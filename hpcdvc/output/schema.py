"""What a result file holds: one table, from which the writers, the readers and the page of the file format are made.

In the file vectors are (x, y, z) and tensors row-major xx, xy, xz, yx, ... so that viewers show them as they are; in
memory (`hpcdvc.fields.field`) everything is ZYX.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import STATUS_TEXT, Status

SCHEMA = "hpcdvc-phi-field"
SCHEMA_VERSION = 1

VECTOR = ("x", "y", "z")
TENSOR = tuple(i + j for i in VECTOR for j in VECTOR)
#: F bordered by the displacement t
PHI = (*(f"F{i}{j}" if j else f"t{i}" for i in VECTOR for j in (*VECTOR, "")), "0", "0", "0", "1")


@dataclass(frozen=True)
class Column:
    """One array of the file.

    Attributes
    ----------
    name : name of the dataset in ``/VTKHDF/PointData``
    dtype : NumPy type
    unit : physical unit; lengths are voxels
    meaning : one line for the documentation
    components : names of the components, in the order of the file; empty for a scalar
    from_rows : makes the array (n,) or (n, components) from ``ROW`` records; None where the caller gives it
    blank : NaN at points that did not converge
    """

    name: str
    dtype: str
    unit: str
    meaning: str
    components: tuple[str, ...] = ()
    from_rows: Callable[[np.ndarray], np.ndarray] | None = None
    blank: bool = False

    @property
    def row_bytes(self) -> int:
        """Bytes per point."""
        return np.dtype(self.dtype).itemsize * max(len(self.components), 1)


def _phi(rows: np.ndarray) -> np.ndarray:
    phi = np.zeros((len(rows), 4, 4))
    phi[:, :3, :3] = rows["Phi"][:, ::-1, 2::-1]
    phi[:, :3, 3] = rows["Phi"][:, ::-1, 3]
    phi[:, 3, 3] = 1
    return phi.reshape(-1, 16)


def _phi_variance(rows: np.ndarray) -> np.ndarray:
    return _variance(rows)[:, ::-1, [2, 1, 0, 3]].reshape(-1, 12)


def _variance(rows: np.ndarray) -> np.ndarray:
    return rows["variance"].reshape(-1, 3, 4)


def _displacement(rows: np.ndarray) -> np.ndarray:
    return rows["Phi"][:, ::-1, 3]


def _displacement_std(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(_variance(rows)[:, ::-1, 3])


def _gradient(rows: np.ndarray) -> np.ndarray:
    return rows["Phi"][:, ::-1, 2::-1].reshape(-1, 9)


def _gradient_std(rows: np.ndarray) -> np.ndarray:
    return np.sqrt(_variance(rows)[:, ::-1, 2::-1]).reshape(-1, 9)


def _member(name: str) -> Callable[[np.ndarray], np.ndarray]:
    return lambda rows: rows[name]


_NAN = "NaN where not converged"

COLUMNS = (
    Column("displacement", "f8", "voxel", f"from im1 to im2; {_NAN}", VECTOR, _displacement, blank=True),
    Column("Phi", "f8", "1, voxel", "4x4 deformation function; the last iterate where not converged", PHI, _phi),
    Column("F", "f8", "1", f"transformation gradient; {_NAN}", TENSOR, _gradient, blank=True),
    Column("returnStatus", "i4", "", "2 = converged, others: see statuses", from_rows=_member("return_status")),
    Column("error", "f8", "grey value", f"sum of squared residuals / sum of the grey values of im1; {_NAN}",
           from_rows=_member("error"), blank=True),
    Column("iterations", "i4", "", "number of iterations", from_rows=_member("iterations")),
    Column("deltaPhiNorm", "f8", "", "norm of the last change of Phi", from_rows=_member("delta_phi_norm")),
    Column("zncc", "f8", "", "zero-mean normalised correlation of the two windows", from_rows=_member("zncc")),
    Column("valid_fraction", "f8", "", "part of the window that took part", from_rows=_member("valid_fraction")),
    Column("displacement_std", "f8", "voxel", f"standard deviation of the displacement; {_NAN}", VECTOR,
           _displacement_std, blank=True),
    Column("F_std", "f8", "1", f"standard deviation of F; {_NAN}", TENSOR, _gradient_std, blank=True),
    Column("Phi_variance", "f8", "1, voxel^2", "variances of the first three rows of Phi", PHI[:12], _phi_variance),
    Column("CC", "f8", "", "normalised correlation of a whole-voxel search"),
    Column("label", "u4", "", "label of the particle"),
)  # fmt: skip

#: columns made of others for viewers; a reader takes them from Phi, which is never blank
DERIVED = ("displacement", "F", "displacement_std", "F_std")


def columns(extra: dict | None = None) -> list[Column]:
    """Columns of a file: those made from the rows, and those given in `extra`."""
    return [c for c in COLUMNS if c.from_rows or c.name in (extra or {})]


def values(column: Column, rows: np.ndarray, extra: dict | None = None) -> np.ndarray:
    """Contents of one column.

    Parameters
    ----------
    column : one of `COLUMNS`
    rows : (n,) ``ROW`` records
    extra : columns that are not in the rows, by name

    Returns
    -------
    (n,) or (n, components) array in the order of the file
    """
    source = column.from_rows(rows) if column.from_rows else extra[column.name]
    result = np.ascontiguousarray(source, dtype=column.dtype)
    if column.blank:
        result = result.copy() if np.shares_memory(result, rows) else result
        result[rows["return_status"] != Status.CONVERGED] = np.nan
    return result


def status_counts(return_status: np.ndarray) -> dict[int, int]:
    """How many points ended with each return status, converged first."""
    codes, counts = np.unique(return_status, return_counts=True)
    return {int(code): int(count) for code, count in zip(codes[::-1], counts[::-1], strict=True)}


def status_table(counts: dict[int, int]) -> dict[str, dict]:
    """Counts with the reason and what to try, as stored in the file."""
    table = {}
    for code in sorted(counts, reverse=True):
        reason, advice = STATUS_TEXT.get(code, ("unknown", ""))
        table[str(code)] = {"count": counts[code], "reason": reason, "advice": advice}
    return table


def field_of_rows(
    rows: np.ndarray, grid: Grid | None = None, positions: np.ndarray | None = None, extra: dict | None = None
) -> Field:
    """Field of measured rows.

    Parameters
    ----------
    rows : (n,) ``ROW`` records, ordered by index
    grid : grid of n nodes, or None
    positions : (n, 3) ZYX, voxels, where there is no grid
    extra : further columns by name, each with n rows
    """
    phi = np.zeros((len(rows), 4, 4))
    phi[:, :3] = rows["Phi"]
    phi[:, 3, 3] = 1
    return Field(
        positions=grid.positions() if grid else np.asarray(positions, dtype=float),
        phi=phi,
        return_status=rows["return_status"].copy(),
        error=rows["error"].copy(),
        iterations=rows["iterations"].copy(),
        delta_phi_norm=rows["delta_phi_norm"].copy(),
        grid=grid,
        extra={name: rows[name].copy() for name in ("zncc", "valid_fraction", "variance")} | dict(extra or {}),
    )


def rows_of_arrays(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """``ROW`` records of the columns of a file; the inverse of `values`.

    Parameters
    ----------
    arrays : columns by name, (n,) or (n, components), in the order of the file; `Phi` and `returnStatus` must be there
    """
    phi = arrays["Phi"].reshape(-1, 4, 4)
    rows = np.zeros(len(phi), ROW)
    rows["index"] = np.arange(len(phi))
    rows["Phi"] = phi[:, 2::-1][:, :, [2, 1, 0, 3]]
    variance = arrays.get("Phi_variance")
    rows["variance"] = np.nan if variance is None else variance.reshape(-1, 3, 4)[:, ::-1, [2, 1, 0, 3]].reshape(-1, 12)
    names = {"return_status": "returnStatus", "delta_phi_norm": "deltaPhiNorm"}
    for name in ("return_status", "iterations", "error", "delta_phi_norm", "zncc", "valid_fraction"):
        rows[name] = arrays.get(names.get(name, name), 0)
    return rows
