"""Finer tetrahedra where they are wanted: edges are halved, the longest of each tetrahedron first.

Rivara (1997), New longest-edge algorithms for the refinement and/or improvement of unstructured triangulations,
International Journal for Numerical Methods in Engineering 40, 3313-3324.
"""

from collections.abc import Callable

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem.mesh import MOST_NODES
from hpcdvc.fem.quality import EDGES, OF_FACE, edges_of, outside, with_volume

#: An edge is halved that is longer than so many times the length that is wanted: halves are then as much too short.
TOO_LONG = np.sqrt(2)
#: Part of its volume that a tetrahedron keeps at least where a new node is moved.
KEPT = 0.3

Size = Callable[[np.ndarray], np.ndarray]
Place = Callable[[np.ndarray], np.ndarray]


def refine(
    points: np.ndarray, connectivity: np.ndarray, size: Size, place: Place | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Halve edges until all have about the length that is wanted at their middles, and what must be halved with them.

    Parameters
    ----------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) int64 array, tetrahedra with positive volume
    size : from (m, 3) places to the (m,) lengths that edges should have there, voxels
    place : where nodes that halve edges of the surface are put, from the (m, 2, 3) ends of the edges to (m, 3); in the
        middle, where this is None or a tetrahedron would become flat

    Returns
    -------
    points, connectivity : the same with more nodes, behind those that were there

    Raises
    ------
    UserError
        There would be too many nodes.
    """
    while True:
        edges, of_cell = edges_of(connectivity)
        lengths = np.linalg.norm(points[edges[:, 0]] - points[edges[:, 1]], axis=1)
        wanted = lengths > TOO_LONG * size(points[edges].mean(axis=1))
        longest = _longest(lengths, of_cell)
        halved = _to_halve(wanted, longest, of_cell)
        if not halved.any():
            return points, connectivity
        if len(points) + halved.sum() > MOST_NODES:
            raise UserError(f"the sizes that are wanted make more than {MOST_NODES} nodes: larger ones are needed")
        ends = points[edges[halved]]
        places = ends.mean(axis=1)
        points, first = np.concatenate([points, places]), len(points)
        number = first + np.cumsum(halved) - 1
        ways = np.array(EDGES)[np.argmax(of_cell == longest[:, None], axis=1)]
        surface = _at_surface(connectivity, of_cell, halved) if place else None
        connectivity = _halves(connectivity, ways, halved[longest], number[longest])
        if place:
            places[surface] = place(ends[surface])
            moved = np.concatenate([points[:first], places])
            points = with_volume(points, moved, connectivity, KEPT)


def _longest(lengths: np.ndarray, of_cell: np.ndarray) -> np.ndarray:
    """(k,) the longest edge of each tetrahedron; of those that are as long but for rounding, one that all agree on."""
    order = np.lexsort((np.arange(len(lengths)), np.round(lengths / lengths.max(), 9)))
    rank = np.empty(len(lengths), np.int64)
    rank[order] = np.arange(len(lengths))
    return np.take_along_axis(of_cell, np.argmax(rank[of_cell], axis=1)[:, None], axis=1)[:, 0]


def _to_halve(wanted: np.ndarray, longest: np.ndarray, of_cell: np.ndarray) -> np.ndarray:
    """Which edges are halved now: the longest of all tetrahedra around them, on the way from those that are wanted."""
    marked = np.zeros(len(wanted), bool)
    marked[longest[wanted[of_cell].any(axis=1)]] = True
    count = 0
    while count < (count := int(marked.sum())):
        marked[longest[marked[of_cell].any(axis=1)]] = True
    others = of_cell[of_cell != longest[:, None]]
    marked[others] = False
    return marked


def _halves(cells: np.ndarray, corners: np.ndarray, split: np.ndarray, number: np.ndarray) -> np.ndarray:
    """Tetrahedra, two in the place of each that is split at the edge between its `corners` by the node `number`."""
    rows = np.repeat(np.arange(len(cells)), 1 + split)
    second = np.zeros(len(rows), bool)
    second[1:] = rows[1:] == rows[:-1]
    result = cells[rows]
    changed = np.flatnonzero(split[rows])
    at = np.where(second[changed], corners[rows[changed], 1], corners[rows[changed], 0])
    result[changed, at] = number[rows[changed]]
    return result


def _at_surface(connectivity: np.ndarray, of_cell: np.ndarray, halved: np.ndarray) -> np.ndarray:
    """Which of the edges that are halved are edges of a face that belongs to one tetrahedron alone."""
    surface = np.zeros(len(halved), bool)
    cells, faces = np.nonzero(outside(connectivity))
    surface[of_cell[cells[:, None], OF_FACE[faces]]] = True
    return surface[halved]
