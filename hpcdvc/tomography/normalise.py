"""From light to absorbance, A = -log10 T, where T is the part of the light that a sample leaves."""

import numpy as np
from scipy.ndimage import uniform_filter

#: Less light than this part of the beam is not told from none.
DARKEST = 1e-4
#: The brightest part of a view, whose median is the beam, and the window over whose other pixels it is told.
BRIGHT_PART, WINDOW = 0.05, 7
#: The beam is about as bright as this percentile of a view, in mumott.
PERCENTILE = 99.9
#: Parts of the columns that are looked at along a border, at least some, and rows; and the part of the greatest
#: absorbance that an object has there.
BORDER, COLUMNS, ROWS, CROSSING = 16, 3, 7, 0.06


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

    Parameters
    ----------
    values, weights : (J, K) of a view; absorbance of air is about 0
    """
    seen = weights > 0
    if not seen.any():
        return False
    values = np.where(seen, values, 0)
    greatest, width = float(np.quantile(values[seen], 0.99)), max(COLUMNS, len(values) // BORDER)
    sides = [part.mean(axis=0) for part in (values[:width], values[-width:])]
    heights = [float(uniform_filter(side, min(ROWS, len(side)), mode="nearest").max()) for side in sides]
    return greatest > 0 and min(heights) > CROSSING * greatest
