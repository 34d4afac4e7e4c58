"""Tetrahedra (triangles in two dimensions) between scattered nodes, and which of them to keep."""

import numpy as np

from hpcdvc.errors import UserError

#: Part of the cube of its longest edge that the volume of a tetrahedron must be above: what rounding alone makes of
#: nodes in one plane is not a tetrahedron.
FLAT = 1e-10
#: The automatic alpha, in units of the smallest that no node can do without: spheres of twice that radius. With 1 the
#: nodes of a measured grid, which are never quite regular, would be full of holes.
AUTOMATIC = 4.0


def triangulate(points: np.ndarray, alpha: float = 0.0) -> np.ndarray:
    """Delaunay triangulation, cleaned of the large simplices that bridge gaps and concave parts of the outline.

    Parameters
    ----------
    points : (n, 3) ZYX or (n, 2) YX positions, voxels
    alpha : largest square of a circumradius to keep, voxels squared (the alpha of CGAL's alpha shapes);
        0 keeps all, negative stands for `automatic_alpha`

    Returns
    -------
    (k, 4) or (k, 3) int64 array of point numbers

    Raises
    ------
    UserError
        Too few points, all points in one plane (or on one line), or nothing left at this alpha.
    """
    from scipy.spatial import Delaunay, QhullError  # slow to load, and only one rank triangulates

    dimensions = points.shape[1]
    shape = "tetrahedron" if dimensions == 3 else "triangle"
    if len(points) <= dimensions:
        raise UserError(f"a {shape} needs {dimensions + 1} nodes: there are only {len(points)} to triangulate")
    try:
        simplices = Delaunay(points).simplices.astype(np.int64)
    except QhullError:
        simplices = np.empty((0, dimensions + 1), np.int64)
    radii = squared_circumradii(points, simplices)
    simplices, radii = simplices[np.isfinite(radii)], radii[np.isfinite(radii)]
    if not len(simplices):
        place = "in one plane" if dimensions == 3 else "on one line"
        raise UserError(f"the {len(points)} nodes lie {place}: there is nothing to triangulate")
    if alpha == 0:
        return simplices
    limit = alpha if alpha > 0 else automatic_alpha(radii, simplices)
    kept = simplices[radii <= limit]
    if not len(kept):
        raise UserError(
            f"alpha {alpha:g} removes all {len(simplices)} of the triangulation: it is the square of a circumradius, "
            f"and the smallest here is {radii.min():.4g}"
        )
    return kept


def triangulated(points: np.ndarray, alpha: float, path: str) -> np.ndarray:
    """The same for the points of a file, which the sentence of a UserError names."""
    try:
        return triangulate(points, alpha)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def squared_circumradii(points: np.ndarray, simplices: np.ndarray) -> np.ndarray:
    """Square of the radius of the sphere (circle) through the corners of each simplex; inf for a flat one.

    The centre c is equally far from all corners: 2 (x_i - x_0) . c = |x_i - x_0|^2, with c and x about corner 0.

    Parameters
    ----------
    points : (n, d) positions
    simplices : (k, d + 1) point numbers

    Returns
    -------
    (k,) array
    """
    edges = points[simplices[:, 1:]] - points[simplices[:, :1]]
    lengths = np.einsum("kij,kij->ki", edges, edges)
    volume = np.abs(np.linalg.det(edges))
    solid = volume > FLAT * lengths.max(axis=1, initial=0) ** (points.shape[1] / 2)
    radii = np.full(len(simplices), np.inf)
    centres = np.linalg.solve(2 * edges[solid], lengths[solid][..., None])[..., 0]
    radii[solid] = np.einsum("ki,ki->k", centres, centres)
    return radii


def automatic_alpha(radii: np.ndarray, simplices: np.ndarray) -> float:
    """Alpha that keeps what lies between neighbours, gaps of one node included, and removes what bridges more.

    Every node needs the smallest of its simplices. The node that needs the largest alpha for that sets the scale; the
    result is `AUTOMATIC` times that alpha.

    Parameters
    ----------
    radii : (k,) squares of the circumradii
    simplices : (k, d + 1) point numbers; points that no simplex has do not count
    """
    needed = np.full(simplices.max() + 1, np.inf)
    np.minimum.at(needed, simplices.ravel(), np.repeat(radii, simplices.shape[1]))
    return AUTOMATIC * float(needed[np.unique(simplices)].max())
