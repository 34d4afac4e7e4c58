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

    def _complete(self) -> tuple[Any, Any]:
        """Whether all pixels of a window, and of what it is compared with, count in all frames."""
        box = tuple(np.ones(len(t)) for t in self.taps)
        counts = Products(self.ok_a, self.ok_b, self.ok_a, self.ok_b, box, self.size, self.xp)
        own, other = counts._own(1.0 - self.ok_a.all(0)), counts._other(1.0 - self.ok_b.all(0))
        return own[0, 0] < 0.5, other < 0.5

    def whole(self, weights) -> tuple[Sums, Any, Any]:
        """A pixel that does not count in one frame does not count in any; windows with such a pixel are not compared.

        Parameters
        ----------
        weights : (K, 1, 1) of the means

        Returns
        -------
        Sums, and whether all of a window and all of what it is compared with counts
        """
        a, b = self.a, self.b
        mean = self.xp.broadcast_to((weights**2).sum() * self.xp.ones((1, 1)), self.shape)
        sums = Sums(
            self._own((a * a).sum(0)), mean, self._other((b * b).sum(0)),
            self._own((weights * a).sum(0)), self._both(a, b), self._other((weights * b).sum(0)),
        )  # fmt: skip
        return sums, *self._complete()

    def about_local_means(self) -> tuple[Sums, Any, Any]:
        """The same with the means of the windows of single frames of b in the place of those of the frames."""
        a, b = self.a, self.b
        means = [window_sums(stack, self.taps, self.xp) for stack in (a, b)]
        pixel = Products(*means, self.ok_a, self.ok_b, ((1.0,), (1.0,)), self.size, self.xp)
        level, square = pixel._own((means[0] ** 2).sum(0)), pixel._other((means[1] ** 2).sum(0))
        own, other = self._own((a * a).sum(0)), self._other((b * b).sum(0))
        sums = Sums(own, square, other, pixel._both(*means), self._both(a, b), square, level=level)
        return sums, *self._complete()

    def partial(self, weights, enough: float) -> tuple[Sums, Any, Any]:
        """A sample that does not count is left out of all sums in its frame; `enough` of a window must be there."""
        a, b, ok_a, ok_b = self.a, self.b, 1.0 * self.ok_a, 1.0 * self.ok_b
        sums = Sums(
            self._both(a * a, ok_b), self._both(weights**2 * ok_a, ok_b), self._both(ok_a, b * b),
            self._both(weights * a, ok_b), self._both(a, b), self._both(weights * ok_a, b), self._both(ok_a, ok_b),
        )  # fmt: skip
        box = tuple(np.full(len(t), 1 / len(t)) for t in self.taps)
        counts = Products(ok_a, ok_b, ok_a, ok_b, box, self.size, self.xp)
        least = enough * len(a)
        own, other = counts._own(ok_a.sum(0)), counts._other(ok_b.sum(0))
        return sums, own[0, 0] >= least, (sums.there >= least) & (other >= least)
