"""Where a measurement on nodes starts from: the field or the registration that `-pf` names."""

import logging
from collections.abc import Container
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import POINT, ROW, Field
from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.neighbours import affine_motion, fit_from_neighbours
from hpcdvc.fields.phi import at_points, part_of
from hpcdvc.fields.rows import check_once
from hpcdvc.fields.status import STATUSES, Status
from hpcdvc.images import VolumeInfo
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.kinds import ending_of
from hpcdvc.output.tsv import read_tsv
from hpcdvc.output.vtk_reader import read_vtk
from hpcdvc.steps.roi import ZYX, Region, nodes_in, rows_on

log = logging.getLogger("hpcdvc")

#: Statuses that -skp measures again where the row is not measured, or was replaced by a filter.
REDONE = tuple(status for status, meaning in STATUSES.items() if "yes" in meaning.measured_again)
#: What a measurement starts from, the labels of particles, and what says that it is a series.
MEMBERS = (*ROW.names, "label", "step")
#: Motion along z that counts as none, voxels.
FLAT = 1e-6


def read_start(
    path: str | None, bin_ratio: float, image: VolumeInfo, members: Container[str] | None = MEMBERS
) -> Field | None:
    """Read the file of `-pf`, a .tsv table, an .hdf or .vtk file of ours; None without a path.

    Parameters
    ----------
    path : the file
    bin_ratio : factor on its positions and displacements (`-pfb`)
    image : the image that it is for
    members : what is read of an .hdf file, as of `hpcdvc.output.hdf5.read_field`; None: all

    Raises
    ------
    UserError
        No such file, no table or file of ours, one of images in two dimensions for a volume or the other way round, a
        series of motions, or a registration (one row) that has no result.
    """
    if path is None:
        return None
    field = read_phi_file(path, bin_ratio, members)
    if "step" in (field.extra or {}):
        raise UserError(f"{path} holds the motions of {len(field)} pairs of images, one of them is needed")
    if len(field) == 1 and not (np.isfinite(field.phi).all() and np.isfinite(field.positions).all()):
        raise UserError(f"the registration in {path} is not finite: it has failed, and nothing can start from it")
    check_dimensions(field, image, path)
    return field


def read_phi_file(path: str, bin_ratio: float = 1.0, members: Container[str] | None = None) -> Field:
    """Read a registration or a field, a .tsv table, an .hdf or .vtk file of ours; its content says what it is.

    Parameters
    ----------
    path : the file
    bin_ratio : factor on its positions and displacements (`-pfb`)
    members : what is wanted of an .hdf file, as in `hpcdvc.output.hdf5.read_field`; None: all that is there

    Raises
    ------
    UserError
        No such file, or no table or file of ours, or a point is there twice.
    """
    kind = ending_of(path)
    if kind == ".vtk":
        field = read_vtk(path)
        log.warning("%s is a VTK file, which holds no F: it is taken to be 1, only displacements are known", path)
    else:
        field = read_field(path, members) if kind == ".hdf" else read_tsv(path)
    if field.grid is None and members is None and kind == ".hdf":  # a table has been looked at
        extra = field.extra or {}
        check_once(path, extra.get("label"), field.positions, extra.get("step"))
    if bin_ratio == 1:
        return field
    field.positions = field.positions * bin_ratio
    field.phi = field.phi.copy()  # what all ranks have read together cannot be written
    field.phi[:, :3, 3] *= bin_ratio
    if "variance" in (field.extra or {}):
        field.extra["variance"] = field.extra["variance"] * np.where(np.arange(12) % 4 == 3, bin_ratio**2, 1)
    if field.grid:
        old = field.grid
        scaled = [tuple(bin_ratio * v for v in values) for values in (old.origin, old.spacing)]
        field.grid = Grid(*scaled, old.shape)
    return field


def is_flat(field: Field) -> bool | None:
    """Whether a field is of images in two dimensions: all points stand at z = 0, and a registration does not leave it.

    None: one row at 0 0 0 is a translation that somebody has typed.
    """
    if len(field) > 1:
        return not field.positions[:, 0].any()
    moves, positions = _moves_along_z(field)
    if positions[:, 0].any() or moves > FLAT:
        return False
    return True if positions.any() else None


def _moves_along_z(field: Field) -> tuple[float, np.ndarray]:
    """The largest motion along or with z, and the positions, of the rows that are finite."""
    rows = np.isfinite(field.phi).all(axis=(1, 2)) & np.isfinite(field.positions).all(axis=1)
    phi = field.phi[rows]
    return np.abs(np.concatenate([phi[:, 0, 1:], phi[:, 1:3, 0]], axis=1)).max(initial=0), field.positions[rows]


def check_dimensions(field: Field, image: VolumeInfo, path: str) -> None:
    """Make sure that a field of an image in two dimensions is for one, and that of a volume for a volume."""
    moves, positions = _moves_along_z(field)
    if image.two_dimensional and (positions[:, 0].any() or moves > FLAT):
        raise UserError(f"{path} was measured on volumes, and {image.spec} is a 2-D image")
    # one row at 0 0 0 is a translation that somebody has typed
    if not image.two_dimensional and positions.any() and not positions[:, 0].any() and moves == 0:
        raise UserError(f"{path} was measured on images in two dimensions, and {image.spec} is a volume")


def grid_for(shape: ZYX, spacing: ZYX | None, start: Field | None, path: str) -> Grid:
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


def nodes_for(
    shape: ZYX, spacing: ZYX | None, start: Field | None, path: str, region: Region | None
) -> tuple[Grid, Field | None]:
    """The same nodes, those of them that lie in a region, and the rows of the start there.

    Parameters
    ----------
    shape, spacing, start, path : see `grid_for`; with a region the start may have more nodes than are measured
    region : of `--roi`, or None

    Raises
    ------
    UserError
        As in `grid_for`, or no node lies in the region.
    """
    of_field = start is not None and len(start) > 1 and start.grid is not None
    if region is None or not of_field:
        return nodes_in(region, grid_for(shape, spacing, start, path)), start
    whole = grid_for(shape, None, start, path) if spacing is None else make_grid(shape, spacing)
    grid = region.nodes_of(whole)
    if grid.numbers_in(start.grid) is None:
        raise UserError(
            f"the points of {path} do not match those of -ns in --roi (ZYX): {_words(start.grid)}, against "
            f"{_words(grid)}"
        )
    return grid, rows_on(grid, start)


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
    usable : (n,) bool, rows of a field to start from; the others start from the affine fit of those around them, and
        from no motion where there are none. None: all rows are taken as they are
    """

    grid: Grid
    start: Field | None
    apply_f: str = "all"
    usable: np.ndarray | None = None

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
            if self.usable is not None:
                lost = ~self.usable[numbers]
                fitted = fit_from_neighbours(self.start, self.usable, points["position"][lost])
                points["Phi"][lost] = np.where(np.isfinite(fitted), fitted, np.eye(4)[:3])
        return points

    def as_one(self, centre: np.ndarray) -> np.ndarray:
        """(4, 4) Phi about a point (ZYX, voxels): the start as one motion of the whole image."""
        if self.start is None:
            return np.eye(4)
        if len(self.start) == 1:
            return at_points(self.start.phi[0], self.start.positions[0], centre[None])[0]
        rows = usable_as_start(self.start) if self.usable is None else self.usable
        return affine_motion(self.start.positions[rows], self.start.phi[rows], centre) if rows.any() else np.eye(4)


def usable_as_start(field: Field) -> np.ndarray:
    """(n,) bool: rows that others may start from, those that are measured and finite."""
    return field.measured & np.isfinite(field.phi).all(axis=(1, 2))


def redone(start: Field, statuses: tuple[int, ...] | None = None) -> np.ndarray:
    """Which rows of a field `-skp` measures again.

    Parameters
    ----------
    start : n rows
    statuses : those of these statuses; None: all that the table of statuses marks

    Returns
    -------
    (n,) bool
    """
    if statuses is not None:
        return np.isin(start.return_status, statuses)
    kept = start.measured & (start.return_status != Status.FILTERED)
    return np.isin(start.return_status, REDONE) & ~kept


def kept_rows(start: Field, kept: np.ndarray) -> np.ndarray:
    """Rows of a field that `-skp` keeps as they are.

    Parameters
    ----------
    start : n rows
    kept : (m,) their numbers

    Returns
    -------
    structured array of hpcdvc.fields.field.ROW
    """
    rows = np.zeros(len(kept), ROW)
    extra = start.extra or {}
    rows["index"], rows["Phi"] = kept, start.phi[kept, :3]
    for name in ("error", "iterations", "return_status", "delta_phi_norm"):
        rows[name] = getattr(start, name)[kept]
    for name in ("zncc", "valid_fraction", "variance"):
        rows[name] = extra[name][kept] if name in extra else np.nan
    if "curvature" in extra:
        rows["curvature"] = np.nan_to_num(extra["curvature"][kept])
    part = np.nan_to_num(extra["curvature_part"][kept]) if "curvature_part" in extra else 1
    rows["curvature_part"] = np.copysign(part, -1)  # the sign says that neighbours add nothing to what is kept
    return rows
