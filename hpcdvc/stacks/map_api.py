"""Similarity maps, their peaks and one shift of two images, under the names and in the convention of algotom.

What these functions return is the place in the first image minus that in the second, x before y: minus the displacement
u that hpcdvc uses everywhere else. Where nothing can be measured it is NaN, and a warning says why.
"""

import logging

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.stacks.arguments import (
    half_window_of,
    images_of,
    module_of,
    note_ignored,
    peak_of,
    same_shape,
    whole_number,
)
from hpcdvc.stacks.device import to_numpy
from hpcdvc.stacks.one_window import shift_of_window
from hpcdvc.stacks.peaks import locate_peak as peak_in
from hpcdvc.stacks.points import global_shift_of_map, global_shift_of_points
from hpcdvc.stacks.similarity import correlation_map

log = logging.getLogger("hpcdvc")

#: Points at random.
POINTS = 30


def normalize_image(mat: np.ndarray) -> np.ndarray:
    """Normalise an image by the sums of its rows and columns, or a stack as a whole.

    Parameters
    ----------
    mat : (H, W) or (K, H, W) array; what is not finite does not count, and stays as it is

    Returns
    -------
    array of the same shape: of an image divided by the sums of its columns and of its rows, the deviations from the
    mean in units of the standard deviation; of a stack these deviations, from 0 on. NaN along rows and columns whose
    sum is 0

    Raises
    ------
    UserError
        It is neither an image nor a stack.
    """
    mat, _ = images_of(mat, mat)
    mat = mat if mat.dtype.kind == "f" else mat.astype(np.float64)
    if mat.ndim == 3:
        normal = standardised(mat, None)
        return normal - np.fmin.reduce(normal, axis=None)
    return by_rows_and_columns(mat, (0, 1))


def standardised(mat: np.ndarray, axes: tuple[int, ...] | None) -> np.ndarray:
    """Deviations from the mean along axes, over the standard deviation; NaN where that is 0, or nothing is there."""
    there = np.isfinite(mat)
    sums = {"axis": axes, "keepdims": True, "where": there, "dtype": np.float64}
    with np.errstate(invalid="ignore", divide="ignore"):
        number = there.sum(axes, keepdims=True)
        deviations = mat - np.sum(mat, **sums) / number
        deviations /= np.sqrt(np.sum(deviations**2, **sums) / number)
    return deviations.astype(mat.dtype)


def by_rows_and_columns(mat: np.ndarray, axes: tuple[int, int]) -> np.ndarray:
    """Images that are two axes of an array, each divided by the sums of its columns and rows, and standardised."""
    with np.errstate(invalid="ignore", divide="ignore"):
        even = np.where(np.isfinite(mat), mat, np.nan)
        all_sums = [np.nansum(even, axis, keepdims=True) for axis in axes]
        for sums in all_sums:
            even = even / np.where(sums == 0, np.nan, sums)
    return np.where(np.isinf(mat), mat, standardised(even, axes))


def generate_correlation_map(
    ref_mat: np.ndarray, mat: np.ndarray, gpu: bool = False, block: tuple[int, int] = (16, 16)
) -> np.ndarray:
    """Correlation coefficients of an image at all places of a larger one.

    Parameters
    ----------
    ref_mat : (H, W) or (K, H, W) array; what is not finite does not count
    mat : (h, w) or (K, h, w) array, not larger; one mean and one standard deviation for all frames
    gpu : compute on a graphics card where one is there
    block : ignored with a note

    Returns
    -------
    (H - h + 1, W - w + 1) array, float64 where an image is float64, else float32; 0 where one of the two is constant,
    NaN where less than half of the pixels count

    Raises
    ------
    UserError
        The images do not fit each other.
    """
    note_ignored(block=(block, (16, 16)))
    ref, mat = images_of(ref_mat, mat)
    if (np.array(mat.shape) > ref.shape).any():
        raise UserError(f"mat of shape {mat.shape} is larger than ref_mat of shape {ref.shape}")
    xp = module_of(gpu)
    stacks = (xp.asarray(image if image.ndim == 3 else image[None]) for image in (ref, mat))
    scores = to_numpy(correlation_map(*stacks, xp))
    return scores if np.float64 in (ref.dtype, mat.dtype) else scores.astype(np.float32)


def locate_peak(
    mat: np.ndarray,
    sub_pixel: bool = True,
    method: str = "diff",
    dim: int = 2,
    size: int = 3,
    max_peak: bool = True,
) -> tuple[float, float]:
    """Locate the highest value of a map.

    Parameters
    ----------
    mat : (n, m) array
    sub_pixel : to a fraction of a pixel; maps of fewer than 3 x 3 values have none
    method : "diff" (derivatives at the highest value) or "poly_fit" (a polynomial of second degree)
    dim : 2 for both axes at once, 1 for one after the other
    size : pixels along each axis of the polynomial: 3, 5, 7 or 9
    max_peak : False for the lowest value

    Returns
    -------
    x, y : column and row; NaN, with a warning, where all values are equal. A warning says when the peak is beside the
        border,
    where the true one may lie outside

    Raises
    ------
    UserError
        An argument does not fit.
    """
    settings = peak_of(method, size, dim, sub_pixel)
    mat = np.asarray(mat, np.float64)
    fraction = settings.subpixel and mat.ndim == 2 and min(mat.shape) >= 3
    peak = peak_in(mat if max_peak else -mat, settings.method, settings.size, settings.dim, fraction)
    if np.isnan(peak.place).any():
        log.warning("all values of the map are equal: it has no peak")
    elif peak.on_border:
        log.warning("the peak is beside the border of the map: the true one may lie outside")
    return float(peak.place[1]), float(peak.place[0])


def _xy(displacement: np.ndarray, status: Status, what: str) -> tuple[float, float]:
    """From our displacement, y and x, to x and y of the other sign; a warning where it is not measured."""
    if status != Status.CONVERGED:
        log.warning("%s is not measured: %s", what, reason_of(status))
    y, x = (0.0 - displacement).tolist()
    return x, y


def find_shift_based_correlation_map(
    ref_mat: np.ndarray,
    mat: np.ndarray,
    margin: int = 10,
    axis: int | None = None,
    sub_pixel: bool = True,
    method: str = "diff",
    dim: int = 2,
    size: int = 3,
    gpu: bool = False,
    block: tuple[int, int] = (16, 16),
) -> tuple[float, float]:
    """Shift of an image against another by the peak of their similarity map.

    Parameters
    ----------
    ref_mat : (H, W) or (K, H, W) array; what is not finite does not count
    mat : array of the same shape, of which the margin is cut off, or a smaller one, whose shift is against the middle
    margin : range, pixels
    axis : 0 or 1 for a shift along y or x only, with the other 0
    sub_pixel, method, dim, size : see `locate_peak`
    gpu : compute on a graphics card where one is there
    block : ignored with a note

    Returns
    -------
    x, y : place in ref_mat minus place in mat, pixels; NaN, with a warning, where the best match is beyond the range,
        not
    unique, or no better than chance

    Raises
    ------
    UserError
        The images do not fit each other, or the range leaves nothing of them.
    """
    note_ignored(block=(block, (16, 16)))
    ref, mat = images_of(ref_mat, mat)
    peak, xp = peak_of(method, size, dim, sub_pixel), module_of(gpu)
    if axis not in (None, 0, 1):
        raise UserError(f"axis is 0, 1 or None, not {axis!r}")
    margin = whole_number(margin, "margin", 1)
    if ref.shape == mat.shape:
        found = global_shift_of_map(ref, mat, (-margin, margin) * 2, axis, peak, xp)
    else:
        found = _shift_of_smaller(ref, mat, margin, axis, peak, xp)
    return _xy(found.displacement, found.status, "the shift")


def _shift_of_smaller(ref: np.ndarray, mat: np.ndarray, margin: int, axis: int | None, peak, xp):
    """The shift of a smaller image against the middle of a larger one."""
    places = np.subtract(ref.shape[-2:], mat.shape[-2:]) + 1
    wide = places > 2 * margin
    if (places < 1).any() or not (wide.any() if axis is None else wide[axis]):
        raise UserError(f"margin={margin} does not fit ref_mat of shape {ref.shape} and mat of shape {mat.shape}")
    middle, one = places // 2, ref if ref.ndim == 3 else ref[None]
    window = tuple(slice(int(a), int(a + n)) for a, n in zip(middle, mat.shape[-2:], strict=True))
    two = np.full(one.shape, np.nan)
    two[:, window[0], window[1]] = mat
    low, high = middle - places + 1, middle.copy()
    if axis is not None:
        low[1 - axis] = high[1 - axis] = 0
    return shift_of_window(one, two, window, tuple(np.stack([low, high], 1).ravel().tolist()), peak, xp)


def find_global_shift_based_local_shifts(
    ref_mat: np.ndarray,
    mat: np.ndarray,
    win_size: int,
    margin: int,
    list_ij: list | None = None,
    num_point: int | None = None,
    global_value: str = "mixed",
    gpu: bool = False,
    block: int = 32,
    sub_pixel: bool = True,
    method: str = "diff",
    size: int = 3,
    ncore: int | None = None,
    norm: bool = False,
    return_list: bool = False,
) -> tuple[float, float] | tuple[list[float], list[float]]:
    """Shift of an image against another by windows at some points.

    Parameters
    ----------
    ref_mat, mat : (H, W) arrays; what is not finite does not count
    win_size : pixels of a window along each axis, odd
    margin : range, pixels
    list_ij : rows and columns of the middles of windows in mat, [i, j] or [[i0, i1, ...], [j0, j1, ...]]; those whose
        windows leave an image are left out, with a warning. Default at random, the same ones each time
    num_point : number of random points, default 30
    global_value : "median", "mean" (without the two lowest and highest of more than 7) or "mixed" (mean of the six in
        the middle)
    gpu : compute on a graphics card where one is there
    block, ncore : ignored with a note
    sub_pixel, method, size : see `locate_peak`
    norm : normalise both images first, see `normalize_image`
    return_list : return the shifts of all points

    Returns
    -------
    x, y : place in ref_mat minus place in mat, pixels; NaN, with a warning, where less than a quarter of the points is
        measured.
    With `return_list` two lists, NaN for points that are not measured

    Raises
    ------
    UserError
        The images do not fit each other, or no window stays in them.
    """
    note_ignored(block=(block, 32), ncore=(ncore, None))
    ref, mat = images_of(ref_mat, mat, (2,))
    same_shape(ref, mat)
    peak, half, xp = peak_of(method, size, 2, sub_pixel), half_window_of(win_size), module_of(gpu)
    margin = whole_number(margin, "margin", 1)
    number = whole_number(POINTS if num_point is None else num_point, "num_point", 1)
    points = None if list_ij is None else _points_of(list_ij)
    if norm:
        ref, mat = normalize_image(ref), normalize_image(mat)
    reach = (-margin, margin) * 2
    found = global_shift_of_points(ref, mat, points, half, reach, number, 0, global_value, peak, xp)
    if return_list:
        y, x = (0.0 - found.displacements).T.tolist()
        return x, y
    return _xy(found.displacement, found.status, "the shift")


def _points_of(list_ij: list) -> np.ndarray:
    """(n, 2) rows and columns from [i, j] or [[i0, ...], [j0, ...]]."""
    try:
        points = np.array(list_ij, float)
    except (TypeError, ValueError):
        points = np.empty(0)
    if points.size == 0 or len(points) != 2 or points.ndim > 2 or not np.isfinite(points).all():
        raise UserError("list_ij must be [i, j] or [[i0, i1, ...], [j0, j1, ...]], of as many rows as columns")
    return points.reshape(2, -1).T
