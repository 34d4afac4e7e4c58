"""The sums over a whole image in plain numpy, float64: the slow twin that hpcdvc.registration.pair is compared with.

im2 is interpolated trilinearly, gradients are central differences. Made to be read, not to be fast.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

#: A voxel and its direct neighbours.
CROSS = ndimage.generate_binary_structure(3, 1)


@dataclass(frozen=True)
class Voxels:
    """All voxels of im1, (nz, ny, nx): a, b = im1, warped im2; g (3, ...) gradient; x (3, ...) about the centre."""

    a: np.ndarray
    b: np.ndarray
    squares: np.ndarray  # of im2, interpolated
    g: np.ndarray
    x: np.ndarray
    ok: np.ndarray

    def sums(self, chosen: np.ndarray) -> dict[str, np.ndarray]:
        """By the names of hpcdvc.registration.pair, over the chosen voxels that count."""
        ok = self.ok & chosen
        a, b, g = self.a[ok], self.b[ok], self.g[:, ok]
        x = np.concatenate([self.x[:, ok], np.ones((1, ok.sum()))])
        gx = (g[:, None] * x).reshape(12, -1)
        return {
            "n": ok.sum(),
            "a": a.sum(),
            "aa": a @ a,
            "g": gx.sum(axis=1),
            "ag": gx @ a,
            "M": gx @ gx.T,
            "b": b.sum(),
            "bb": b @ b,
            "ab": a @ b,
            "bg": gx @ b,
        }

    def residual(self, chosen: np.ndarray, gain: float, shift: float) -> float:
        """Sum of squares of a - gain b - shift."""
        ok = self.ok & chosen
        return ((self.a[ok] - gain * self.b[ok] - shift) ** 2).sum()

    def contrast(self, chosen: np.ndarray) -> dict[str, float]:
        """What is measured on some planes, over the chosen voxels that count."""
        ok = self.ok & chosen
        sums = {"n": ok.sum(), "b": self.b[ok].sum(), "bb": (self.b[ok] ** 2).sum()}
        sums = {f"contrast_{name}": value for name, value in sums.items()}
        return {**sums, "interpolated_bb": self.squares[ok].sum()}


def central_differences(image: np.ndarray) -> np.ndarray:
    """(3, ...); past its ends the image goes on as f(-i) = 2 f(0) - f(i); 0 along an axis of one voxel."""
    result = np.zeros((3, *image.shape))
    for axis, n in enumerate(image.shape):
        if n > 1:
            wide = np.pad(image, [(int(k == axis),) * 2 for k in range(3)], mode="reflect", reflect_type="odd")
            result[axis] = (np.take(wide, np.arange(2, n + 2), axis) - np.take(wide, np.arange(n), axis)) / 2
    return result


def good_cells(im2: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Whether the cell of voxels about each point `at` (3, ...) is free of NaN and of direct neighbours of NaN."""
    good = np.pad(np.isfinite(im2), 2, constant_values=True)
    good = ~ndimage.binary_dilation(~good, CROSS)
    cell, result = np.floor(at).astype(int) + 2, np.ones(at.shape[1:], bool)
    for corner in np.ndindex((1 if im2.shape[0] == 1 else 2, 2, 2)):
        where = [np.clip(c + k, 0, n - 1) for c, k, n in zip(cell, corner, good.shape, strict=True)]
        result &= good[tuple(where)]
    return result


def voxels(
    im1: np.ndarray,
    im2: np.ndarray,
    phi: np.ndarray,
    centre: np.ndarray,
    greys: tuple[float, float, float],
    mask1: np.ndarray | None = None,
    update_gradient: bool = False,
) -> Voxels:
    """What the sums are made of.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays
    phi : (3, 4) array about centre
    greys : offset of im1, offset of im2, scale
    mask1 : 0 where a voxel of im1 does not count
    update_gradient : gradient of the warped im2
    """
    offset1, offset2, scale = greys
    a, two = ((np.where(np.isfinite(im), im, o) - o) * scale for im, o in ((im1, offset1), (im2, offset2)))
    bad1 = ~np.isfinite(im1) | (False if mask1 is None else mask1 == 0)
    ok = ~ndimage.binary_dilation(bad1, CROSS)
    x = np.indices(im1.shape) - np.reshape(centre, (3, 1, 1, 1))
    at = np.einsum("ij,jzyx->izyx", phi[:, :3], x) + np.reshape(centre + phi[:, 3], (3, 1, 1, 1))
    thick = int(im1.shape[0] > 1)
    last = np.reshape(im2.shape, (3, 1, 1, 1)) - 1
    ok &= ((at >= -1e-6) & (at <= last + 1e-6))[1 - thick :].all(axis=0) & good_cells(im2, at)
    b, squares = (ndimage.map_coordinates(im, at, order=1, mode="nearest") * ok for im in (two, two**2))
    g = central_differences(a)
    if update_gradient:
        g = central_differences(b)
        wide = np.pad(ok, 1)
        for axis in range(3):
            n = im1.shape[axis]
            along = [slice(1, -1)] * 3
            for first in (0, 2):
                along[axis] = slice(first, first + n)
                g[axis] *= wide[tuple(along)]
    return Voxels(a, b, squares, g, x, ok)
