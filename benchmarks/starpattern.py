"""The star of the DIC Challenge 2.0, and what a measurement of it is judged by.

Reu et al. 2022, Experimental Mechanics 62, 639-654, doi 10.1007/s11340-021-00806-6: a noisy speckle pattern of
501 x 4000 pixels that moves up and down only, by a wave that becomes longer from left to right. The row in the middle
moves by the whole amplitude everywhere, so what is missing there was lost by the windows; nothing moves along x, so
what is measured along x is error. Two figures that can be traded for each other by the size of the window, and their
product, which says how good a method is at any size:

* noise: standard deviation of the horizontal displacement over all nodes that are compared, pixels;
* wavelength of 10 % loss: from this wavelength on the middle row never keeps less than 90 % of the amplitude, pixels.

Fields are rows of y, x, displacement along y, displacement along x.
"""

import os
from pathlib import Path

import numpy as np
from processes import ROOT

DATA = Path(os.environ.get("HPCDVC_SHARED", ROOT.parent / "shared")) / "data" / "dic2d_challenge2_star"
IMAGES = DATA / "ref.tif", DATA / "def.tif"
HEIGHT, WIDTH = 501, 4000
MIDDLE, AMPLITUDE = 250, 0.5
SHORTEST, LONGEST = 10.0, 300.0  # wavelengths at the left and right edge, pixels
MARGIN = 20  # nodes nearer to an edge are not compared: half the largest window, the motion, and what splines need
LONG = 120.0, 220.0  # of these waves even large windows should keep all
SMOOTHING = 0.2  # half width of the weights along the middle row, as part of the wavelength


def wavelength(x: np.ndarray) -> np.ndarray:
    """Of the vertical displacement in the column x, pixels."""
    return SHORTEST + (LONGEST - SHORTEST) * np.asarray(x) / (WIDTH - 1)


def displacement(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """True vertical displacement, pixels; there is no horizontal one."""
    return AMPLITUDE * np.cos(2 * np.pi * (np.asarray(y) - MIDDLE) / wavelength(x))


def compared(field: np.ndarray) -> np.ndarray:
    """The rows of a field that are farther than MARGIN from the edges."""
    inside = (field[:, :2] >= MARGIN) & (field[:, :2] <= np.array([HEIGHT, WIDTH]) - 1 - MARGIN)
    return field[inside.all(axis=1)]


def noise(field: np.ndarray, from_wavelength: float = 0.0) -> float:
    """Standard deviation of the horizontal displacement, pixels; of columns where the wave is that long."""
    field = compared(field)
    return float(field[wavelength(field[:, 1]) >= from_wavelength, 3].std())


def kept(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measured / true displacement of the middle row, against wavelength.

    At each node a straight line is fitted to the nodes near it, with triangular weights that vanish where the
    wavelength differs by a part of SMOOTHING: averages over noise, takes no side where the curve is steep.

    Returns
    -------
    wavelengths (n), ascending, pixels; kept (n)
    """
    row = compared(field)
    row = row[row[:, 0] == MIDDLE]
    row = row[np.argsort(row[:, 1])]
    length, ratio = wavelength(row[:, 1]), row[:, 2] / AMPLITUDE
    away = length - length[:, None]
    weight = np.clip(1 - np.abs(away) / (SMOOTHING * length[:, None]), 0, None)
    s0, s1, s2 = (np.sum(weight * away**power, axis=1) for power in (0, 1, 2))
    t0, t1 = weight @ ratio, (weight * away) @ ratio
    return length, (s2 * t0 - s1 * t1) / (s0 * s2 - s1**2)


def wavelength_of_loss(field: np.ndarray, loss: float = 0.1) -> float:
    """Wavelength from which on no larger part of the amplitude is lost, pixels; linear between nodes."""
    length, ratio = kept(field)
    last = np.flatnonzero(ratio < 1 - loss)[-1]
    part = (1 - loss - ratio[last]) / (ratio[last + 1] - ratio[last])
    return float(length[last] + part * (length[last + 1] - length[last]))


def lost_of_long_waves(field: np.ndarray) -> float:
    """Mean of what the middle row has lost of waves of LONG, as part of the amplitude."""
    length, ratio = kept(field)
    return float(1 - ratio[(length >= LONG[0]) & (length <= LONG[1])].mean())


def figures(field: np.ndarray) -> dict[str, float]:
    """What a field is judged by.

    Returns
    -------
    noise, noise_right : pixels, of all and of the right half, where windows of usual size see no curvature
    wavelength, at_11_percent, at_9_percent : pixels, of 10 % loss; of others to show how sure that is, as the smoothed
        row is good to about 1 % of the amplitude
    lost_long : mean loss of waves of LONG, part of the amplitude
    product : of noise and wavelength, square pixels
    """
    found = {
        "noise": noise(field),
        "noise_right": noise(field, (SHORTEST + LONGEST) / 2),
        "wavelength": wavelength_of_loss(field),
        "at_11_percent": wavelength_of_loss(field, 0.11),
        "at_9_percent": wavelength_of_loss(field, 0.09),
        "lost_long": lost_of_long_waves(field),
    }
    return {**found, "product": found["noise"] * found["wavelength"]}
