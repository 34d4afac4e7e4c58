"""What is left between a deformed image and the one it should look like."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

#: Voxels worked on at a time: what numpy makes of them in between stays in cache.
BLOCK = 2**15
#: What is not finite in float32 does not count.
LARGEST = np.finfo(np.float32).max
#: Most planes that gain and offset are taken from.
PLANES_OF_FIT = 64


@dataclass(frozen=True)
class GreyFit:
    """Grey values as the other image shows them: gain * grey + offset. By default as they are."""

    gain: float = 1.0
    offset: float = 0.0

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Grey values, float64, of any shape."""
        return self.gain * values.astype(np.float64) + self.offset


AS_THEY_ARE = (GreyFit(), GreyFit())


def planes_of_fit(count: int) -> np.ndarray:
    """Numbers of the planes, of `count`, that gain and offset are taken from: all, or `PLANES_OF_FIT` evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, PLANES_OF_FIT)).round().astype(int))


def grey_sums(deformed: np.ndarray, inside: np.ndarray, im1: np.ndarray, im2: np.ndarray) -> np.ndarray:
    """Sums over the voxels of one plane that have a value, as `fits_of` takes them: (7,).

    Their number, and for im1, im1(Phi) and im2 the sums of the grey values and of their squares. Parameters as in
    `residual_of`.
    """
    sums = np.zeros(7)
    for _, use, *images in _blocks(deformed, inside, im1, im2):
        values = [np.where(use, image, 0.0) for image in images]
        sums += np.count_nonzero(use), *(number for v in values for number in (np.sum(v), np.sum(v * v)))
    return sums


def fits_of(sums: np.ndarray) -> tuple[GreyFit, GreyFit]:
    """What brings mean and standard deviation of im1, and of im1(Phi), to those of im2; see `grey_sums`.

    Not a fit by least squares: noise in both images would take from its gain, and leave texture.
    """
    count = sums[0]
    if not count:
        return AS_THEY_ARE
    means = sums[1::2] / count
    deviations = np.sqrt(np.maximum(sums[2::2] / count - means**2, 0))
    # what is even has no gain that could be seen; nor has what only rounds otherwise
    even = deviations <= 1e-7 * np.abs(means)
    gains = [1.0 if even[k] or even[2] else float(deviations[2] / deviations[k]) for k in (0, 1)]
    before, after = (GreyFit(gain, float(means[2] - gain * means[k])) for k, gain in enumerate(gains))
    return before, after


def residual_of(
    deformed: np.ndarray,
    inside: np.ndarray,
    im1: np.ndarray,
    im2: np.ndarray,
    fits: tuple[GreyFit, GreyFit] = AS_THEY_ARE,
) -> tuple[np.ndarray, np.ndarray]:
    """Difference im1(Phi) - im2 of one plane, and the sums that its norms are made of.

    Parameters
    ----------
    deformed : (ny, nx) im1(Phi)
    inside : (ny, nx) 0 where `deformed` has no value
    im1, im2 : (ny, nx) the images before
    fits : of the grey values of im1 and of im1(Phi), to those of im2

    Returns
    -------
    residual : (ny, nx) float32; NaN where there is no value, in `deformed` or (not a number) in the images
    sums : (3,) number of voxels with a value, and over these the sums of (im1 - im2)^2 and (im1(Phi) - im2)^2
    """
    residual, sums = np.empty(deformed.shape, np.float32), np.zeros(3)
    for part, use, first, second, target in _blocks(deformed, inside, im1, im2):
        before, after = fits[0](first) - target, fits[1](second) - target
        use &= np.abs(after) <= LARGEST
        residual[part] = np.where(use, after, np.nan)
        before, after = np.where(use, before, 0), np.where(use, after, 0)
        sums += np.count_nonzero(use), np.sum(before * before), np.sum(after * after)
    return residual, sums


def _blocks(deformed: np.ndarray, inside: np.ndarray, im1: np.ndarray, im2: np.ndarray) -> Iterator[tuple]:
    """Rows of a plane, some at a time: which rows, which voxels have a value, im1, im1(Phi) and im2 there (float64)."""
    rows = max(1, BLOCK // deformed.shape[1])
    for first in range(0, len(deformed), rows):
        part = slice(first, first + rows)
        images = [image[part].astype(np.float64) for image in (im1, deformed, im2)]
        use = inside[part] != 0
        for image in images:
            use &= np.abs(image) <= LARGEST
        yield part, use, *images


def norms(sums: np.ndarray) -> tuple[int, float, float]:
    """Number of voxels and root mean squares before and after, from the sums of all planes; NaN where none is."""
    count = int(sums[0])
    before, after = np.sqrt(sums[1:] / count) if count else (np.nan, np.nan)
    return count, float(before), float(after)
