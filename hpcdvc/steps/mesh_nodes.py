"""Between fields and the nodes of a mesh: where a global correlation starts, and the rows and columns of its result."""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem.iterates import Result
from hpcdvc.fem.pattern import at_nodes
from hpcdvc.fem.quality import corner_determinants
from hpcdvc.fields.cells import cell_gradients
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.neighbours import fit_from_neighbours
from hpcdvc.fields.phi import displacement_at
from hpcdvc.fields.strain import strain_components
from hpcdvc.steps.start import usable_as_start

#: What `-str` writes.
STRAINS = ("vol", "dev", "volss", "devss", "e")
#: What every tetrahedron has; the gain and offset of grey values only where they change from place to place.
COLUMNS, OF_A_MAP = ("residual", "zncc", "valid_fraction"), ("gain", "offset")
#: Points whose neighbours are looked for together.
TOGETHER = 2**16


def displacements_at(points: np.ndarray, field: Field | None, path: str) -> np.ndarray:
    """What nodes start from.

    Parameters
    ----------
    points : (n, 3) nodes, ZYX, voxels
    field : None (no motion), a registration (one row) or a field: one on these nodes as it is, another one by the
        affine fit of its rows around each node, and where a row is not measured likewise
    path : its file, for messages

    Returns
    -------
    (n, 3) ZYX, voxels

    Raises
    ------
    UserError
        No row of the field is measured.
    """
    if field is None:
        return np.zeros_like(points)
    if len(field) == 1:
        return displacement_at(np.repeat(field.phi, len(points), axis=0), field.positions[0], points)
    usable = usable_as_start(field)
    if not usable.any():
        raise UserError(f"{path} holds {len(field)} rows, and none is measured: nothing can start from it")
    start, missing = np.zeros_like(points), np.ones(len(points), bool)
    if field.positions.shape == points.shape and np.array_equal(field.positions, points):
        start[usable], missing = field.displacement[usable], ~usable
    numbers = np.flatnonzero(missing)
    for some in (numbers[first : first + TOGETHER] for first in range(0, len(numbers), TOGETHER)):
        start[some] = fit_from_neighbours(field, usable, points[some])[:, :, 3]
    return start


def node_rows(result: Result, points: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """(n,) records of the nodes; F is the mean of the tetrahedra around each, by their volumes."""
    n, elements = len(points), result.elements
    rows = np.zeros(n, ROW)
    rows["index"], rows["return_status"], rows["iterations"] = np.arange(n), result.node_status, result.state.number
    f, _ = cell_gradients(points, connectivity, result.displacements)
    volume = corner_determinants(points, connectivity)
    around = at_nodes(connectivity, volume, n)
    for i, j in np.ndindex(3, 3):
        rows["Phi"][:, i, j] = at_nodes(connectivity, volume * f[:, i, j], n) / around
    rows["Phi"][:, :, 3] = result.displacements
    rows["delta_phi_norm"], rows["variance"] = result.state.change, np.nan
    if result.displacement_std is not None:
        rows["variance"][:, 3::4] = result.displacement_std**2
    for name in ("error", "zncc", "valid_fraction"):
        rows[name] = np.nan
    if elements:
        correlated = np.where(elements["voxels"] > 0, elements["voxels"] * elements["zncc"], 0)
        sums = [at_nodes(connectivity, elements[name], n) for name in ("squares", "brightness", "voxels", "visible")]
        squares, brightness, met, could = sums
        with np.errstate(invalid="ignore", divide="ignore"):
            rows["error"] = squares / brightness
            rows["valid_fraction"] = np.where(could > 0, met / could, 0)
            rows["zncc"] = at_nodes(connectivity, correlated, n) / met
    return rows


def element_columns(
    result: Result, points: np.ndarray, connectivity: np.ndarray, strain: bool, by_place: bool
) -> dict[str, np.ndarray]:
    """(k, ...) columns of the tetrahedra.

    Parameters
    ----------
    result : of the correlation
    points, connectivity : the mesh
    strain : with `STRAINS`
    by_place : gain and offset change from place to place
    """
    status = result.node_status[connectivity]
    columns = {"return_status": status.min(axis=1)}
    names = COLUMNS + OF_A_MAP * by_place
    columns |= {name: result.elements[name] for name in names if name in result.elements}
    if strain:
        f, _ = cell_gradients(points, connectivity, result.displacements)
        columns |= strain_components(f, STRAINS)
    return columns
