"""The shift between two images: the engine behind `hpcdvc-shift` and the functions for pairs in `pair_api`.

im2(x) = im1(x - u): what lies at x in im1 lies at x + u in im2. A similarity map over all displacements (chi2.py),
its peak (highest.py, spectrum.py, zoom.py) and its standard deviations (errors.py); overlap.py for images that do not
go round.
"""

import itertools
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.stacks import errors
from hpcdvc.stacks.by_windows import shift_by_map, shift_by_points
from hpcdvc.stacks.chi2 import (
    Similarity,
    chi2_similarity,
    chi2_terms,
    least_variance,
    likelihood,
    padded_shape,
    residual_variance,
    whitened,
)
from hpcdvc.stacks.highest import around, highest, second_highest
from hpcdvc.stacks.images import Images, prepare
from hpcdvc.stacks.match import beats_chance, goes_round, is_unique, matches_beside_its_brightest, overlap_beats_chance
from hpcdvc.stacks.overlap import overlap_shift, stays_in_overlap
from hpcdvc.stacks.settings import Shift, ShiftSettings, measured, nothing
from hpcdvc.stacks.spectrum import Polynomial, axes_of, find_maximum
from hpcdvc.stacks.zoom import zoom_in

#: Correlation from which on images that match at several places are alike, as gratings are, however few their waves.
ALIKE = 0.5


def measure_shift(
    im1: np.ndarray,
    im2: np.ndarray,
    settings: ShiftSettings = ShiftSettings(),  # noqa: B008 (frozen)
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
    axes = len(images.shape)
    if axes == 3 and settings.method not in ("chi2", "cc", "dft", "phase"):
        raise UserError(f"volumes are compared by the methods chi2, cc, dft and phase, not by {settings.method}")
    if settings.method == "map":
        return shift_by_map(images, settings)
    if settings.method == "points":
        return shift_by_points(images, settings)
    if settings.boundary == "overlap":
        status, place, std, score = overlap_shift(images, settings.largest)
        return measured(place, np.diag(std**2), score) if status == Status.CONVERGED else nothing(status, score)
    return _spectral_shift(images, settings)


def _spectral_shift(images: Images, settings: ShiftSettings) -> Shift:
    similarity = similarity_of(images, settings)
    first, is_peak = highest(similarity.score.map, settings.largest)
    peak = find_maximum(similarity.score, first)
    if not is_peak:
        return nothing(Status.BORDER_OF_RANGE)
    if peak is None:
        return nothing(Status.SINGULAR)
    place = _as_method(similarity, images, settings, first, peak)
    score = similarity.cross.derivatives(place)[0] / similarity.norm
    status = judge(similarity, images, settings, place, first)
    details = {"map": chi2_map(images, settings, similarity, peak)} if settings.keep_map else {}
    if status:
        return nothing(status, score, details)
    covariance = covariance_of(similarity, images, settings, peak)
    if not goes_round(images) and not stays_in_overlap(images, peak, np.sqrt(np.diag(covariance))):
        return nothing(Status.AMBIGUOUS, score, details)
    if settings.errors == "hessian":  # what a grid or a Taylor step is off from the maximum between all points
        covariance = covariance + np.diag((place - peak) ** 2)
    return measured(place, covariance, score, details)


def similarity_of(images: Images, settings: ShiftSettings) -> Similarity:
    """What is maximised by the method of the settings."""
    padded = padded_shape(images.shape, settings.boundary)
    similarity = chi2_similarity(images, settings.zeromean or settings.boundary == "fill", padded)
    if settings.method == "phase":
        return whitened(similarity)
    if settings.method in ("cc", "dft"):
        return replace(similarity, score=similarity.cross)
    return similarity


def chi2_map(
    images: Images, settings: ShiftSettings, similarity: Similarity, peak: np.ndarray
) -> dict[str, np.ndarray]:
    """chi2 over displacements d and its terms, index d + n // 2: `chi2`, `term1`, `term2`, `term3`."""
    weights = images.weights
    if weights is None:
        weights = 1 / (images.noise**2 if images.noise else residual_variance(similarity, images, peak))
    one, two = images.im1, images.im2
    if settings.zeromean:
        one, two = (image - image.mean(axis=axes_of(image), keepdims=True) for image in (one, two))
    term1, term2, term3 = chi2_terms(one, two, weights, settings.boundary)
    return {"chi2": term1 + term2 + term3, "term1": term1, "term2": term2, "term3": term3}


def _as_method(
    similarity: Similarity, images: Images, settings: ShiftSettings, first: np.ndarray, peak: np.ndarray
) -> np.ndarray:
    """The place between whole pixels as the method takes it, from the whole pixel and the maximum."""
    if settings.method == "cc":
        return first + taylor_step(around(similarity.score.map, first))
    if settings.method in ("dft", "phase") and settings.upsample is not None:
        return upsampled(similarity.score, first, peak, settings.upsample)
    if settings.method == "chi2iterzoom":
        chi2 = np.fft.fftshift(-2 * likelihood(similarity, images, peak).map)
        return zoom_in(chi2, settings.mindiff, settings.zoom_shape).place - np.array(chi2.shape) // 2
    return peak


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


def judge(similarity: Similarity, images: Images, settings: ShiftSettings, place: np.ndarray, first: np.ndarray) -> int:
    """Whether a peak is a match: 0, or why it is none."""
    score, values, largest = similarity.score, similarity.score.map, settings.largest
    height, mean, trials = values[tuple(first)], values.mean(), values.size
    turned = similarity.cross.turned(place)
    own = turned if score is similarity.cross else score.turned(place)
    if largest is not None:
        elsewhere = is_unique(own, score.shape, values.max() - mean, height - mean)
        if elsewhere or np.abs(place).max() > largest:
            return Status.BORDER_OF_RANGE
        trials = min(trials, (2 * largest + 1) ** values.ndim)
    zncc = similarity.cross.derivatives(place)[0] / similarity.norm
    by_chance = not beats_chance(turned, score.shape, trials)
    # zeros around the images, and frequencies that all count alike, are not met by chance alone
    if settings.boundary == "fill" or settings.method == "phase" and not goes_round(images):
        by_chance = by_chance or not overlap_beats_chance(images, place, trials)
    by_chance = by_chance or not matches_beside_its_brightest(images, place, zncc, settings.boundary == "wrap")
    unique = is_unique(own, score.shape, height - mean, second_highest(values, first, largest) - mean)
    if by_chance and (unique or zncc < ALIKE):
        return Status.DECORRELATED
    return 0 if unique else Status.AMBIGUOUS


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
