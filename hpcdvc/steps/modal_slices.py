"""Slices through the middle of two images of different modalities, before and after registration, for pictures."""

import numpy as np

#: Most points of a slice along an axis: what a picture shows.
MOST = 600


def middle_slices(im1: np.ndarray, im2: np.ndarray, phi: np.ndarray, centre: np.ndarray) -> dict[str, np.ndarray]:
    """Slices of both images (one rank), along each axis; of an image in two dimensions the image.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays
    phi : (4, 4) array, maps im1 to im2 about `centre`
    centre : ZYX, voxels

    Returns
    -------
    (3, rows, columns) float32 arrays by axis: im1, im2 as it is, and im2 brought back by Phi; NaN outside
    """
    found = {}
    for axis, name in enumerate("zyx"):
        if im1.shape[0] > 1 or name == "z":
            points = _points(im1.shape, axis)
            offset = points - np.reshape(centre, (3, 1, 1))
            moved = np.einsum("ij,jkl->ikl", phi[:3, :3], offset) + np.reshape(centre + phi[:3, 3], (3, 1, 1))
            found[name] = np.stack([_values(im1, points), _values(im2, points), _values(im2, moved)])
    return found


def _points(shape: tuple[int, int, int], axis: int) -> np.ndarray:
    """(3, rows, columns) voxels in the middle along an axis, thinned out where they are many."""
    along = [np.arange(0, n, -(-n // MOST), dtype=float) for n in shape]
    along[axis] = np.array([(shape[axis] - 1) // 2], float)
    return np.stack(np.meshgrid(*along, indexing="ij")).squeeze(axis + 1)


def _values(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Trilinear; only what is needed of a mapped image is read."""
    from scipy.ndimage import map_coordinates

    return map_coordinates(image, points, np.float32, order=1, cval=np.nan)
