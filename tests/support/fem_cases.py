"""Small meshes of tetrahedra and image pairs for tests of global correlation."""

from functools import cache

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.spatial import Delaunay

#: Of images: more than one brick along each axis.
SHAPE = (37, 41, 72)
#: Corners of the six tetrahedra of a cube, by the order in which its axes are gone along.
PATHS = [[0, a, a + b, 7] for a, b in ((1, 2), (2, 1), (1, 4), (4, 1), (2, 4), (4, 2))]


def box_of_tetrahedra(count: tuple[int, int, int], edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and connectivity (k, 4) of a box of count (ZYX) cubes of six tetrahedra, its first corner at 0."""
    size = np.array(count) + 1
    grid = np.argwhere(np.ones(size))
    strides = np.array([size[1] * size[2], size[2], 1])
    corners = np.array([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)]) @ strides
    first = grid[(grid < count).all(axis=1)] @ strides
    return grid * edge, (first[:, None, None] + corners[PATHS]).reshape(-1, 4)


@cache
def loose_mesh(shape: tuple[int, int, int], count: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Points and connectivity of tetrahedra of all forms, flat ones among them, that reach out of an image of a shape.

    Half of the nodes lie on voxel centres.
    """
    points = np.random.default_rng(1).uniform(0, 1, (count, 3)) * (np.array(shape) + 4) - 6
    points[::2] = np.rint(points[::2])
    return points, Delaunay(points).simplices.astype(np.int64)


@cache
def smooth_pair(shape: tuple[int, int, int], kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Two unrelated textures of a type of grey values."""
    rng = np.random.default_rng(2)
    scale = {"u1": 300, "i2": 6000, "u2": 20_000, "i4": 1e7, "f4": 1, "f8": 1}[kind]
    middle = {"u1": 120, "u2": 30_000, "f4": 2}.get(kind, 0)
    images = [gaussian_filter(rng.normal(size=shape), 1.2) * scale + middle for _ in range(2)]
    if kind[0] != "f":
        images = [np.rint(image).clip(np.iinfo(kind).min, np.iinfo(kind).max) for image in images]
    return tuple(image.astype(kind) for image in images)


def same(one, other, which=slice(None)) -> None:
    """Assert that two Sums are the same bits; `which` picks elements of the first."""
    for name, values in vars(one).items():
        np.testing.assert_array_equal(values[which], getattr(other, name), err_msg=name)


def holed(im1: np.ndarray, im2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies of a pair of SHAPE with voxels that are not finite."""
    im1, im2 = im1.copy(), im2.copy()
    im1[3:7, 4, 5:30], im1[20, 20, 33], im1[5, 30] = np.nan, np.inf, np.nan
    im2[10:13, 10:12, 10:40], im2[30, 3, 3] = np.nan, -np.inf
    im1[36, 40, 71] = np.nan
    return im1, im2
