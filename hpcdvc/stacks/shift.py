"""The shift between two images: the engine behind `hpcdvc-shift` and the functions for pairs in `pair_api`.

im2(x) = im1(x - u): what lies at x in im1 lies at x + u in im2. A similarity map over all displacements (chi2.py),
its peak (highest.py, spectrum.py, zoom.py) and its standard deviations (errors.py); overlap.py for images that do not
go round.
"""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.stacks import errors
from hpcdvc.stacks.chi2 import Similarity, chi2_similarity, least_variance, likelihood, padded_shape, whitened
from hpcdvc.stacks.highest import around, highest, second_highest
from hpcdvc.stacks.images import Images, prepare
from hpcdvc.stacks.overlap import overlap_shift
from hpcdvc.stacks.spectrum import Polynomial, find_maximum
from hpcdvc.stacks.zoom import zoom_in

METHODS = ("chi2", "chi2iterzoom", "cc", "dft", "phase")
BOUNDARIES = ("wrap", "overlap", "fill")
ERRORS = ("hessian", "contour", "zucker")


@dataclass(frozen=True)
class ShiftSettings:
    """How a shift is measured.

    Attributes
    ----------
    method : "chi2" Newton's method on the exact interpolation of chi2; "chi2iterzoom" finer and finer grids of it; "cc"
        Taylor step on the cross-correlation; "dft" up-sampled cross-correlation; "phase" up-sampled phase correlation
    stack : the first axis of the images counts frames that share one shift
    upsample : points per pixel of "dft" and "phase"; None: the maximum between all points
    boundary : "wrap" images go round; "overlap" only what is in both counts, pixels that are not there do not; "fill"
        zeros around them
    zeromean : take the means from the images; changes "chi2" with noise that is not alike everywhere
    largest : of each component, pixels; None: any
    errors : "hessian" curvature of the peak and noise; "contour" rise of chi2; "zucker" correlation coefficient
    fitted : numbers fitted together, for "contour"
    zoom_shape, mindiff : of "chi2iterzoom": points of a grid, and when to stop

    Raises
    ------
    UserError
        A word is not known, words do not go together, or a number is out of range.
    """

    method: str = "chi2"
    stack: bool = False
    upsample: int | None = None
    boundary: str = "wrap"
    zeromean: bool = False
    largest: float | None = None
    errors: str = "hessian"
    fitted: int = 2
    zoom_shape: tuple[int, ...] = (10, 10)
    mindiff: float = 1.0

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("boundary", BOUNDARIES), ("errors", ERRORS)):
            if getattr(self, name) not in known:
                raise UserError(f"the {name} {getattr(self, name)!r} is not known: {', '.join(known)}")
        if self.errors == "contour" and self.method not in ("chi2", "chi2iterzoom"):
            raise UserError("errors of a contour are those of chi2: take the method chi2 or chi2iterzoom")
        if self.upsample is not None and self.upsample < 1:
            raise UserError(f"upsample must be 1 or more, not {self.upsample}")
        if self.largest is not None and not self.largest >= 0:
            raise UserError(f"the largest shift must be 0 or more, not {self.largest}")
        if self.fitted < 1 or not self.mindiff > 0 or min(self.zoom_shape) < 3:
            raise UserError("fitted must be 1 or more, mindiff positive, and a grid to zoom have 3 points per axis")


@dataclass(frozen=True)
class Shift:
    """The shift of im2 against im1.

    Attributes
    ----------
    displacement : (3,) u, ZYX, pixels; NaN unless the status is 2
    std : (3,) its standard deviations, 0 along Z of images
    status : 2 measured; -2 an image is constant; -6 too few pixels are there; -9 nothing in common; -10 another place
        is as good; -11 the best place lies beyond the largest shift; -15 saturated
    score : zero-mean normalised correlation there
    details : what else there is: `similarity`, the map, and `place`, (axes,)
    """

    displacement: np.ndarray
    std: np.ndarray
    status: Status
    score: float
    details: dict = field(default_factory=dict, repr=False)


def measure_shift(
    im1: np.ndarray,
    im2: np.ndarray,
    settings: ShiftSettings = ShiftSettings(),
    noise: float | np.ndarray | None = None,
    mask1: np.ndarray | None = None,
    mask2: np.ndarray | None = None,
) -> Shift:
    """Measure the one displacement between two images, volumes or stacks: im2(x) = im1(x - u).

    Parameters
    ----------
    im1, im2 : (ny, nx) images or (nz, ny, nx) volumes of the same shape, of any type of number; with `settings.stack` a
        first axis more, of frames; NaN where a pixel is not there
    settings : ShiftSettings
    noise : standard deviation of the noise of im2, a number or an array of its shape, 0 or NaN where a pixel does not
        count; None: it is measured
    mask1, mask2 : 0 where a pixel does not count

    Returns
    -------
    Shift

    Raises
    ------
    UserError
        Shapes do not fit each other or the method.

    Notes
    -----
    A shift that is not 0 wraps pixels round the border unless `settings.boundary` says otherwise. Pixels that are not
    there have the mean of the others, unless it is "overlap", where they do not count.
    """
    images = prepare(im1, im2, settings.stack, noise, mask1, mask2)
    if images.status:
        return nothing(images.status)
    if settings.method == "chi2iterzoom" and len(images.shape) != len(settings.zoom_shape):
        raise UserError(f"a grid of {settings.zoom_shape} points does not zoom into an image of shape {images.shape}")
    if settings.boundary == "overlap":
        status, place, std, score = overlap_shift(images, settings.largest)
        return measured(place, np.diag(std**2), score) if status == Status.CONVERGED else nothing(status, score)
    return _spectral_shift(images, settings)


def nothing(status: int, score: float = np.nan) -> Shift:
    """No shift, and why."""
    return Shift(np.full(3, np.nan), np.full(3, np.nan), Status(status), score)


def measured(place: np.ndarray, covariance: np.ndarray, score: float, details: dict | None = None) -> Shift:
    """A shift of two or three components."""
    displacement, std = np.zeros(3), np.zeros(3)
    displacement[3 - len(place) :] = place
    std[3 - len(place) :] = np.sqrt(np.diag(covariance))
    return Shift(displacement, std, Status.CONVERGED, score, details or {})


def _spectral_shift(images: Images, settings: ShiftSettings) -> Shift:
    shape = padded_shape(images.shape, settings.boundary)
    similarity = chi2_similarity(images, settings.zeromean or settings.boundary == "fill", shape)
    if settings.method == "phase":
        similarity = whitened(similarity)
    elif settings.method in ("cc", "dft"):
        similarity = replace(similarity, score=similarity.cross)
    first, is_peak = highest(similarity.score.map, settings.largest)
    if not is_peak:
        return nothing(Status.BORDER_OF_RANGE)
    place = find_maximum(similarity.score, first)
    if place is None:
        return nothing(Status.SINGULAR)
    score = similarity.cross.derivatives(place)[0] / similarity.norm
    place = _refined(similarity, images, settings, first, place)
    status = judge(similarity, place, first, settings.largest)
    if status:
        return nothing(status, score)
    covariance = covariance_of(similarity, images, settings, place)
    return measured(place, covariance, score, {"similarity": similarity, "place": place, "first": first})


def _refined(
    similarity: Similarity, images: Images, settings: ShiftSettings, first: np.ndarray, place: np.ndarray
) -> np.ndarray:
    """The place between whole pixels as the method takes it, from its maximum."""
    if settings.method == "cc":
        return first + taylor_step(around(similarity.score.map, first))
    if settings.method in ("dft", "phase") and settings.upsample is not None:
        return upsampled(similarity.score, first, place, settings.upsample)
    if settings.method == "chi2iterzoom":
        chi2 = Polynomial(-2 * likelihood(similarity, images, place).spectrum, similarity.score.shape)
        return zoom_in(chi2, chi2.map, first, settings.mindiff, settings.zoom_shape).place
    return place


def upsampled(score: Polynomial, first: np.ndarray, place: np.ndarray, upsample: int) -> np.ndarray:
    """The highest point of a grid of 1 / upsample pixels next to the maximum."""
    if upsample == 1:
        return first
    grid = [(round(at * upsample) + np.arange(-1, 2)) / upsample for at in place]
    patch = score.values(grid)
    return np.array([axis[i] for axis, i in zip(grid, np.unravel_index(np.argmax(patch), patch.shape), strict=True)])


def taylor_step(near: np.ndarray) -> np.ndarray:
    """From the middle of 3 x 3 (x 3) values to the top of their Taylor polynomial; steps of 1 and more are 0."""
    middle, unit = (1,) * near.ndim, np.eye(near.ndim, dtype=int)

    def at(offset: np.ndarray) -> float:
        return float(near[tuple(np.add(middle, offset))])

    gradient = np.array([(at(a) - at(-a)) / 2 for a in unit])
    hessian = np.diag([at(a) + at(-a) - 2 * at(0 * a) for a in unit])
    for i, j in itertools.combinations(range(near.ndim), 2):
        a, b = unit[i], unit[j]
        hessian[i, j] = hessian[j, i] = (at(a + b) + at(-a - b) - at(a - b) - at(b - a)) / 4
    if np.linalg.det(hessian) == 0:
        return np.zeros(near.ndim)
    step = -np.linalg.solve(hessian, gradient)
    return np.where(np.abs(step) < 1, step, 0)


def judge(similarity: Similarity, place: np.ndarray, first: np.ndarray, largest: float | None) -> int:
    """Whether a peak is a match: 0, or why it is none."""
    score, values = similarity.score, similarity.score.map
    height, mean, trials = values[tuple(first)], values.mean(), values.size
    if largest is not None:
        if np.abs(place).max() > largest or errors.is_unique(score, place, values.max() - mean, height - mean):
            return Status.BORDER_OF_RANGE
        trials = min(trials, (2 * largest + 1) ** values.ndim)
    if not errors.beats_chance(similarity.cross, place, trials):
        return Status.DECORRELATED
    second = second_highest(values, first, largest)
    return 0 if errors.is_unique(score, place, height - mean, second - mean) else Status.AMBIGUOUS


def covariance_of(similarity: Similarity, images: Images, settings: ShiftSettings, place: np.ndarray) -> np.ndarray:
    """(axes, axes) covariance of a place, pixels^2."""
    if settings.errors == "zucker":
        coefficient = Polynomial(similarity.cross.spectrum / similarity.norm, similarity.cross.shape)
        return errors.zucker_covariance(coefficient, place, similarity.pixels)
    if settings.errors == "contour":
        return np.diag(errors.contour_extents(likelihood(similarity, images, place), place, settings.fitted) ** 2)
    is_chi2 = settings.method in ("chi2", "chi2iterzoom")
    if is_chi2 and images.weights is not None or settings.method != "phase" and images.noise:
        return errors.hessian_covariance(likelihood(similarity, images, place), place)
    found = errors.measured_covariance(similarity.score, place)
    least = errors.hessian_covariance(similarity.cross, place) * least_variance(similarity, images)
    return max(found, least, key=np.trace)
