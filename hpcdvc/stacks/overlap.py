"""The shift between images that do not go round: only pixels that are there in both count.

The whole pixels come from the normalised correlation of what overlaps, at all displacements at once by Fourier
transforms (Padfield 2012, doi 10.1109/TIP.2011.2181402); what lies between them from Gauss-Newton iterations in the
image, with the gradient of im1: that of im2 would take its noise, interpolated, for motion.
"""

from dataclasses import replace

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.ranks.team import Team
from hpcdvc.registration.gauss_newton import Iterate, iterate
from hpcdvc.registration.levels import GreyValues, binning
from hpcdvc.registration.pair import Pair, Totals
from hpcdvc.registration.settings import Gradient, Iterations, Settings
from hpcdvc.stacks.chi2 import cross_spectrum, padded_shape, spectrum_of
from hpcdvc.stacks.highest import highest, second_highest
from hpcdvc.stacks.images import Images
from hpcdvc.stacks.match import ODDS, overlap_beats_chance, overlapping
from hpcdvc.stacks.spectrum import Polynomial, axes_of

#: Least part of the pixels that must overlap.
LEAST_OVERLAP = 0.1
#: Most pixels of a frame in which all displacements are tried; larger ones are binned.
MOST_PIXELS = 2**22
ITERATIONS = Iterations(min_delta_phi=1e-4, min_zncc=0.0)
#: Pixels at each side of im1 that do not count: their gradients and the interpolation next to them are poorer.
MARGIN = 2
#: Widths of the Gaussian derivatives that are tried where the gradient of im1 is noisy, pixels; None: a spline's.
GRADIENTS = (None, 1.0, 2.0, 4.0)
#: Part of the squared gradient that is noise from which on a smoother one is tried, and what it may leave of it.
NOISY, BETTER = 0.4, 0.8
#: Pixels along each axis, by their number, of the middle in which a shift of images that go round is looked at again.
MIDDLE = {2: 512, 3: 96}
#: What it may be off there: pixels, and standard deviations.
OFF, DEVIATIONS = 0.5, 3.0
#: A second peak of so much of the height of the first is as good.
UNIQUE = 0.9


def overlap_shift(images: Images, largest: float | None) -> tuple[int, np.ndarray, np.ndarray, float]:
    """The shift of what overlaps.

    Parameters
    ----------
    images : that are compared
    largest : of each component, pixels; None: any

    Returns
    -------
    status, (axes,) displacement, (axes,) standard deviations, zero-mean normalised correlation
    """
    levels = [images]
    while np.prod(levels[-1].shape) > MOST_PIXELS:
        levels.append(_halved(levels[-1]))
    factor = 2 ** (len(levels) - 1)
    likely = match_map(levels[-1])
    status, place = _best(likely, None if largest is None else largest / factor)
    if status:
        return status, place, place, np.nan
    place = place.astype(float)
    for level in reversed(levels):
        state = gauss_newton(level, place)
        place = state.phi[3 - len(place) :, 3] * (2 if level is not images else 1)
    std = np.sqrt(state.variance.reshape(3, 4)[3 - len(place) :, 3])
    status = state.status
    if status in (Status.CONVERGED, Status.DECORRELATED):
        trials = likely.size if largest is None else (2 * largest + 1) ** len(place)
        status = Status.CONVERGED if overlap_beats_chance(images, place, trials) else Status.DECORRELATED
    if status == Status.CONVERGED and largest is not None and np.abs(place).max() > largest:
        status = Status.BORDER_OF_RANGE
    return status, place, std, state.zncc


def match_map(images: Images) -> np.ndarray:
    """How much likelier than chance a match is at all whole displacements: -n/2 log(1 - c^2) of n pixels that overlap.

    Returns
    -------
    float array; index d or, for negative displacements, m + d; 0 where c is not positive or too little overlaps
    """
    shape = padded_shape(images.shape, "overlap")
    there = [
        np.ones(image.shape, np.float32) if there is None else there.astype(np.float32)
        for image, there in ((images.im1, images.there1), (images.im2, images.there2))
    ]
    axes, spectra = axes_of(images.im1), []
    for image, mask in zip((images.im1, images.im2), there, strict=True):
        mean = (image * mask).sum(axis=axes, keepdims=True) / np.maximum(mask.sum(axis=axes, keepdims=True), 1)
        values = ((image - mean) * mask).astype(np.float32)
        values /= max(values.std(), np.finfo(np.float32).tiny)
        spectra.append([spectrum_of(part, shape) for part in (mask, values, values**2)])
    count = product = power1 = power2 = 0
    for k in range(len(images.im1)):
        (m1, a, aa), (m2, b, bb) = ([part[k : k + 1] for part in parts] for parts in spectra)
        n, s1, s2, s11, s22, s12 = (
            Polynomial(cross_spectrum(one, two), shape).map
            for one, two in ((m1, m2), (a, m2), (m1, b), (aa, m2), (m1, bb), (a, b))
        )
        n = np.maximum(n, 1)
        count = count + n
        product, power1, power2 = product + s12 - s1 * s2 / n, power1 + s11 - s1**2 / n, power2 + s22 - s2**2 / n
    enough = (count >= LEAST_OVERLAP * count.max()) & (power1 > 1e-4 * count) & (power2 > 1e-4 * count)
    correlation = np.zeros(shape)
    np.divide(product, np.sqrt(np.abs(power1 * power2)), out=correlation, where=enough)
    correlation = np.clip(correlation, 0, 1 - 1e-6)
    return -count / 2 * np.log1p(-(correlation**2))


def _best(likely: np.ndarray, largest: float | None) -> tuple[int, np.ndarray]:
    """0, or why there is no best place, and the whole displacement."""
    place, is_peak = highest(likely, largest)
    height = likely[tuple(place)]
    if not height > 0:
        return Status.DECORRELATED, place
    if not is_peak or height < UNIQUE * likely.max() and likely.max() - height > ODDS:
        return Status.BORDER_OF_RANGE, place
    second = second_highest(likely, place, largest)
    return (Status.AMBIGUOUS if second > UNIQUE * height or height - second < ODDS else 0), place


def _halved(images: Images) -> Images:
    """Binned by two; cells count of which all pixels do."""

    def halved(frames: np.ndarray, there: np.ndarray | None) -> np.ndarray:
        holes = frames if there is None else np.where(there, frames, np.nan)
        return np.stack([binning(frame, 2) for frame in holes]).astype(np.float64)

    one, two = halved(images.im1, images.there1), halved(images.im2, images.there2)
    there1, there2 = (None if np.isfinite(image).all() else np.isfinite(image) for image in (one, two))
    rounding = images.rounding / 2 ** len(images.shape)
    return replace(
        images, im1=np.nan_to_num(one), im2=np.nan_to_num(two), there1=there1, there2=there2, rounding=rounding
    )


class Frames:
    """Pairs of frames that share one motion, as the iterations see them: as one pair."""

    def __init__(self, pairs: list[Pair], basis: np.ndarray):
        self.pairs, self.basis = pairs, basis

    def __getattr__(self, name: str):
        return getattr(self.pairs[0], name)

    def totals(self, *arguments) -> Totals | None:
        """Sums over the blocks of all frames; see `Pair.totals`."""
        parts = [pair.totals(*arguments) for pair in self.pairs]
        if any(part is None for part in parts):
            return None
        return _added(parts)

    def noise_of_gradient(self, zncc: float) -> float:
        """Part of the squared gradient that is noise, if what does not correlate is noise of both images alike."""
        r = _added([pair.latest_parts(1)[0] for pair in self.pairs]).reference
        variance = r["aa"] / r["n"] - (r["a"] / r["n"]) ** 2
        return float(
            self.gradient_noise * (1 - zncc) * variance * r["n"] / (r["M"][3, 3] + r["M"][7, 7] + r["M"][11, 11])
        )


def _added(parts: list[Totals]) -> Totals:
    return Totals(*(_sum([getattr(part, name) for part in parts]) for name in ("reference", "match")))


def _sum(records: list[np.void]) -> np.void:
    rows = np.array(records)
    return rows.view("f8").reshape(len(rows), -1).sum(axis=0).view(rows.dtype)[0]


def gauss_newton(images: Images, start: np.ndarray) -> Iterate:
    """Iterations from a displacement until it has settled; nothing else moves.

    Parameters
    ----------
    images : that are compared
    start : (axes,) displacement, pixels
    """
    best, least = None, np.inf
    for width in GRADIENTS:
        frames, phi = _frames(images, start, width)
        state = Iterate(0, 0, frames.has_sample, phi)
        counts = images.im1[(slice(None), *(slice(MARGIN, n - MARGIN) for n in images.shape))].size
        for after in iterate(frames, state, phi, ITERATIONS, Team(), counts):
            state = after
        noisy = frames.noise_of_gradient(state.zncc)
        if best is not None and not noisy < BETTER * least:
            break
        best, least = state, noisy
        if not noisy > NOISY:
            break
    return best


def _frames(images: Images, start: np.ndarray, width: float | None) -> tuple[Frames, np.ndarray]:
    """The frames of two images, of which only displacements are asked, and Phi (3, 4) to start from."""
    axes = len(start)
    shape = (1,) * (3 - axes) + images.shape
    gradient = Gradient() if width is None else Gradient("gaussian", width)
    settings = Settings(dimensions=axes, iterations=ITERATIONS, gradient=gradient)
    phi = np.eye(4)[:3]
    phi[3 - axes :, 3] = start
    margin = tuple(0 if n == 1 else MARGIN for n in shape)
    unit, rounding = float(images.im1.std()), (images.rounding / 2,) * 2
    pairs = []
    for k, (one, two) in enumerate(zip(images.im1, images.im2, strict=True)):
        mask = None if images.there1 is None else images.there1[k].astype(np.uint8).reshape(shape)
        holes = two if images.there2 is None else np.where(images.there2[k], two, np.nan)
        grey1 = GreyValues(float(one.mean()), unit, True)
        grey2 = GreyValues(float(two.mean()), unit, images.there2 is None)
        one, holes = (np.ascontiguousarray(image.reshape(shape)) for image in (one, holes))
        pairs.append(Pair(one, holes, settings, grey1, grey2, mask, margin, np.zeros(3), Team(), phi, rounding))
    return Frames(pairs, pairs[0].basis[:, :axes]), phi


def stays_in_overlap(images: Images, place: np.ndarray) -> bool:
    """Whether Gauss-Newton iterations in what overlaps stay where a shift of images that go round is.

    Where the border of the images is their strongest edge, they match best when they are not moved at all.

    Parameters
    ----------
    images : that are compared
    place : (axes,) displacement, pixels
    """
    found = overlapping(images, place)
    if found is None:
        return False
    one, two, rest = found
    most = MIDDLE[len(rest)]
    middle = (slice(None), *(slice(max(n - most, 0) // 2, (n + most) // 2) for n in one.shape[1:]))
    state = gauss_newton(replace(images, im1=one[middle], im2=two[middle], there1=None, there2=None), rest)
    if state.status == Status.SINGULAR:  # nobody knows
        return True
    off = np.abs(state.phi[3 - len(rest) :, 3] - rest)
    std = np.sqrt(state.variance.reshape(3, 4)[3 - len(rest) :, 3])
    return state.status != Status.LEFT_IMAGE and bool((off <= OFF + DEVIATIONS * np.nan_to_num(std)).all())
