"""What hpcdvc-view draws of a result on a plane: nodes of a grid, a cut through a mesh, points near by."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.pages.result_file import ResultFile
from hpcdvc.pages.view_fields import Quantity
from hpcdvc.pages.view_result import Mesh, Source

#: Most nodes along an edge of a plane: of more every n-th is shown.
EDGE = 1200
#: Most points of a cloud in one view.
CROWD = 20000
#: Greatest number that stands for a value; 0 stands for none.
LEVELS = 65535


@dataclass(frozen=True)
class Box:
    """What a result takes up.

    Attributes
    ----------
    low, high : (3,) ZYX, voxels, edges
    step, first : (3,) from one slice to the next, and a slice
    """

    low: np.ndarray
    high: np.ndarray
    step: np.ndarray
    first: np.ndarray

    @classmethod
    def of(cls, source: Source, result: ResultFile, image: tuple[int, int, int] | None) -> "Box":
        """Of the images, where they are known, and else of the nodes."""
        grid = result.grid
        if grid:
            step, first = np.array(grid.spacing, float), np.array(grid.origin, float)
            low, high = first - step / 2, first + step * (np.array(grid.shape) - 0.5)
        else:
            points = source.mesh.points if source.mesh else result.positions
            points = points[np.isfinite(points).all(axis=1)]
            points = points if len(points) else np.zeros((1, 3))
            low, high = points.min(axis=0), points.max(axis=0)
            flat = np.array([low[0] == high[0] == 0, False, False])  # of images
            edge = np.where(flat, 0.5, max(0.5, 0.06 * float((high - low).max())))
            low, high = low - edge, high + edge
            step, first = np.ones(3), np.rint((low + high) / 2)
        if image is not None:
            low, high = np.full(3, -0.5), np.array(image) - 0.5
            step = np.where(np.array(result.shape) > 1, step, 1.0) if grid else step
        return cls(low.astype(float), high.astype(float), step.astype(float), first.astype(float))

    @property
    def views(self) -> list[tuple[int, int, int, int]]:
        """Number, axis across, down and to the right of each view: those that see more than a line."""
        wide, found = self.high - self.low > 1, []
        for across in range(3):
            down, right = (k for k in range(3) if k != across)
            if wide[down] and wide[right]:
                found.append((len(found) + 1, across, down, right))
        return found or [(1, 0, 1, 2)]

    def told(self) -> dict:
        """As the page has it."""
        return {name: getattr(self, name) for name in ("low", "high", "step", "first", "views")}


def quantised(values: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Values as uint16, and those that 1 and the greatest number stand for; 0 where there is none."""
    known = np.isfinite(values)
    if not known.any():
        return np.zeros(values.shape, np.uint16), 0.0, 1.0
    low, high = float(values[known].min()), float(values[known].max())
    scale = (LEVELS - 1) / (high - low) if high > low else 0.0
    with np.errstate(invalid="ignore"):
        found = np.where(known, np.rint((values.astype(float) - low) * scale) + 1, 0)
    return found.astype(np.uint16), low, high


def plane_of_grid(
    result: ResultFile, quantity: Quantity | None, across: int, place: float
) -> tuple[dict, dict[str, np.ndarray]]:
    """The nodes of the plane that is nearest, none where that is further off than half a spacing.

    Parameters
    ----------
    result : on a grid
    quantity : None: statuses alone
    across : axis
    place : along it, voxels

    Returns
    -------
    facts : where the nodes are, and what the numbers of `values` stand for
    planes : `values` uint16 and `status` int8, by name
    """
    grid = result.grid
    number = int(np.floor((place - grid.origin[across]) / grid.spacing[across] + 0.5))
    if not 0 <= number < grid.shape[across]:
        return {"kind": "none"}, {}
    down, right = (k for k in range(3) if k != across)
    every = max(1, -(-max(grid.shape[down], grid.shape[right]) // EDGE))
    part = tuple(number if k == across else slice(None, None, every) for k in range(3))
    planes, facts = {}, {
        "kind": "raster",
        "first": [grid.origin[down], grid.origin[right]],
        "step": [every * grid.spacing[down], every * grid.spacing[right]],
        "place": grid.origin[across] + number * grid.spacing[across],
    }  # fmt: skip
    found = result.statuses(part)
    if found is not None:
        planes["status"] = found.astype(np.int8)
    if quantity is not None:
        planes["values"], facts["low"], facts["high"] = quantised(quantity.of(result, part))
    facts["shape"] = [len(range(0, grid.shape[k], every)) for k in (down, right)]
    return facts, planes


def cut_mesh(mesh: Mesh, across: int, place: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """A mesh cut by a plane across an axis, in triangles.

    Parameters
    ----------
    mesh : of tetrahedra; of triangles these, whatever the plane is
    across : axis
    place : along it, voxels

    Returns
    -------
    owners : (m,) the cell of each triangle
    ends : (m, 3, 2) points between which each corner lies
    shares : (m, 3) of the second of these
    corners : (m, 3, 2) places in the plane, down and right, voxels
    """
    down, right = (k for k in range(3) if k != across)
    if mesh.cells.shape[1] == 3:
        ends = np.repeat(mesh.cells[:, :, None], 2, axis=2)
        shares = np.zeros(mesh.cells.shape)
        return np.arange(len(mesh.cells)), ends, shares, mesh.points[mesh.cells][:, :, [down, right]]
    height = mesh.points[:, across] - (place + 1e-7)  # not on a node: a corner is above or below
    above = (height[mesh.cells] > 0).sum(axis=1)
    owners, ends = [], []
    for count, patterns in _PATTERNS.items():
        hit = np.flatnonzero(above == count)
        some = mesh.cells[hit]
        some = np.take_along_axis(some, np.argsort(height[some], axis=1, kind="stable"), axis=1)
        for pattern in patterns:
            owners.append(hit)
            ends.append(some[:, pattern])
    owner, end = np.concatenate(owners), np.concatenate(ends)
    low, high = height[end[..., 0]], height[end[..., 1]]
    shares = low / (low - high)
    places = mesh.points[:, [down, right]]
    corners = places[end[..., 0]] + shares[..., None] * (places[end[..., 1]] - places[end[..., 0]])
    return owner, end, shares, corners


#: By the number of corners above a plane, of corners in the order of their height: edges whose cuts make triangles.
_PATTERNS = {
    1: (np.array([[0, 3], [1, 3], [2, 3]]),),
    3: (np.array([[0, 1], [0, 2], [0, 3]]),),
    2: (np.array([[0, 2], [0, 3], [1, 3]]), np.array([[0, 2], [1, 3], [1, 2]])),
}


def plane_of_mesh(
    mesh: Mesh, values: np.ndarray | None, of_cells: bool, statuses: np.ndarray | None, across: int, place: float
) -> tuple[dict, dict[str, np.ndarray]]:
    """The cut of a mesh, as triangles with a value at each corner.

    Parameters
    ----------
    mesh : the mesh
    values : (n,) of its points or cells, NaN where there is none; None: statuses alone
    of_cells : whose they are
    statuses : (n,) of the rows
    across, place : the plane

    Returns
    -------
    facts : of the plane
    planes : `corners` float32 (m, 9), down, right and value of each; `owner` int32 (m, 1), the row that is nearest;
        `status` int8 (m, 1), the worst of the rows
    """
    owner, ends, shares, corners = cut_mesh(mesh, across, place)
    found = np.full((len(owner), 3, 3), np.nan, np.float32)
    found[..., :2] = corners
    if values is not None and of_cells:
        found[..., 2] = values[owner][:, None]
    elif values is not None:
        first, second = values[ends[..., 0]], values[ends[..., 1]]
        found[..., 2] = np.where(shares == 0, first, first + shares * (second - first))
    near = np.where(shares < 0.5, ends[..., 0], ends[..., 1])[:, :1]
    planes = {"corners": found.reshape(-1, 9), "owner": (owner[:, None] if mesh.of_cells else near).astype(np.int32)}
    if statuses is not None:
        rows = statuses[owner] if mesh.of_cells else statuses[mesh.cells[owner]].min(axis=1)
        planes["status"] = rows.astype(np.int8)[:, None]
    return {"kind": "cut", "place": place}, planes


def points_near(positions: np.ndarray, across: int, place: float) -> tuple[dict, dict[str, np.ndarray]]:
    """Points of a cloud near a plane, the nearest last.

    Returns
    -------
    facts : of the plane, and how far it reaches
    planes : `places` float32 (m, 2), down and right; `owner` int32 (m, 1), their rows
    """
    down, right = (k for k in range(3) if k != across)
    rows = np.flatnonzero(np.isfinite(positions).all(axis=1))
    away = np.abs(positions[rows, across] - place)
    wide = np.array([np.ptp(positions[rows, k]) if len(rows) else 0.0 for k in range(3)])
    count = int((wide > 0).sum())
    apart = (np.prod(wide[wide > 0]) / max(len(rows), 1)) ** (1 / max(count, 1)) if count else 1.0
    near = np.flatnonzero(away <= max(0.75 * apart, 0.5))
    near = near[np.argsort(-away[near], kind="stable")][-CROWD:]
    rows = rows[near]
    places = positions[rows][:, [down, right]].astype(np.float32)
    facts = {"kind": "points", "place": place, "size": float(0.35 * apart)}
    return facts, {"places": places, "owner": rows.astype(np.int32)[:, None]}
