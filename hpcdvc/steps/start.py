"""Where a measurement on nodes starts from: the field or the registration that `-pf` names."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import POINT, ROW, Field
from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.phi import at_points, part_of
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import read_tsv

#: Rows that -skp measures again.
REDONE = (Status.MAX_ITERATIONS, Status.ERROR_GROWTH, Status.SINGULAR, Status.VOLUME_CHANGE)


def read_start(path: str | None, bin_ratio: float = 1.0) -> Field | None:
    """Read the file of `-pf`, a .tsv table or an .hdf file of ours; None without a path.

    Parameters
    ----------
    path : the file
    bin_ratio : factor on its positions and displacements (`-pfb`)

    Raises
    ------
    UserError
        No such file, no table or file of ours, or a registration (one row) that has no result.
    """
    if path is None:
        return None
    field = read_field(path) if path.endswith(".hdf") else read_tsv(path)
    if len(field) == 1 and not (np.isfinite(field.phi).all() and np.isfinite(field.positions).all()):
        raise UserError(f"the registration in {path} is not finite: it has failed, and nothing can start from it")
    field.positions = field.positions * bin_ratio
    field.phi[:, :3, 3] *= bin_ratio
    if field.grid and bin_ratio != 1:
        old = field.grid
        scaled = [tuple(bin_ratio * v for v in values) for values in (old.origin, old.spacing)]
        field.grid = Grid(*scaled, old.shape)
    return field


def grid_for(shape: tuple[int, int, int], spacing: tuple[int, int, int] | None, start: Field | None, path: str) -> Grid:
    """The nodes to be measured: those of the node spacing, or of the start field.

    Parameters
    ----------
    shape : (nz, ny, nx) of im1
    spacing : node spacing ZYX, voxels, or None
    start : from `read_start`
    path : its file, for messages

    Raises
    ------
    UserError
        Neither is given, they disagree, or the nodes of the field are no grid inside the image.
    """
    if start is None or len(start) == 1:
        if spacing is None:
            raise UserError("-ns is missing: the distance between nodes")
        return make_grid(shape, spacing)
    if start.grid is None:
        raise UserError(f"{path} holds {len(start)} points that are no regular grid: pass it to the nodes first")
    if spacing is not None:
        grid = make_grid(shape, spacing)
        if grid.shape != start.grid.shape or not np.allclose(grid.positions(), start.positions, rtol=0, atol=1e-3):
            raise UserError(
                f"the points of {path} do not match those of -ns (ZYX): {_words(start.grid)}, against {_words(grid)}"
            )
        return grid
    low, high = start.positions.min(axis=0), start.positions.max(axis=0)
    if (low < 0).any() or (high > np.array(shape) - 1).any():
        raise UserError(
            f"the points of {path} do not lie in the image: they reach from {low.tolist()} to {high.tolist()}, "
            f"the image has {shape} voxels (ZYX)"
        )
    return start.grid


def _words(grid: Grid) -> str:
    origin, spacing = (" ".join(f"{v:g}" for v in values) for values in (grid.origin, grid.spacing))
    return f"{' x '.join(map(str, grid.shape))} from {origin} every {spacing}"


@dataclass(frozen=True)
class StartPoints:
    """Nodes of a grid, each with the deformation function to start from; made when they are asked for.

    Attributes
    ----------
    grid : the nodes
    start : None (no motion), a registration (one row, applied at every node) or a field on these nodes
    apply_f : part of F of a registration to use: "all", "rigid" or "no"; its displacement is always that of all of F
    """

    grid: Grid
    start: Field | None
    apply_f: str = "all"

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Some of the points.

        Parameters
        ----------
        numbers : (n,) numbers of nodes

        Returns
        -------
        (n,) structured array of hpcdvc.fields.field.POINT; a point is the same whichever others are asked for
        """
        points = np.zeros(len(numbers), POINT)
        points["index"] = numbers
        points["position"] = self.grid.positions(numbers)
        if self.start is None:
            points["Phi"] = np.eye(4)[:3]
        elif len(self.start) == 1:
            phi = at_points(self.start.phi[0], self.start.positions[0], points["position"])
            points["Phi"] = part_of(phi, self.apply_f)[:, :3]
        else:
            points["Phi"] = self.start.phi[numbers, :3]
        return points


def redone(start: Field) -> np.ndarray:
    """Numbers of the rows of a field that `-skp` measures again: those that failed in the iterations."""
    return np.flatnonzero(np.isin(start.return_status, REDONE))


def kept_rows(start: Field) -> np.ndarray:
    """Rows of a field that `-skp` keeps as they are: all but those that failed in the iterations.

    Returns
    -------
    structured array of hpcdvc.fields.field.ROW
    """
    keep = np.flatnonzero(~np.isin(start.return_status, REDONE))
    rows = np.zeros(len(keep), ROW)
    extra = start.extra or {}
    rows["index"], rows["Phi"] = keep, start.phi[keep, :3]
    for name in ("error", "iterations", "return_status", "delta_phi_norm"):
        rows[name] = getattr(start, name)[keep]
    for name in ("zncc", "valid_fraction", "variance"):
        rows[name] = extra[name][keep] if name in extra else np.nan
    return rows
