"""The shift between images that do not go round: only pixels that are there in both count.

The whole pixels come from the normalised correlation of what overlaps, at all displacements at once by Fourier
transforms (Padfield 2012, doi 10.1109/TIP.2011.2181402); what lies between them from Gauss-Newton iterations in the
image.
"""

from dataclasses import replace

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.registration.levels import binning
from hpcdvc.stacks.chi2 import cross_spectrum, padded_shape, spectrum_of
from hpcdvc.stacks.highest import highest, second_highest
from hpcdvc.stacks.images import Images
from hpcdvc.stacks.interpolation import interpolation_bias
from hpcdvc.stacks.iterations import gauss_newton
from hpcdvc.stacks.match import LEAST_SIDE, ODDS, matches_beside_its_brightest, overlap_beats_chance, overlapping
from hpcdvc.stacks.spectrum import Polynomial, axes_of

#: Least part of the pixels that must overlap.
LEAST_OVERLAP = 0.1
#: Part of what interpolation moves a place by that is not known.
BIAS_UNKNOWN = 0.05
#: Most pixels of a frame in which all displacements are tried, at first, and where that finds nothing; larger ones are
#: binned.
MOST_PIXELS = (2**20, 2**22)
#: Pixels along each axis, by their number, of the middle in which a shift of images that go round is looked at again.
MIDDLE = {2: 512, 3: 96}
#: What it may be off there: pixels, and standard deviations.
OFF, DEVIATIONS = 0.5, 3.0
#: Standard deviations of such a shift, of which that of what overlaps is so many when the border alone told the place.
UNSURE = 3.0
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
    if min(images.shape) < LEAST_SIDE:
        none = np.full(len(images.shape), np.nan)
        return Status.FEW_VALID_VOXELS, none, none, np.nan
    found = _shift_from(images, largest, MOST_PIXELS[0])
    if found[0] != Status.CONVERGED and np.prod(images.shape) > MOST_PIXELS[0]:  # texture that binning takes away
        found = _shift_from(images, largest, MOST_PIXELS[1])
    return found


def _shift_from(images: Images, largest: float | None, most: int) -> tuple[int, np.ndarray, np.ndarray, float]:
    """As `overlap_shift`; all displacements are tried in images of so many pixels at most."""
    levels = [images]
    while np.prod(levels[-1].shape) > most:
        levels.append(_halved(levels[-1]))
    factor = 2 ** (len(levels) - 1)
    likely = match_map(levels[-1])
    status, place = _best(likely, None if largest is None else largest / factor)
    if status:
        return status, place, place, np.nan
    place = place.astype(float)
    for level in reversed(levels):
        settled = gauss_newton(level, place)
        place = settled.place * (2 if level is not images else 1)
    status, std = settled.status, settled.std
    if status == Status.CONVERGED:
        bias = interpolation_bias(images, place, settled.width)
        place, std = place - bias, np.hypot(std, BIAS_UNKNOWN * np.abs(bias).max())
    if status in (Status.CONVERGED, Status.DECORRELATED):
        trials = likely.size * factor ** len(place) if largest is None else (2 * largest + 1) ** len(place)
        matches = overlap_beats_chance(images, place, trials)
        matches = matches and matches_beside_its_brightest(images, place, settled.zncc)
        status = Status.CONVERGED if matches else Status.DECORRELATED
    if status == Status.CONVERGED and largest is not None and np.abs(place).max() > largest:
        status = Status.BORDER_OF_RANGE
    return status, place, std, settled.zncc


def match_map(images: Images) -> np.ndarray:
    """How much likelier than chance a match is at all whole displacements: -n/2 log(1 - c^2) of n pixels that overlap.

    Returns
    -------
    float array; index d or, for negative displacements, m + d; 0 where c is not positive or too little overlaps
    """
    correlation, count = overlap_correlation(images)
    correlation[count < LEAST_OVERLAP * count.max()] = 0
    correlation = np.clip(correlation, 0, 1 - 1e-6)
    return -count / 2 * np.log1p(-(correlation**2))


def overlap_correlation(images: Images) -> tuple[np.ndarray, np.ndarray]:
    """Zero-mean normalised correlation of what overlaps at all whole displacements, and how many pixels that are.

    Returns
    -------
    two float arrays; index d or, for negative displacements, m + d; the correlation is 0 where there is no texture
    """
    shape = padded_shape(images.shape, "overlap")
    there = [
        np.ones(image.shape, np.float32) if there is None else there.astype(np.float32)
        for image, there in ((images.im1, images.there1), (images.im2, images.there2))
    ]
    axes, spectra = axes_of(images.im1), []
    for image, mask in zip((images.im1, images.im2), there, strict=True):
        mean = (image * mask).sum(axis=axes, keepdims=True) / np.maximum(mask.sum(axis=axes, keepdims=True), 1)
        values = (image - mean) * mask
        values = (values / max(values.std(), np.finfo(float).tiny)).astype(np.float32)
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
    enough = (power1 > 1e-4 * count) & (power2 > 1e-4 * count)
    correlation = np.zeros(shape)
    np.divide(product, np.sqrt(np.abs(power1 * power2)), out=correlation, where=enough)
    return correlation, count


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


def stays_in_overlap(images: Images, place: np.ndarray, std: np.ndarray) -> bool:
    """Whether Gauss-Newton iterations in what overlaps stay where a shift of images that go round is.

    Where the border of the images is their strongest edge, they match best when they are not moved at all. Where it is
    all that tells the place, as of a slope of grey values, what overlaps does not tell it.

    Parameters
    ----------
    images : that are compared
    place, std : (axes,) displacement and its standard deviations, pixels
    """
    found = overlapping(images, place)
    if found is None:
        return False
    one, two, rest = found
    most = MIDDLE[len(rest)]
    middle = (slice(None), *(slice(max(n - most, 0) // 2, (n + most) // 2) for n in one.shape[1:]))
    for part in (middle, ...):
        settled = gauss_newton(replace(images, im1=one[part], im2=two[part], there1=None, there2=None), rest)
        unsure = ~(settled.std < np.maximum(OFF, UNSURE * std))  # or not known at all
        if settled.status != Status.SINGULAR and not unsure.any() or one[part].size == one.size:
            break
    off = np.abs(settled.place - rest)
    known = settled.status not in (Status.SINGULAR, Status.LEFT_IMAGE) and not unsure.any()
    return known and bool((off <= OFF + DEVIATIONS * settled.std).all())
