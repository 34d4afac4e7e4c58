"""Surfaces of a mesh: which nodes and faces they have, and how tractions on them vary."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from hpcdvc.errors import UserError
from hpcdvc.fem.pattern import at_nodes
from hpcdvc.fem.quality import FACES, outside

#: Names of surfaces: ends of an axis, and the lateral surface of a cylinder along it.
SURFACES = tuple(f"{axis}_{side}" for axis in "zyx" for side in ("start", "end", "lateral"))
#: A node lies on a surface up to this part of the largest coordinate: what single precision leaves of it.
ON_SURFACE = 1e-6
#: Nodes around a cylinder at least; the corners of a square prism lie on a circle, too.
AROUND = 6
#: Cosine of the angle between neighbouring faces from which there is an edge between them, not a curved surface.
SMOOTH = np.cos(np.radians(50))


def surface_labels(
    points: np.ndarray, surfaces: Sequence[str] = (), connectivity: np.ndarray | None = None
) -> np.ndarray:
    """Number of the surface that each node lies on.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    surfaces : `z_start` and `z_end` are the planes of the smallest and the largest z, `z_lateral` the lateral surface
        of a cylinder along z; likewise for y and x
    connectivity : (k, 4) int64 array; with it, surfaces that only nodes lie on, and no face, are refused

    Returns
    -------
    (n,) int64 array, 1 for the first of them, and so on; 0 on none of them. A node on several belongs to the first

    Raises
    ------
    UserError
        An unknown or repeated name, a surface that the mesh does not have, or one without a node or a face of its own.
    """
    points, labels = np.asarray(points, float), np.zeros(len(points), np.int64)
    if len(set(surfaces)) < len(surfaces):
        raise UserError(f"a surface is named twice: {', '.join(surfaces)}")
    for label, name in reversed(list(enumerate(surfaces, 1))):
        labels[_on_surface(points, name)] = label
    for label, name in enumerate(surfaces, 1):
        if not (labels == label).any():
            raise UserError(f"all nodes of {name} lie on surfaces that are named before it")
    if connectivity is not None and len(surfaces):
        _check_faces(labels, surfaces, face_labels(outer_faces(points, connectivity), labels))
    return labels


def _check_faces(labels: np.ndarray, surfaces: Sequence[str], of_face: np.ndarray) -> None:
    for label, name in enumerate(surfaces, 1):
        if not (of_face == label).any():
            there = (labels == label).sum()
            raise UserError(f"{name} is not found: {there} of the nodes of the mesh lie there, but none of its faces")


def _on_surface(points: np.ndarray, name: str) -> np.ndarray:
    """(n,) which nodes lie on a surface."""
    if name not in SURFACES:
        raise UserError(f"{name} is no surface: there are {', '.join(SURFACES)}")
    axis, side = "zyx".index(name[0]), name[2:]
    tolerance = ON_SURFACE * np.abs(points).max()
    if side != "lateral":
        along = points[:, axis]
        return np.abs(along - (along.min() if side == "start" else along.max())) <= tolerance
    distance, radius = _around_cylinder(np.delete(points, axis, axis=1), tolerance, name)
    return np.abs(distance - radius) <= tolerance


def _around_cylinder(places: np.ndarray, tolerance: float, name: str) -> tuple[np.ndarray, float]:
    """(n,) distances of (n, 2) places from the axis of a cylinder, and its radius: the circle through their hull."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        hull = places[ConvexHull(places).vertices]
    except QhullError:
        hull = places[:0]
    middle = places.mean(axis=0)
    outer = hull - middle
    (y, x, c), *_ = np.linalg.lstsq(
        np.column_stack([2 * outer, np.ones(len(outer))]), (outer**2).sum(axis=1), rcond=None
    )
    radius = float(np.sqrt(c + y**2 + x**2))
    away = np.hypot(*(outer - (y, x)).T) - radius
    if len(hull) < AROUND or np.abs(away).max() > tolerance:
        raise UserError(f"{name} is not found: the mesh is no cylinder along {name[0]}")
    return np.hypot(*(places - middle - (y, x)).T), radius


@dataclass(frozen=True)
class Faces:
    """Faces at the outside of a mesh.

    Attributes
    ----------
    nodes : (m, 3) int64 array
    normals : (m, 3) float64 array, outward, of length 1, ZYX
    areas : (m,) float64 array, voxels^2
    """

    nodes: np.ndarray
    normals: np.ndarray
    areas: np.ndarray

    def of(self, chosen: np.ndarray) -> "Faces":
        """Those of a mask."""
        return Faces(self.nodes[chosen], self.normals[chosen], self.areas[chosen])

    def masses(self, count: int) -> np.ndarray:
        """(count,) area that each node stands for: a third of that of its faces."""
        return at_nodes(self.nodes, self.areas / 3, count)


def outer_faces(points: np.ndarray, connectivity: np.ndarray) -> Faces:
    """Faces that belong to one tetrahedron alone.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) int64 array
    """
    cells, corners = np.nonzero(outside(connectivity))
    nodes = connectivity[cells[:, None], np.array(FACES)[corners]]
    first, second, third = (points[nodes[:, c]] for c in range(3))
    normals = np.cross(second - first, third - first)
    inward = points[connectivity[cells, corners]] - first
    lengths = np.linalg.norm(normals, axis=1)
    normals *= (-np.sign(np.einsum("mi,mi->m", normals, inward)) / lengths)[:, None]
    return Faces(nodes, normals, lengths / 2)


def face_labels(faces: Faces, labels: np.ndarray) -> np.ndarray:
    """Surface of each outer face, although the nodes of an edge have the label of one surface alone.

    Faces that meet without an edge make up a smooth part. A face has the label of its nodes inside such a part. Where
    it has none, as in corners, it has the label of its part; where a part has none, as the sides of a thin plate, that
    of its nodes.

    Parameters
    ----------
    faces : (m,)
    labels : (n,) of the nodes

    Returns
    -------
    (m,) int64 array, 0 also where labels disagree
    """
    part = np.repeat(_smooth_parts(faces), 3)
    nodes, face = faces.nodes.ravel(), np.repeat(np.arange(len(faces.nodes)), 3)
    first, last = _extremes(part, nodes, len(labels))
    inner = (first == last)[nodes]
    of_face = _agreed(labels[nodes[inner]], face[inner], len(faces.nodes))
    of_part = _agreed(labels[nodes[inner]], part[inner], part.max() + 1)
    taken = np.unique(of_part)
    while True:  # parts of edges alone, by what their nodes have in common that no other part is
        open_ = (of_part[part] < 0) & ~np.isin(labels[nodes], taken[taken > 0])
        found = _agreed(labels[nodes[open_]], part[open_], len(of_part))
        new = found > 0
        if not new.any():
            return np.maximum(np.where(of_face < 0, of_part[part[::3]], of_face), 0)
        of_part[new] = found[new]
        taken = np.unique(of_part)


def _agreed(labels: np.ndarray, groups: np.ndarray, count: int) -> np.ndarray:
    """(count,) the only label in each group, 0 where there are several, -1 where there is none."""
    low, high = _extremes(labels, groups, count)
    return np.where((low == high) | (high < 0), high, 0)


def _extremes(values: np.ndarray, groups: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """(count,) smallest and largest value of each group; the largest is -1 where there is none."""
    low, high = np.full(count, np.iinfo(np.int64).max), np.full(count, -1)
    np.minimum.at(low, groups, values)
    np.maximum.at(high, groups, values)
    return low, high


def _smooth_parts(faces: Faces) -> np.ndarray:
    """(m,) number of the part of the surface, bounded by edges, that a face belongs to."""
    ends = np.sort(faces.nodes[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(faces.nodes)), 3)
    order = np.lexsort(ends.T)
    same = (ends[order[1:]] == ends[order[:-1]]).all(axis=1)
    one, other = owner[order[:-1][same]], owner[order[1:][same]]
    smooth = np.einsum("ei,ei->e", faces.normals[one], faces.normals[other]) > SMOOTH
    pairs = sparse.coo_matrix((np.ones(smooth.sum()), (one[smooth], other[smooth])), (len(faces.nodes),) * 2)
    return connected_components(pairs, directed=False)[1]
