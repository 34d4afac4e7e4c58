"""Arguments of the functions that users of algotom know: what is accepted, ignored with a note, or refused."""

import logging
import numbers
from types import ModuleType

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.stacks.device import array_module
from hpcdvc.stacks.one_window import PeakSettings

log = logging.getLogger("hpcdvc")

METHODS = {"diff": "taylor", "poly_fit": "poly"}


def note_ignored(**arguments: tuple) -> None:
    """Say which arguments change nothing: name=(value, default)."""
    given = [name for name, (value, default) in arguments.items() if value != default]
    if given:
        log.warning("%s: accepted and ignored, no result depends on it", ", ".join(given))


def whole_number(value: object, name: str, least: int) -> int:
    """A number of pixels or points; UserError unless it is whole and not less than the least."""
    if not isinstance(value, numbers.Real) or value != int(value) or value < least:
        raise UserError(f"{name} must be a whole number of at least {least}, not {value!r}")
    return int(value)


def images_of(ref_mat: object, mat: object, dimensions: tuple[int, ...] = (2, 3), whole: bool = True) -> tuple:
    """Both images or stacks as arrays of real numbers; a stack that is a dataset of a file stays one unless `whole`.

    Raises
    ------
    UserError
        They have not the dimensions that are asked for, or are no numbers.
    """
    arrays = []
    for name, given in (("ref_mat", ref_mat), ("mat", mat)):
        if isinstance(given, np.ma.MaskedArray):
            given = given.astype(float).filled(np.nan)
        array = given if not whole and len(getattr(given, "shape", ())) == 3 else np.asarray(given)
        if array.dtype.kind not in "biuf":
            raise UserError(f"{name} holds {array.dtype}, not real numbers")
        if array.ndim not in dimensions or array.size == 0:
            raise UserError(f"{name} of shape {array.shape} is no {' or '.join(f'{n}-D' for n in dimensions)} image")
        arrays.append(array)
    if arrays[0].ndim != arrays[1].ndim or arrays[0].shape[:-2] != arrays[1].shape[:-2]:
        raise UserError(f"ref_mat of shape {arrays[0].shape} and mat of shape {arrays[1].shape} do not fit each other")
    return arrays[0], arrays[1]


def same_shape(ref: np.ndarray, mat: np.ndarray) -> None:
    """UserError unless both have one shape."""
    if ref.shape != mat.shape:
        raise UserError(f"ref_mat and mat must have one shape, not {ref.shape} and {mat.shape}")


def without_saturated(image: np.ndarray) -> np.ndarray:
    """An image with inf where grey values are the largest of a type of whole numbers: these are clipped."""
    if image.dtype.kind not in "iu":
        return image
    saturated = image == np.iinfo(image.dtype).max
    return np.where(saturated, np.inf, image) if saturated.any() else image


def peak_of(method: str, size: int, dim: int = 2, sub_pixel: bool = True) -> PeakSettings:
    """How a peak is located; sizes are odd and 3 to 9, and 3 for "diff"."""
    if method not in METHODS:
        raise UserError(f"method is {' or '.join(METHODS)}, not {method!r}")
    if dim not in (1, 2):
        raise UserError(f"dim is 1 or 2, not {dim!r}")
    if method == "diff" and size != 3:
        log.warning("size=%s: ignored, for derivatives are of 3 x 3 values", size)
    fit = 3 if method == "diff" else min(max(whole_number(size, "size", 1) // 2 * 2 + 1, 3), 9)
    if method != "diff" and fit != size:
        log.warning("size=%s: the polynomial is fitted to %d x %d pixels", size, fit, fit)
    return PeakSettings(METHODS[method], fit, dim, bool(sub_pixel))


def half_window_of(win_size: int) -> int:
    """Pixels on each side of the middle; windows of an even number of pixels get one more."""
    win_size = whole_number(win_size, "win_size", 2)
    if win_size % 2 == 0:
        log.warning(
            "win_size=%d: windows are of %d x %d pixels, for they have a middle", win_size, *(win_size + 1,) * 2
        )
    return win_size // 2


def module_of(gpu: bool | str) -> ModuleType:
    """cupy where a graphics card is wanted and there, else numpy; with a note where it is missing."""
    if gpu not in (False, True, "hybrid"):
        raise UserError(f'gpu is True, False or "hybrid", not {gpu!r}')
    if not gpu:
        return np
    try:
        return array_module("cuda")
    except UserError as error:
        log.warning("gpu=%r: computed on the processor; %s", gpu, error)
        return np
