"""Sums of products over windows at all displacements, by numpy or cupy: arrays (displacements y, x, rows, columns)."""

from types import ModuleType
from typing import Any

import numpy as np

from hpcdvc.stacks.models import Sums


def window_sums(image, taps: tuple, xp: ModuleType = np):
    """Weighted sums over windows: (..., h, w) from (..., h + 2 n, w + 2 m), row by row and column by column."""
    height, width = (size - len(t) + 1 for size, t in zip(image.shape[-2:], taps, strict=True))
    rows = xp.zeros((*image.shape[:-2], height, image.shape[-1]))
    for i, weight in enumerate(taps[0]):
        rows += float(weight) * image[..., i : i + height, :]
    sums = xp.zeros((*image.shape[:-2], height, width))
    for i, weight in enumerate(taps[1]):
        sums += float(weight) * rows[..., i : i + width]
    return sums


class Products:
    """Sums over windows of a pair of stacks.

    Parameters
    ----------
    a : (K, h + 2 n, w + 2 m) frames from which the windows come, 0 where a sample does not count
    b : (K, h + 2 n + sy - 1, w + 2 m + sx - 1) what they are compared with at (sy, sx) displacements
    ok_a, ok_b : bool arrays of the same shapes, False where a sample does not count
    taps : weights of a window along y and x
    size : (sy, sx)
    xp : numpy or cupy
    """

    def __init__(self, a: Any, b: Any, ok_a: Any, ok_b: Any, taps: tuple, size: tuple[int, int], xp: ModuleType):
        self.a, self.b, self.ok_a, self.ok_b = a, b, ok_a, ok_b
        self.taps, self.size, self.xp = taps, size, xp
        self.shape = (*size, *(n - len(t) + 1 for n, t in zip(a.shape[1:], taps, strict=True)))

    def _own(self, image):
        """Sums over the windows, which are the same at all displacements."""
        return self.xp.broadcast_to(window_sums(image, self.taps, self.xp), self.shape)

    def _other(self, image):
        """Sums over what the windows are compared with: a view of one map."""
        sums = window_sums(image, self.taps, self.xp)
        return self.xp.lib.stride_tricks.as_strided(sums, self.shape, 2 * sums.strides)

    def _both(self, f, g):
        """Sums of products, which are of the window and the displacement."""
        out = self.xp.empty(self.shape)
        height, width = f.shape[1:]
        for y in range(self.size[0]):
            for x in range(self.size[1]):
                product = self.xp.einsum("kij,kij->ij", f, g[:, y : y + height, x : x + width])
                out[y, x] = window_sums(product, self.taps, self.xp)
        return out

    def whole(self, weights) -> tuple[Sums, Any, Any]:
        """A pixel that does not count in one frame does not count in any; windows with such a pixel are not compared.

        Parameters
        ----------
        weights : (K, 1, 1) of the means

        Returns
        -------
        Sums, and whether all of a window and all of what it is compared with counts
        """
        a, b, box = self.a, self.b, tuple(np.ones(len(t)) for t in self.taps)
        mean = self.xp.broadcast_to((weights**2).sum() * self.xp.ones((1, 1)), self.shape)
        sums = Sums(
            self._own((a * a).sum(0)), mean, self._other((b * b).sum(0)),
            self._own((weights * a).sum(0)), self._both(a, b), self._other((weights * b).sum(0)),
        )  # fmt: skip
        counts = Products(self.ok_a, self.ok_b, self.ok_a, self.ok_b, box, self.size, self.xp)
        missing = (1.0 - self.ok_a.all(0), 1.0 - self.ok_b.all(0))
        return sums, counts._own(missing[0])[0, 0] < 0.5, counts._other(missing[1]) < 0.5

    def partial(self, weights, enough: float) -> tuple[Sums, Any, Any]:
        """A sample that does not count is left out of all sums in its frame; `enough` of a window must be there."""
        a, b, ok_a, ok_b = self.a, self.b, 1.0 * self.ok_a, 1.0 * self.ok_b
        sums = Sums(
            self._both(a * a, ok_b), self._both(weights**2 * ok_a, ok_b), self._both(ok_a, b * b),
            self._both(weights * a, ok_b), self._both(a, b), self._both(weights * ok_a, b),
        )  # fmt: skip
        least = enough * float((weights**2).sum())
        return sums, self._own((weights**2 * ok_a).sum(0))[0, 0] >= least, sums.mm >= least
