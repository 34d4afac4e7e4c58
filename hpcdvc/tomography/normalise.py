"""From light to absorbance, A = -log10 T, where T is the light that a sample leaves."""

import numpy as np

#: Less light than this part of the beam is not told from none.
DARKEST = 1e-4
#: The beam beside a sample is about as bright as this percentile of a view.
BRIGHT = 99.9
#: Standard deviations of the noise at which that percentile lies above the beam, and rounds until they are known better.
ABOVE, ROUNDS = 3.0, 3
#: The beam is known to this part of it at least, where a view has no noise.
FINEST = 1e-3
#: Median of the absolute value of a normal distribution.
MEDIAN_ABSOLUTE = 0.6745


def brightest(light: np.ndarray) -> float:
    """The beam of a view as the 99.9th percentile of its light."""
    return float(np.percentile(light, BRIGHT))


def bright_median(light: np.ndarray) -> float:
    """The beam of a view as the median of its bright part: noise does not brighten it.

    The bright part is what differs from the beam by no more than the noise of pixels, which their differences from their
    neighbours show; the beam is sought from the 99.9th percentile downwards.

    Parameters
    ----------
    light : (J, K), of which some pixels see the beam and no sample
    """
    values = np.asarray(light, np.float64)
    beam = brightest(values)
    noise = max(_noise(values), FINEST * beam / ABOVE)
    beam -= ABOVE * noise
    for _ in range(ROUNDS):
        part = values[np.abs(values - beam) <= ABOVE * noise]
        if not part.size:
            return brightest(values)
        beam = float(np.median(part))
    return beam


def _noise(light: np.ndarray) -> float:
    """Standard deviation of the noise of pixels, from second differences, of which most see no structure."""
    found = []
    for axis in (0, 1):
        if light.shape[axis] >= 3:
            second = np.diff(light, 2, axis=axis)
            found.append(float(np.median(np.abs(second))) / MEDIAN_ABSOLUTE / np.sqrt(6))
    return min(found, default=0.0)


def absorbance(transmission: np.ndarray, clipped: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Absorbance of the light that is left.

    Parameters
    ----------
    transmission : (J, K), 1 where there is no sample
    clipped : what is brighter than the beam has no weight, and absorbance 0; otherwise it is noise, and counts as any

    Returns
    -------
    (J, K) float32 absorbance, base 10
    (J, K) float32 weights, 1 or 0
    """
    there = transmission >= DARKEST
    if clipped:
        there &= transmission <= 1
    light = np.clip(np.where(np.isfinite(transmission), transmission, 1), DARKEST, 1 if clipped else None)
    return (-np.log10(light)).astype(np.float32), there.astype(np.float32)
