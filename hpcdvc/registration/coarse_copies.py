"""Coarse copies of two images that hold little but texture, for the search of a start (candidates.py)."""

from dataclasses import dataclass

import numpy as np

LONGEST = {2: 65, 3: 25}  # points of the copies along the longest axis, odd, by dimensions of the images

# In points of the copies
SMOOTHING = 0.7  # standard deviation of the smoothing before the copy is taken
BACKGROUND = 1.2  # standard deviation of the smoothing that gives local mean and contrast
CONTRAST_FLOOR = 0.05  # least local contrast, in units of that of the whole copy

FLAT = 3  # blocks along each axis: so much of one grey value is no texture
LEAST_FLAT, LEAST_LEFT = 0.01, 0.1  # parts of an image: fewer flat blocks do not matter; with less left, they are kept


def pitch_of(*sizes: np.ndarray) -> float:
    """Distance of the points of the coarse copies of images of these sizes, voxels."""
    return max(1.0, np.max(sizes) / LONGEST[2 if sizes[0][0] == 1 else 3])


def texture_pairs(im1: np.ndarray, im2: np.ndarray, mask1: np.ndarray | None) -> list[tuple[np.ndarray, np.ndarray]]:
    """Textures of im1 and im2. If parts of them are flat, as padding is: first without, then with those parts."""
    pitch = pitch_of(im1.shape, im2.shape)
    blocks = [block_means(image, mask, max(1, round(pitch / 2))) for image, mask in ((im1, mask1), (im2, None))]
    textured = [np.where(b.flat, 0, b.valid) for b in blocks]
    pairs = [tuple(texture(b, b.valid, pitch) for b in blocks)]
    if max(b.flat.mean() for b in blocks) > LEAST_FLAT and min((t > 0).mean() for t in textured) > LEAST_LEFT:
        pairs.insert(0, tuple(texture(b, t, pitch) for b, t in zip(blocks, textured, strict=True)))
    return [pair for pair in pairs if all(np.isfinite(copy).any() for copy in pair)]


def as_float32(image: np.ndarray) -> np.ndarray:
    """An image in float32; infinite, so that it does not count, where that has no room for it."""
    with np.errstate(over="ignore"):
        return np.asarray(image, np.float32)


@dataclass(frozen=True)
class Blocks:
    """Means over blocks of voxels.

    Attributes
    ----------
    mean : (nz, ny, nx) float32 array
    valid : part of the voxels that count
    flat : whether a block and its neighbours, or those of a neighbour, have one grey value
    centre : of the image, counted in blocks
    size, shape : of a block and of the image, voxels
    """

    mean: np.ndarray
    valid: np.ndarray
    flat: np.ndarray
    centre: np.ndarray
    size: np.ndarray
    shape: np.ndarray


def block_means(image: np.ndarray, mask: np.ndarray | None, edge: int) -> Blocks:
    """Reduce an image by blocks of `edge` voxels along each axis, plane of blocks by plane of blocks."""
    from scipy import ndimage

    shape = np.array(image.shape)
    size = np.minimum(edge, shape)
    n, first = shape // size, shape % size // 2
    cut = tuple(slice(f, f + k) for f, k in zip(first, n * size, strict=True))
    split, within = (size[0], n[1], size[1], n[2], size[2]), (0, 2, 4)
    mean, valid, low, high = (np.zeros(n, np.float32) for _ in range(4))
    for z in range(n[0]):
        planes = slice(z * size[0], (z + 1) * size[0])
        values = as_float32(image[cut][planes])
        counts = np.isfinite(values) if mask is None else np.isfinite(values) & (mask[cut][planes] > 0)
        values = np.where(counts, values, 0).reshape(split)
        mean[z], valid[z] = values.mean(axis=within), counts.reshape(split).mean(axis=within)
        low[z], high[z] = values.min(axis=within), values.max(axis=within)
    np.divide(mean, valid, out=mean, where=valid > 0)
    around = np.minimum(FLAT, n)
    flat = ndimage.maximum_filter(high, around) == ndimage.minimum_filter(low, around)
    flat = ndimage.maximum_filter(flat, around) & (valid > 0)
    return Blocks(mean, valid, flat, ((shape - 1) / 2 - first - (size - 1) / 2) / size, size, shape)


def coarse(blocks: Blocks, weights: np.ndarray, pitch: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Smoothed copy of an image at a pitch, odd sizes, its centre that of the image.

    Parameters
    ----------
    blocks : Blocks
    weights : (nz, ny, nx) array, how much each block counts
    pitch : distance of the points of the copy, voxels

    Returns
    -------
    values : (mz, my, mx) array, by a power of two near the image, less the mean of the image
    counts : the same shape, float32, 1 where a point counts, else 0
    largest : magnitude of the grey values of the image, in units of `values`
    """
    from scipy import ndimage

    n, size = np.array(blocks.mean.shape), blocks.size
    points = 2 * np.maximum(((blocks.shape - 1) / pitch).astype(int) // 2, blocks.shape > 1) + 1
    steps = [np.arange(-(m // 2), m // 2 + 1) * pitch for m in points]
    axes = [step / k + c for step, k, c in zip(steps, size, blocks.centre, strict=True)]
    at = np.stack(np.meshgrid(*axes, indexing="ij"))
    sigma = np.sqrt(np.maximum((SMOOTHING * pitch) ** 2 - (size**2 - 1) / 12, 0)) / size * (n > 1)
    # by a power of two, which changes no digit: squares of large grey values have no room in float32
    mean = np.ldexp(blocks.mean, -np.frexp(np.abs(blocks.mean).max())[1])
    offset = np.average(mean, weights=weights) if weights.any() else 0.0
    values = ndimage.map_coordinates(_smooth(mean - offset, weights, sigma), at, order=1, mode="nearest")
    counts = ndimage.map_coordinates(weights, at, order=1, mode="nearest") > 0.5
    for axis, last in zip(at, n, strict=True):  # of an image thinner than two pitches
        counts &= (axis >= -1) & (axis <= last)
    return values, counts.astype(np.float32), float(np.abs(mean).max())


def texture(blocks: Blocks, weights: np.ndarray, pitch: float) -> np.ndarray:
    """Coarse copy of an image without local mean and contrast: outlines of bodies count no more than texture inside.

    Parameters
    ----------
    blocks, weights, pitch : see `coarse`

    Returns
    -------
    (mz, my, mx) float32 array, odd sizes, its centre that of the image; NaN where nothing counts
    """
    return flattened(*coarse(blocks, weights, pitch))


def flattened(values: np.ndarray, counts: np.ndarray, largest: float, background: float = BACKGROUND) -> np.ndarray:
    """A copy without local mean and contrast, those within `background` points; the others see `coarse`, `texture`."""
    width = background * (np.array(values.shape) > 1)
    values = (values - _smooth(values, counts, width)) * counts
    contrast = np.sqrt(_smooth(values**2, counts, width))
    whole = np.sqrt((values**2).sum() / max(counts.sum(), 1))
    if whole <= 1e-6 * largest:  # nothing but rounding
        return np.full(values.shape, np.nan, np.float32)
    return np.where(counts > 0, values / (contrast + CONTRAST_FLOOR * whole), np.nan).astype(np.float32)


def _smooth(values: np.ndarray, weights: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Gaussian mean over what counts."""
    from scipy import ndimage

    mean, total = (ndimage.gaussian_filter(a, sigma, mode="constant", truncate=3) for a in (values * weights, weights))
    return np.divide(mean, total, out=np.zeros_like(mean), where=total > 1e-3)
