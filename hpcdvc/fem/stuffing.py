"""A lattice of tetrahedra, cut where a function is zero: a mesh of what lies inside, without flat tetrahedra.

Nodes close to the surface are moved onto it, and what then still crosses it is cut: Labelle & Shewchuk (2007),
Isosurface stuffing: fast tetrahedral meshes with good dihedral angles, ACM Transactions on Graphics 26, 57.
"""

from collections.abc import Callable

import numpy as np

from hpcdvc.fem.quality import EDGES, edges_of, with_volume

#: Part of an edge within which a node is moved to the place where the edge crosses the surface: edges that are longer
#: than LONG times the longest of a tetrahedron (in a lattice of cubes with their middles, those of cubes), and others.
NEAR_LONG, NEAR_SHORT, LONG = 0.24999, 0.41189, 0.95
#: Part of its volume that a tetrahedron keeps at least where nodes are moved: it matters where sizes change, and cubes
#: are halved. Nodes that cannot be moved are this part of an edge away from where it is cut, at least.
KEPT, LEAST = 0.15, 0.2
#: Times that the place where an edge crosses the surface is halved: to a part in 64 of the edge.
HALVINGS = 6

Function = Callable[[np.ndarray], np.ndarray]


def stuff(points: np.ndarray, cells: np.ndarray, inside: Function) -> tuple[np.ndarray, np.ndarray]:
    """Tetrahedra of what lies inside.

    Parameters
    ----------
    points : (n, 3) nodes of a lattice, voxels; those at its border lie outside
    cells : (k, 4) its tetrahedra
    inside : from (m, 3) places to (m,) values, positive inside

    Returns
    -------
    points : (p, 3) nodes of the lattice, some of them moved, and new ones on the surface; not all are used
    cells : (q, 4) tetrahedra, in either orientation
    """
    values = inside(points)
    cells = cells[(values[cells] > 0).any(axis=1)]
    points, values = _moved(points, values, cells, inside)
    cells = cells[(values[cells] > 0).any(axis=1)]
    # by the value: a quadrilateral is halved from its deeper corner, which every tetrahedron there finds alike
    cells = np.take_along_axis(cells, np.lexsort((cells, -values[cells]), axis=1), axis=1)
    crossing = _crossing(values, cells)
    within, beyond = points[crossing[:, 0]], points[crossing[:, 1]]
    least = LEAST * (beyond - within)
    cuts = crossings(within + least, beyond - least, inside)
    numbers = len(points) + np.arange(len(crossing))
    return np.concatenate([points, cuts]), _clipped(cells, np.sign(values[cells]), len(points), crossing, numbers)


def _crossing(values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """(m, 2) edges from inside to outside, ordered."""
    pairs = cells[:, EDGES].reshape(-1, 2)
    pairs = pairs[(values[pairs] > 0).any(axis=1) & (values[pairs] < 0).any(axis=1)]
    pairs = np.where((values[pairs[:, :1]] > 0), pairs, pairs[:, ::-1])
    return np.unique(pairs, axis=0)


def crossings(within: np.ndarray, beyond: np.ndarray, inside: Function) -> np.ndarray:
    """(m, 3) places where the ways from (m, 3) places inside to those outside cross the surface."""
    for _ in range(HALVINGS):
        middle = (within + beyond) / 2
        deep = (inside(middle) > 0)[:, None]
        within, beyond = np.where(deep, middle, within), np.where(deep, beyond, middle)
    return (within + beyond) / 2


def _moved(
    points: np.ndarray, values: np.ndarray, cells: np.ndarray, inside: Function
) -> tuple[np.ndarray, np.ndarray]:
    """Nodes near the surface on it, with the value 0: each at the nearest place where one of its edges crosses."""
    edges, of_cell = edges_of(cells)
    lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
    reach = np.full(len(edges), NEAR_SHORT)
    reach[of_cell[lengths[of_cell] > LONG * lengths[of_cell].max(axis=1, keepdims=True)]] = NEAR_LONG
    crosses = values[edges].prod(axis=1) < 0
    ends = np.where(values[edges[crosses, :1]] > 0, edges[crosses], edges[crosses, ::-1])
    cuts = crossings(points[ends[:, 0]], points[ends[:, 1]], inside)
    distances = np.linalg.norm(points[ends] - cuts[:, None], axis=2) / lengths[crosses, None]
    cut, end = np.nonzero(distances < reach[crosses, None])
    nearest_last = np.lexsort((ends[cut, end], distances[cut, end]))[::-1]
    cut, end = cut[nearest_last], end[nearest_last]
    moved = points.copy()
    moved[ends[cut, end]] = cuts[cut]
    kept = with_volume(points, moved, cells, KEPT)
    return kept, np.where((kept != points).any(axis=1), 0.0, values)


def _clipped(cells: np.ndarray, signs: np.ndarray, nodes: int, crossing: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """(q, 4) tetrahedra of the parts inside. The corners of each cell are ordered: inside, on the surface, outside."""
    keys = crossing[:, 0] * nodes + crossing[:, 1]

    def cut(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return numbers[np.searchsorted(keys, a * nodes + b)]

    def of(inner: int, outer: int) -> np.ndarray:
        return cells[((signs > 0).sum(axis=1) == inner) & ((signs < 0).sum(axis=1) == outer)].T

    parts = [cells[(signs >= 0).all(axis=1)]]
    for outer in (1, 2, 3):
        p, *others = of(1, outer)
        corners = [other if k < 3 - outer else cut(p, other) for k, other in enumerate(others)]
        parts.append(np.stack([p, *corners], axis=1))
    p, q, zero, m = of(2, 1)
    parts += [np.stack([p, q, cut(q, m), zero], axis=1), np.stack([p, cut(q, m), cut(p, m), zero], axis=1)]
    p, q, m, n = of(2, 2)
    parts += _prism((p, cut(p, m), cut(p, n)), (q, cut(q, m), cut(q, n)))
    p, q, r, m = of(3, 1)
    parts += _prism((p, q, r), (cut(p, m), cut(q, m), cut(r, m)))
    return np.concatenate(parts)


def _prism(a: tuple[np.ndarray, ...], b: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Three tetrahedra of each prism between two triangles; diagonals lead from the earlier corners of `a`."""
    corners = ((a[0], b[0], b[1], b[2]), (a[0], a[1], b[1], b[2]), (a[0], a[1], a[2], b[2]))
    return [np.stack(four, axis=1) for four in corners]
