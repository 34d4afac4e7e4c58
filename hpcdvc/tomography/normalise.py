"""From light to absorbance, A = -log10 T, where T is the part of the light that a sample leaves."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import uniform_filter

#: Less light than this part of the beam is not told from none.
DARKEST = 1e-4
#: The brightest part of a view, whose median is the beam, and the window over whose other pixels it is told.
BRIGHT_PART, WINDOW = 0.05, 7
#: The beam is about as bright as this percentile of a view, in mumott.
PERCENTILE = 99.9
#: Parts of the columns that are looked at along a border, some of them at least, and rows; what an object has there
#: above the background, and by how much it rises inwards in those columns, as parts of the greatest absorbance.
BORDERS, ROWS, CROSSING, RISING = ((32, 3), (16, 7)), 7, 0.06, 0.03
#: Standard deviations of noise that are no object.
NOISE = 4


def beam_of(light: np.ndarray, background: str = "bright") -> float:
    """Light of a view beside the sample.

    "bright" is the median of the bright part: pixels whose neighbours are the brightest of the view, whatever they are
    themselves. So noise chooses none of them, and does not brighten the beam.

    Parameters
    ----------
    light : (J, K), some of whose pixels see no sample
    background : "bright"; "percentile": the 99.9th, as in mumott; "none": 1
    """
    if background == "none":
        return 1.0
    if background == "percentile":
        return float(np.percentile(light, PERCENTILE))
    values = np.asarray(light, np.float64)
    around = _sums(values) - values
    around /= np.maximum(np.outer(*(_sums(np.ones(n)) for n in values.shape)) - 1, 1)
    return float(np.median(values[around >= np.quantile(around, 1 - BRIGHT_PART)]))


def _sums(values: np.ndarray) -> np.ndarray:
    """Sums over a window about each pixel, of the pixels that are there."""
    return uniform_filter(values, WINDOW, mode="constant") * WINDOW**values.ndim


def absorbance(light: np.ndarray, background: str = "bright") -> tuple[np.ndarray, np.ndarray] | None:
    """Absorbance of light, and which pixels count.

    Parameters
    ----------
    light : (J, K), NaN where it is not known
    background : see `beam_of`; with "percentile" pixels brighter than the beam have absorbance 0 and no weight, else
        they are noise, and count as any

    Returns
    -------
    (J, K) float32 absorbance, base 10, 0 where it is not known
    (J, K) float32 weights, 1 or 0
    None, where no light is seen
    """
    known = np.isfinite(light)
    if not known.any():
        return None
    clipped, middle = background == "percentile", np.median(light[known])
    beam = beam_of(np.where(known, light, middle), background)
    if not beam > 0:
        return None
    with np.errstate(invalid="ignore"):
        transmission = np.asarray(light, np.float64) / beam
        there = (transmission >= DARKEST) & ((transmission <= 1) | (not clipped))
    transmission = np.clip(np.where(known, transmission, 1), DARKEST, 1 if clipped else None)
    return (-np.log10(transmission)).astype(np.float32), there.astype(np.float32)


def crosses_borders(values: np.ndarray, weights: np.ndarray) -> bool:
    """Whether the object of a view leaves it at both sides, left and right: its field of view is truncated.

    At both borders it stands out from a background that is even along them, or rises inwards from the border on. An
    object that comes close does neither there, nor does a background that rises from one side to the other.

    Parameters
    ----------
    values, weights : (J, K) of a view; absorbance of air is about 0
    """
    seen = weights > 0
    if not seen.any():
        return False
    greatest = float(np.quantile(values[seen], 0.99))
    if not greatest > 0:
        return False
    noise = NOISE * noise_of(values, weights)
    widths = [min(max(least, len(values) // part), len(values)) for part, least in BORDERS]
    if _of_both(_height, values, weights, widths[0]) - noise / np.sqrt(widths[0] * ROWS) > CROSSING * greatest:
        return True
    rises = [_of_both(_rise, values, weights, n) - noise * np.sqrt(12 / n / values.shape[1]) for n in widths]
    return bool(max(rises) > RISING * greatest)


def _of_both(measure: Callable[..., float], values: np.ndarray, weights: np.ndarray, width: int) -> float:
    """The smaller of what is measured along the first and the last columns, the border first."""
    return min(measure(values[at], weights[at]) for at in (slice(width), slice(-1, -width - 1, -1)))


def _height(values: np.ndarray, weights: np.ndarray) -> float:
    """What stands out along a border (columns, K), from the line that lies highest below all of it."""
    along = uniform_filter(_means(values, weights, 0), min(ROWS, values.shape[1]), mode="nearest")
    rows, middle = np.arange(len(along)), (len(along) - 1) / 2
    below: list[int] = []  # the lower hull
    for at in rows.tolist():
        while len(below) > 1 and _slope(along, *below[-2:]) >= _slope(along, below[-1], at):
            below.pop()
        below.append(at)
    after = max(int(np.searchsorted(below, middle)), 1)
    steepness = _slope(along, *below[after - 1 : after + 1]) if len(below) > 1 else 0.0
    line = np.interp(middle, below, along[below]) + steepness * (rows - middle)
    return float((along - line).max())


def _slope(values: np.ndarray, first: int, last: int) -> float:
    return (values[last] - values[first]) / (last - first)


def _rise(values: np.ndarray, weights: np.ndarray) -> float:
    """How far lines (columns, K) rise from the border inwards; 0 where they only begin to at some distance from it."""
    across, few = _means(values, weights, 1), max(1, len(values) // 6)
    steepness = (across[-1] - across[0]) / max(len(across) - 1, 1)
    if len(across) <= few or across[few] - across[0] < few * steepness / 2:
        return 0.0
    return float(np.polyfit(np.arange(len(across)), across, 1)[0] * len(across))


def _means(values: np.ndarray, weights: np.ndarray, axis: int) -> np.ndarray:
    """Means along an axis of what has weight; that of all where nothing has."""
    total = weights.sum(axis=axis, dtype=float)
    sums = (values * weights).sum(axis=axis, dtype=float)
    return np.where(total > 0, sums / np.maximum(total, 1e-30), sums.sum() / max(total.sum(), 1e-30))


def noise_of(values: np.ndarray, weights: np.ndarray) -> float:
    """Standard deviation of white noise of a view (J, K), from what no plane or saddle has (Immerkaer 1996)."""
    differences = np.where(weights > 0, values, np.nan).astype(float)
    for axis in (0, 1):
        differences = np.diff(differences, 2, axis)
    sizes = np.abs(differences)
    sizes = sizes[sizes > 0]  # clipped pixels have none
    return float(np.median(sizes) / 0.6745 / 6) if sizes.size else 0.0
