"""chi2 of pairs of images for Python users, with the names and arguments that users of image_registration know.

Shifts are (dx, dy) = (+u_x, +u_y) here: positive where what is in im2 lies at larger columns and rows than in im1. What
cannot be measured is NaN, with a warning of the logger "hpcdvc" that says why.
"""

import numbers

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.stacks.arguments import note_ignored
from hpcdvc.stacks.chi2 import chi2_terms
from hpcdvc.stacks.errors import delta_chi2
from hpcdvc.stacks.fourier import scale, zoom_positions
from hpcdvc.stacks.pair_arguments import check_boundary, in_peer_order, measure_images
from hpcdvc.stacks.shift import Shift, ShiftSettings
from hpcdvc.stacks.zoom import zoom_in


def chi2n_map(
    im1: np.ndarray,
    im2: np.ndarray,
    err: float | np.ndarray | None = None,
    boundary: str = "wrap",
    nthreads: int = 1,
    zeromean: bool = False,
    use_numpy_fft: bool = False,
    return_all: bool = False,
    reduced: bool = False,
) -> np.ndarray | tuple[np.ndarray, float, np.ndarray, np.ndarray | float]:
    """Chi2 over all displacements d: the sum of (im2[i] - im1[i - d])^2 / err[i]^2.

    Parameters
    ----------
    im1, im2 : (ny, nx) arrays; NaN counts as 0
    err : noise of im2, a number or an (ny, nx) array; where it is 0 or NaN both images count as 0; default 1
    boundary : "wrap" or "fill", zeros around the images
    nthreads, use_numpy_fft : have no effect
    zeromean : take the mean from each image
    return_all : also return the three terms
    reduced : divide by the number of pixels less 2

    Returns
    -------
    (ny, nx) array, d at index (n - 1) // 2 - d of each axis; with `return_all` also term 1, a number, term 2, an array,
    and term 3, a number or, where `err` is an array, an array

    Raises
    ------
    UserError
        The shapes do not fit, or the boundary is another one.
    """
    note_ignored(nthreads=(nthreads, 1), use_numpy_fft=(use_numpy_fft, False))
    if boundary not in ("wrap", "fill"):
        check_boundary(boundary)
        raise UserError("a chi2 map has the boundary wrap or fill")
    one, two = (np.asarray(image, float) for image in (im1, im2))
    if one.ndim != 2 or one.shape != two.shape:
        raise UserError(f"im1 of shape {one.shape} and im2 of shape {two.shape} must be images of one shape")
    if zeromean:
        one, two = one - np.nanmean(one), two - np.nanmean(two)
    one, two = np.nan_to_num(one), np.nan_to_num(two)
    error = np.nan_to_num(np.asarray(1.0 if err is None else err, float))
    if error.ndim and error.shape != one.shape:
        raise UserError(f"err has shape {error.shape}, the images {one.shape}")
    one, two, error = np.where(error == 0, 0, one), np.where(error == 0, 0, two), np.where(error == 0, 1, error)
    weights = 1 / error**2
    terms = chi2_terms(one[None], two[None], weights[None] if weights.ndim else float(weights), boundary)
    term1, term2, term3 = (np.flip(term) if np.ndim(term) else term for term in terms)
    result = (term1 + term2 + term3) / (one.size - 2 if reduced else 1)
    return (result, term1, term2, term3) if return_all else result


def chi2_shift(
    im1: np.ndarray,
    im2: np.ndarray,
    err: float | np.ndarray | None = None,
    upsample_factor: int | str = "auto",
    boundary: str = "wrap",
    nthreads: int = 1,
    use_numpy_fft: bool = False,
    zeromean: bool = False,
    nfitted: int = 2,
    verbose: bool = False,
    return_error: bool = True,
    return_chi2array: bool = False,
    max_auto_size: int = 512,
    max_nsig: float = 1.1,
    errors: str = "hessian",
) -> tuple:
    """Measure how far im2 is shifted against im1, where chi2 is least.

    Parameters
    ----------
    im1, im2 : (ny, nx) arrays of any type of number
    err : noise of im2, a number or an (ny, nx) array; None: it is measured
    upsample_factor : points per pixel of the chi2 array that is returned, or "auto"; the shift is that of the minimum
        between all points, whatever it is
    boundary : "wrap", "fill" (zeros around the images) or "overlap" (only what is in both counts)
    nthreads, use_numpy_fft : have no effect
    zeromean : take the mean from each image
    nfitted : numbers fitted together, for the errors of a contour and the size of the chi2 array
    verbose : log the result
    return_error : also return the standard deviations
    return_chi2array : also return where chi2 was evaluated, and chi2
    max_auto_size : points per axis of the chi2 array where `upsample_factor` is "auto"
    max_nsig : standard deviations that this array holds at least
    errors : "hessian", standard deviation of each component; "contour", half widths of the region that holds both
        components in 68 of 100 cases; "zucker"

    Returns
    -------
    dx, dy : +u_x, +u_y, pixels; NaN where nothing can be measured
    ex, ey : with `return_error`
    (x, y, chi2) : with `return_chi2array`; (s, s) arrays of x = -u_x, y = -u_y and chi2 there

    Raises
    ------
    UserError
        The shapes do not fit, or an argument is out of range.
    """
    factor = None if upsample_factor == "auto" else _points_per_pixel(upsample_factor)
    of_array = {"upsample_factor": (factor, None), "max_auto_size": (max_auto_size, 512), "max_nsig": (max_nsig, 1.1)}
    of_contour = {} if errors == "contour" else {"nfitted": (nfitted, 2)}
    note_ignored(
        nthreads=(nthreads, 1), use_numpy_fft=(use_numpy_fft, False),
        **({} if return_chi2array else of_array | of_contour),
    )  # fmt: skip
    check_boundary(boundary)
    if return_chi2array and boundary == "overlap":
        raise UserError("there is no chi2 array of what overlaps: return_chi2array needs the boundary wrap or fill")
    settings = ShiftSettings(
        boundary=boundary, zeromean=zeromean, errors=errors, fitted=nfitted, keep_map=return_chi2array
    )
    shift = measure_images(im1, im2, settings, err, verbose)
    if not return_chi2array:
        return in_peer_order(shift, return_error)
    return (
        *in_peer_order(shift, return_error),
        _chi2_array(shift, factor, max_auto_size, delta_chi2(max_nsig, nfitted)),
    )


def _points_per_pixel(upsample_factor: object) -> float:
    """How many points of a grid make a pixel; UserError unless it is a positive number."""
    if not isinstance(upsample_factor, numbers.Real) or not 0 < upsample_factor < float("inf"):
        raise UserError(f'upsample_factor is "auto" or a positive number, not {upsample_factor!r}')
    return float(upsample_factor)


def _chi2_array(
    shift: Shift, factor: float | None, size: int, most: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x = -u_x, y = -u_y and chi2 there, about the least whole pixel; without `factor` as fine as `most` wants."""
    values = _map_of(shift)
    zero, lowest = np.array(values.shape) // 2, np.unravel_index(np.argmin(values), values.shape)
    sizes = (size, size)
    if factor is None:
        places = np.argwhere(values - values[lowest] < most)
        factor = max(1.0, size / 2 / max(np.ptp(places, axis=0).max(), 1))
    else:
        sizes = tuple(int(2 * factor) if n / factor <= 1 else n for n in values.shape)
    # the middle of the grid is half a pixel off at even sizes, as that of the map is
    middle = lowest - zero - (np.array(values.shape) + 1) % 2 / 2
    return _on_grid(values, zoom_positions(values.shape, factor, sizes, 0, middle + zero))


def _on_grid(values: np.ndarray, grid: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x = -u_x and y = -u_y, rising, and chi2 there."""
    grid = [at[::-1] for at in grid]
    y, x = np.meshgrid(*(n // 2 - at for n, at in zip(values.shape, grid, strict=True)), indexing="ij")
    return x, y, scale(values, grid)


def chi2_shift_iterzoom(
    im1: np.ndarray,
    im2: np.ndarray,
    err: float | np.ndarray | None = None,
    upsample_factor: int | str = "auto",
    boundary: str = "wrap",
    nthreads: int = 1,
    use_numpy_fft: bool = False,
    zeromean: bool = False,
    verbose: bool = False,
    return_error: bool = True,
    return_chi2array: bool = False,
    zoom_shape: tuple[int, int] = (10, 10),
    rezoom_shape: tuple[int, int] = (100, 100),
    rezoom_factor: float = 5,
    mindiff: float = 1,
    errors: str = "contour",
    nfitted: int = 2,
) -> tuple:
    """Measure how far im2 is shifted against im1, by zooming into chi2 until it is flat.

    Parameters
    ----------
    im1, im2, err, zeromean, verbose, return_error : see `chi2_shift`
    upsample_factor, nthreads, use_numpy_fft : have no effect
    boundary : "wrap" or "fill"
    return_chi2array : also return where chi2 was evaluated, and chi2
    zoom_shape : points per axis of the grids that are zoomed
    rezoom_shape : points per axis of the chi2 array that is returned
    rezoom_factor : how much finer this is than the last grid
    mindiff : zoom while chi2 next to its minimum is higher by more
    errors : see `chi2_shift`
    nfitted : numbers fitted together, for the errors of a contour

    Returns
    -------
    dx, dy[, ex, ey][, (x, y, chi2)] : see `chi2_shift`

    Raises
    ------
    UserError
        The shapes do not fit, or an argument is out of range.
    """
    of_array = {"rezoom_shape": (tuple(rezoom_shape), (100, 100)), "rezoom_factor": (rezoom_factor, 5)}
    of_contour = {"nfitted": (nfitted, 2)}
    note_ignored(
        nthreads=(nthreads, 1), use_numpy_fft=(use_numpy_fft, False), upsample_factor=(upsample_factor, "auto"),
        **({} if return_chi2array else of_array), **({} if errors == "contour" else of_contour),
    )  # fmt: skip
    check_boundary(boundary)
    settings = ShiftSettings(
        method="chi2iterzoom", boundary=boundary, zeromean=zeromean, errors=errors, fitted=nfitted,
        keep_map=return_chi2array, zoom_shape=tuple(zoom_shape), mindiff=mindiff,
    )  # fmt: skip
    shift = measure_images(im1, im2, settings, err, verbose)
    if not return_chi2array:
        return in_peer_order(shift, return_error)
    values = _map_of(shift)
    zoomed = zoom_in(values, mindiff, tuple(zoom_shape))
    grid = zoom_positions(values.shape, zoomed.factor * rezoom_factor, tuple(rezoom_shape), 0, zoomed.place)
    return (*in_peer_order(shift, return_error), _on_grid(values, grid))


def _map_of(shift: Shift) -> np.ndarray:
    if "map" not in shift.details:
        raise UserError("the shift cannot be measured, so there is no chi2 array: an image is constant or not there")
    return shift.details["map"]["chi2"]
