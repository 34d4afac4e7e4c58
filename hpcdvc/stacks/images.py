"""Two images made ready to be compared: frames of float64, which pixels are there, and what forbids to measure them."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.stacks.spectrum import axes_of

#: Least standard deviation of an image that has any texture, as part of its mean.
LEAST_CONTRAST = 1e-10
#: Part of the pixels of an image of integers that may have the largest value there is.
MOST_SATURATED = 0.1
#: Grey values above which, or below one over which, images are brought to 1.
EXTREME = 1e12
#: Least part of the pixels, and least number of them, that must be there.
LEAST_PART, LEAST_PIXELS = 0.05, 9


@dataclass(frozen=True)
class Images:
    """Two images, or stacks of frames that share one shift.

    Attributes
    ----------
    im1, im2 : (K, n, ...) float64 arrays; where a pixel is not there it has the mean of the others of its frame
    there1, there2 : bool arrays of the same shapes; None where all are there
    weights : (K, n, ...) array, 1 / noise^2 of im2, 0 where a pixel is not there; None: alike everywhere
    noise : that of all pixels of im2; None: not known, or in `weights`
    rounding : variance that whole grey values add to the difference of the images
    status : why they cannot be measured, or 0
    """

    im1: np.ndarray
    im2: np.ndarray
    there1: np.ndarray | None
    there2: np.ndarray | None
    weights: np.ndarray | None
    noise: float | None
    rounding: float
    status: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a frame."""
        return self.im1.shape[1:]


def prepare(
    im1: np.ndarray,
    im2: np.ndarray,
    stack: bool = False,
    noise: float | np.ndarray | None = None,
    mask1: np.ndarray | None = None,
    mask2: np.ndarray | None = None,
) -> Images:
    """Images of any type of number, made ready.

    Parameters
    ----------
    im1, im2 : (ny, nx) or (nz, ny, nx) arrays, with a first axis more for a stack; NaN where a pixel is not there
    stack : the first axis counts frames
    noise : standard deviation of the noise of im2, a number or an array; 0 or NaN where a pixel of im2 does not count
    mask1, mask2 : 0 where a pixel does not count

    Raises
    ------
    UserError
        Shapes do not fit, or the noise is negative or nothing but 0.
    """
    one, two = (_frames(image, stack, name) for image, name in ((im1, "im1"), (im2, "im2")))
    if one.shape != two.shape:
        raise UserError(f"im1 of shape {np.shape(im1)} and im2 of shape {np.shape(im2)} must have the same shape")
    saturated = any(_is_saturated(image) for image in (one, two))
    rounding = sum(1 / 12 for image in (one, two) if image.dtype.kind in "ui")
    error, weights = _weights(noise, one.shape)
    there1, there2 = (_there(image, mask, name) for image, mask, name in ((one, mask1, "im1"), (two, mask2, "im2")))
    one, two = one.astype(np.float64, copy=False), two.astype(np.float64, copy=False)
    unit = _unit(one, two)
    if unit != 1:  # squares of squares of such numbers are none
        one, two, rounding = one / unit, two / unit, rounding / unit**2
        error, weights = None if error is None else error / unit, None if weights is None else weights * unit**2
    if weights is not None and there2 is not None:
        weights = weights * there2
    status = 0
    if any(_too_few(there) for there in (there1, there2)):
        status = int(Status.FEW_VALID_VOXELS)
    elif not all(_has_texture(image, there) for image, there in ((one, there1), (two, there2))):
        status = int(Status.SINGULAR)
    elif saturated:
        status = int(Status.SATURATED)
    if not status:
        one, two, weights, there1, there2 = _present(one, two, weights, there1, there2)
    return Images(one, two, there1, there2, weights, error, rounding, status)


def _frames(image: np.ndarray, stack: bool, name: str) -> np.ndarray:
    image = np.asarray(image)
    if image.dtype.kind not in "buif":
        raise UserError(f"{name} of {image.dtype} is no image of grey values")
    if image.ndim not in ((3, 4) if stack else (2, 3)) or 0 in image.shape:
        raise UserError(f"{name} of shape {image.shape} is no {'stack of images' if stack else 'image'}")
    image = image if stack else image[None]
    image = image[:, 0] if image.ndim == 4 and image.shape[1] == 1 else image
    if min(image.shape[1:]) < 3:
        raise UserError(f"{name} of shape {image.shape[1:]} is too small: 3 pixels per axis are needed")
    return image


def _is_saturated(image: np.ndarray) -> bool:
    if image.dtype.kind not in "ui":
        return False
    return np.count_nonzero(image == np.iinfo(image.dtype).max) > MOST_SATURATED * image.size


def _weights(noise: float | np.ndarray | None, shape: tuple[int, ...]) -> tuple[float | None, np.ndarray | None]:
    """The noise of all pixels, or 1 / noise^2 of each."""
    if noise is None:
        return None, None
    noise = np.asarray(noise, np.float64)
    if noise.ndim == 0:
        if not (np.isfinite(noise) and noise > 0):
            raise UserError(f"the noise of im2 must be positive, not {float(noise):g}")
        return float(noise), None
    if noise.shape not in (shape, shape[1:]):
        raise UserError(f"the noise of im2 has shape {noise.shape}, the image {shape[1:]}")
    if (noise < 0).any() or not (noise > 0).any():
        raise UserError("the noise of im2 must be positive")
    if noise.min() == noise.max():
        return float(noise.flat[0]), None
    counts = noise > 0  # not NaN
    weights = np.where(counts, 1 / np.where(counts, noise, 1) ** 2, 0)
    return None, np.ascontiguousarray(np.broadcast_to(weights, shape))


def _there(image: np.ndarray, mask: np.ndarray | None, name: str) -> np.ndarray | None:
    there = np.isfinite(image) if image.dtype.kind == "f" else np.ones(image.shape, bool)
    if mask is not None:
        mask = np.asarray(mask) != 0
        if mask.shape not in (image.shape, image.shape[1:]):
            raise UserError(f"the mask of {name} has shape {mask.shape}, the image {image.shape[1:]}")
        there &= mask
    return None if there.all() else there


def _unit(*images: np.ndarray) -> float:
    """1, or the size of numbers that are very large or small."""
    size = max(abs(float(end.reduce(image, axis=None))) for image in images for end in (np.fmin, np.fmax))
    if np.isinf(size):
        size = max(float(np.abs(image[np.isfinite(image)]).max(initial=0)) for image in images)
    return 1.0 if not size > 0 or 1 / EXTREME < size < EXTREME else size


def _too_few(there: np.ndarray | None) -> bool:
    return there is not None and np.count_nonzero(there) < max(LEAST_PIXELS, LEAST_PART * there.size)


def _has_texture(image: np.ndarray, there: np.ndarray | None) -> bool:
    values = image.ravel() if there is None else image[there]
    return values.std() > LEAST_CONTRAST * abs(values.mean())


def _present(im1: np.ndarray, im2: np.ndarray, weights: np.ndarray | None, there1, there2):
    """What is not there gets the mean of its frame; frames that are missing in one image go in both."""
    keep = np.ones(len(im1), bool)
    for there in (there1, there2, None if weights is None else weights > 0):
        if there is not None:
            keep &= there.any(axis=axes_of(there))
    result = []
    for image, there in ((im1, there1), (im2, there2)):
        if there is not None:
            image = np.where(there, image, 0)
            means = image.sum(axis=axes_of(image), keepdims=True) / np.maximum(
                there.sum(axis=axes_of(image), keepdims=True), 1
            )
            image = np.where(there, image, means)
        result.append(image if keep.all() else image[keep])
    others = (array if array is None or keep.all() else array[keep] for array in (weights, there1, there2))
    return (*result, *others)
