"""Whether the best of many scores is a match: better than chance, and better than any other; numpy or cupy arrays."""

import math
from types import ModuleType

import numpy as np

#: Logarithm of the odds against a score that chance makes; and by how many deviations two misfits must differ.
CHANCE_ODDS, DEVIATIONS = 2.5, 3.5
#: A misfit that is rounding.
EXACT = 1e-6
#: Curvature of a peak of which no end is to be seen.
FLAT = 1e-4


def pixels_alike(curvatures: tuple, xp: ModuleType = np):
    """Pixels that tell the same, of which only one is news.

    Parameters
    ----------
    curvatures : for each axis of the window -(c+ - 2 c + c-) / c of the correlation c of two textures at its peak; of a
        texture of Gaussian autocorrelation it tells the width
    xp : numpy or cupy

    Returns
    -------
    the sum of the squares of the autocorrelation, at least 1
    """
    along = [xp.sqrt(math.pi / xp.clip(k, FLAT, None)) for k in curvatures]
    return xp.clip(math.prod(along), 1, None)


def beats_chance(correlation, values, trials, xp: ModuleType = np):
    """Whether a correlation is more than unrelated textures reach.

    Parameters
    ----------
    correlation : the best of all
    values : independent values in the window
    trials : independent displacements that were tried
    xp : numpy or cupy
    """
    rest = xp.clip(1 - correlation**2, EXACT**2, None)
    return (correlation > 0) & (-values / 2 * xp.log(rest) >= CHANCE_ODDS + xp.log(xp.clip(trials, 1, None)))


def is_ambiguous(misfit, second, values, xp: ModuleType = np):
    """Whether another place may be the right one: by chance misfits of equal places differ as much.

    Parameters
    ----------
    misfit : of the best place: the part of the variance that the match leaves
    second : of the best place elsewhere
    values : independent values in the window
    xp : numpy or cupy
    """
    return second <= (1 + DEVIATIONS * xp.sqrt(3 / values)) * xp.clip(misfit, EXACT, None)
