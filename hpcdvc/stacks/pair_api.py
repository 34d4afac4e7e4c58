"""Cross-correlation of pairs of images, and zooms, for Python users: with names and arguments of image_registration.

Shifts are (dx, dy) = (+u_x, +u_y) here: positive where what is in im2 lies at larger columns and rows than in im1. What
cannot be measured is NaN, with a warning of the logger "hpcdvc" that says why.
"""

import logging
from collections.abc import Callable

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.stacks import fourier
from hpcdvc.stacks.arguments import note_ignored
from hpcdvc.stacks.pair_arguments import check_boundary, in_peer_order, measure_images
from hpcdvc.stacks.shift import ShiftSettings
from hpcdvc.stacks.zoom import zoom_in

log = logging.getLogger("hpcdvc")

#: Arguments of the convolution behind the cross-correlation of image_registration, which has no counterpart here.
OF_CONVOLUTION = frozenset(
    "nthreads use_numpy_fft crop fft_pad psf_pad ignore_edge_zeros interpolate_nan min_wt normalize_kernel "
    "quiet".split()
)


def cross_correlation_shifts(
    image1: np.ndarray,
    image2: np.ndarray,
    errim1: None = None,
    errim2: None = None,
    maxoff: float | None = None,
    verbose: bool = False,
    gaussfit: bool = False,
    return_error: bool = False,
    zeromean: bool = True,
    boundary: str = "wrap",
    **kwargs: object,
) -> tuple[float, ...]:
    """Measure how far image2 is shifted against image1, by a Taylor step on the peak of their cross-correlation.

    Parameters
    ----------
    image1, image2 : (ny, nx) arrays of any type of number
    errim1, errim2, gaussfit : belong to a fit of a Gaussian, which there is not
    maxoff : largest shift of each component, pixels
    verbose : log the result
    return_error : also return the standard deviations
    zeromean : has no effect: the means change nothing where images go round, and are taken from them elsewhere
    boundary : "wrap", "fill" or "overlap"
    kwargs : what correlate2d and convolve of image_registration take (nthreads, use_numpy_fft, fft_pad, ...), without
        effect

    Returns
    -------
    x, y[, ex, ey] : +u_x, +u_y, pixels; NaN where nothing can be measured

    Raises
    ------
    UserError
        The shapes do not fit, or a fit is asked for.
    TypeError
        There is no such argument.
    """
    unknown = kwargs.keys() - OF_CONVOLUTION
    if unknown:
        raise TypeError(f"cross_correlation_shifts() got an unexpected keyword argument {min(unknown)!r}")
    note_ignored(**{name: (value, None) for name, value in kwargs.items()})
    if gaussfit or errim1 is not None or errim2 is not None:
        raise UserError("there is no fit of a Gaussian to the peak: gaussfit, errim1 and errim2 must be left out")
    check_boundary(boundary)
    settings = ShiftSettings(method="cc", boundary=boundary, largest=maxoff, zeromean=zeromean)
    return in_peer_order(measure_images(image1, image2, settings, None, verbose), return_error)


def register_images(
    im1: np.ndarray,
    im2: np.ndarray,
    usfac: int = 1,
    return_registered: bool = False,
    return_error: bool = False,
    zeromean: bool = True,
    DEBUG: bool = False,
    maxoff: float | None = None,
    nthreads: int = 1,
    use_numpy_fft: bool = False,
) -> tuple:
    """Measure how far im2 is shifted against im1, to 1 / usfac pixels, by their up-sampled cross-correlation.

    Parameters
    ----------
    im1, im2 : (ny, nx) arrays of any type of number
    usfac : points per pixel
    return_registered : also return im2 shifted back
    return_error : also return the standard deviations
    zeromean : has no effect: the means change nothing
    DEBUG, nthreads, use_numpy_fft : have no effect
    maxoff : largest shift of each component, pixels

    Returns
    -------
    dx, dy[, ex, ey][, registered] : +u_x, +u_y, pixels; NaN where nothing can be measured

    Raises
    ------
    UserError
        The shapes do not fit, or an argument is out of range.

    References
    ----------
    Guizar-Sicairos et al. 2008, doi 10.1364/OL.33.000156
    """
    note_ignored(DEBUG=(DEBUG, False), nthreads=(nthreads, 1), use_numpy_fft=(use_numpy_fft, False))
    shift = measure_images(im1, im2, ShiftSettings(method="dft", upsample=int(usfac), largest=maxoff), None, False)
    result = in_peer_order(shift, return_error)
    if not return_registered:
        return result
    back = np.full(np.shape(im2), np.nan) if shift.status != 2 else fourier.shift(im2, -shift.displacement[1:])
    return (*result, back)


def iterative_zoom(
    image: np.ndarray,
    mindiff: float = 1.0,
    zoomshape: tuple[int, ...] = (10, 10),
    return_zoomed: bool = False,
    zoomstep: float = 2,
    verbose: bool = False,
    minmax: Callable = np.min,
    ploteach: bool = False,
    return_center: bool = True,
) -> tuple:
    """Zoom in on the minimum of an image until the value next to it is closer than `mindiff`.

    Parameters
    ----------
    image : (ny, nx) array, which goes round
    mindiff : least difference that is zoomed in on
    zoomshape : points per axis of a grid
    return_zoomed : also return the last grid and how many of its points make a pixel
    zoomstep : factor from grid to grid
    verbose : log the result
    minmax : np.min, or np.max to zoom in on the maximum
    ploteach : has no effect
    return_center : return a place, else what it is off from the middle, (n - 1) / 2

    Returns
    -------
    y, x : of the centre of the last grid, pixels; with `return_zoomed`: zoomed, factor, (y, x)

    Raises
    ------
    UserError
        The image is the same everywhere, or not finite.
    """
    note_ignored(ploteach=(ploteach, False))
    image = np.asarray(image, float)
    if not np.isfinite(image).all() or np.ptp(image) == 0 or image.ndim != len(zoomshape):
        raise UserError(
            f"an image of shape {image.shape} that is not finite, or constant, has nothing to be zoomed in on"
        )
    pick = np.argmax if minmax(np.array([0, 1])) == 1 else np.argmin
    zoomed = zoom_in(image, mindiff, tuple(zoomshape), zoomstep, pick)
    middle = 0 if return_center else (np.array(image.shape) - 1) / 2
    place = tuple(float(at) for at in zoomed.place - middle)
    if verbose:
        log.info("zoomed in %g times, to %s", zoomed.factor, place)
    return (zoomed.values, zoomed.factor, place) if return_zoomed else place


def iterative_zoom_1d(
    data: np.ndarray,
    mindiff: float = 1.0,
    zoomshape: int | tuple[int] = (10,),
    return_zoomed: bool = False,
    zoomstep: float = 2,
    verbose: bool = False,
    minmax: Callable = np.min,
    return_center: bool = True,
) -> tuple:
    """Zoom in on the minimum of a row of values until the value next to it is closer than `mindiff`.

    Parameters
    ----------
    data : (n,) array, which goes round
    mindiff, return_zoomed, zoomstep, verbose, minmax, return_center : see `iterative_zoom`
    zoomshape : points of a grid, a number or a tuple of one

    Returns
    -------
    (x,) of the centre of the last grid, pixels; with `return_zoomed`: zoomed, factor, (x,)

    Raises
    ------
    UserError
        The values are the same everywhere, or not finite.
    """
    shape = (zoomshape,) if np.ndim(zoomshape) == 0 else zoomshape
    return iterative_zoom(
        data, mindiff, shape, return_zoomed, zoomstep, verbose, minmax, return_center=return_center
    )  # fmt: skip
