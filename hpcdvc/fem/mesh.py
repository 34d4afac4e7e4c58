"""Meshes of boxes and cylinders: cubes with a node in the middle of each, and tetrahedra of nearly one shape."""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem.quality import orient

#: Edge of a cube whose tetrahedra have edges of mean length 1: six of the length of the cube's edge and eight of half
#: its diagonal meet in a large mesh.
CUBE = 14 / (6 + 8 * np.sqrt(0.75))
#: Most nodes of a mesh that is made.
MOST_NODES = 2**27


def create_cuboid(
    lengths: tuple[float, float, float], lc: float, origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
) -> tuple[np.ndarray, np.ndarray]:
    """Mesh of a box.

    Parameters
    ----------
    lengths : edges of the box, ZYX, voxels
    lc : mean length of the edges of tetrahedra that is aimed at, voxels; what comes out divides the box evenly
    origin : its corner with the smallest coordinates, ZYX, voxels

    Returns
    -------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) int64 array, tetrahedra with positive volume, in the order of z

    Raises
    ------
    UserError
        A length is not positive and finite, or there would be too many nodes.
    """
    lengths, origin = _numbers(lengths, 3, "the lengths of a box"), _numbers(origin, 3, "the origin of a box")
    points, connectivity = lattice(cubes_of(lengths, lc))
    points = origin + lengths * points
    return points, orient(points, connectivity)


def create_cylinder(
    centre: tuple[float, float], radius: float, height: float, lc: float, z_origin: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Mesh of a cylinder along z, whose lateral nodes lie on the circle.

    Parameters
    ----------
    centre : of the circle, YX, voxels
    radius, height : voxels
    lc : mean length of the edges of tetrahedra that is aimed at, voxels; there are eight nodes around at least
    z_origin : z of the lower end, voxels

    Returns
    -------
    points : (n, 3) float64 array, ZYX, voxels
    connectivity : (k, 4) int64 array, tetrahedra with positive volume, in the order of z

    Raises
    ------
    UserError
        A length is not positive and finite, or there would be too many nodes.
    """
    centre = _numbers(centre, 2, "the centre of a cylinder")
    radius, height, z_origin = _numbers((radius, height, z_origin), 3, "radius, height and z of a cylinder")
    points, connectivity = lattice(cubes_of_cylinder(radius, height, lc))
    points[:, 0] = z_origin + height * points[:, 0]
    points[:, 1:] = centre + radius * _disc(2 * points[:, 1:] - 1)
    return points, orient(points, connectivity)


def _numbers(values: object, count: int, what: str) -> np.ndarray:
    values = np.asarray(values, float)
    if values.shape != (count,) or not np.isfinite(values).all():
        raise UserError(f"{what} must be {count} finite numbers, not {values.tolist()}")
    return values


def cubes_of(lengths: np.ndarray, lc: float) -> np.ndarray:
    """Cubes along each axis of a box, with two nodes and twelve tetrahedra each; UserError as in `create_cuboid`."""
    if not (lc > 0 and np.isfinite(lc)):
        raise UserError(f"the length of edges must be a positive number of voxels, not {lc:g}")
    if not (lengths > 0).all():
        raise UserError(f"a body needs positive lengths, not {' x '.join(f'{length:g}' for length in lengths)} voxels")
    count = np.maximum(np.round(lengths / (CUBE * lc)), 1)
    if not 2 * count.prod() < MOST_NODES:
        raise UserError(f"edges of {lc:g} voxels make {2 * count.prod():.3g} nodes: give a larger lc")
    return count.astype(int)


def cubes_of_cylinder(radius: float, height: float, lc: float) -> np.ndarray:
    """The same for a cylinder: those of a square with the area of the circle, at least two by two."""
    side = np.sqrt(np.pi) * radius
    return np.maximum(cubes_of(np.array([height, side, side]), lc), (1, 2, 2))


def lattice(count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in the unit cube, layer by layer, and tetrahedra: `count` cubes along each axis, each with its middle.

    Two neighbouring middles and an edge of the face between them are a tetrahedron; at the surface, a middle and half
    of a face. So none has all its nodes in the surface, and no direction is preferred.
    """
    nz, ny, nx = count
    corners, middles = (ny + 1) * (nx + 1), ny * nx
    layers = (corners + middles) * np.arange(nz + 1)[:, None, None]
    corner = layers + np.arange(corners).reshape(ny + 1, nx + 1)
    middle = layers[:-1] + corners + np.arange(middles).reshape(ny, nx)
    points = np.empty((corner[-1, -1, -1] + 1, 3))
    for numbers, shift in ((corner, 0.0), (middle, 0.5)):
        places = [(np.arange(n) + shift) / c for n, c in zip(numbers.shape, count, strict=True)]
        points[numbers] = np.stack(np.meshgrid(*places, indexing="ij"), axis=-1)
    cells = np.concatenate([_across(corner, middle, axis) for axis in range(3)])
    return points, cells[np.argsort(cells.min(axis=1), kind="stable")]


def _across(corner: np.ndarray, middle: np.ndarray, axis: int) -> np.ndarray:
    """(k, 4) tetrahedra at the faces normal to an axis."""
    corner, middle = np.moveaxis(corner, axis, 0), np.moveaxis(middle, axis, 0)
    around = [corner[:, :-1, :-1], corner[:, :-1, 1:], corner[:, 1:, 1:], corner[:, 1:, :-1]]
    inside = [np.stack([middle[:-1], middle[1:], around[k][1:-1], around[k - 1][1:-1]], axis=-1) for k in range(4)]
    inside = [cells.reshape(-1, 4) for cells in inside]
    return np.concatenate(
        [
            *inside,
            _half_faces(middle[0], [ring[0] for ring in around]),
            _half_faces(middle[-1], [ring[-1] for ring in around]),
        ]
    )


def _half_faces(middle: np.ndarray, around: list[np.ndarray]) -> np.ndarray:
    """(k, 4) tetrahedra at a side of the box, whose faces are halved along the diagonal that leads to its middle."""
    rows, columns = (2 * np.arange(n) + 1 - n for n in middle.shape)
    leads = np.multiply.outer(rows, columns) >= 0
    halves = [
        np.stack([middle, *(np.where(leads, around[k], around[k - 1]) for k in half)], axis=-1)
        for half in ((0, 1, 2), (0, 2, 3))
    ]
    return np.concatenate([cells.reshape(-1, 4) for cells in halves])


def _disc(square: np.ndarray) -> np.ndarray:
    """The square from -1 to 1, (n, 2), as the unit disc: squares around its middle become circles, areas stay alike.

    Shirley & Chiu (1997), A low distortion map between disk and square, Journal of Graphics Tools 2, 45-52.
    """
    radius = np.abs(square).max(axis=1)
    first = np.abs(square[:, 0]) >= np.abs(square[:, 1])
    near, far = np.where(first, square[:, 0], square[:, 1]), np.where(first, square[:, 1], square[:, 0])
    angle = np.pi / 4 * np.divide(far, near, out=np.zeros_like(near), where=radius > 0)
    along, across = near * np.cos(angle), near * np.sin(angle)
    return np.stack([np.where(first, along, across), np.where(first, across, along)], axis=1)
