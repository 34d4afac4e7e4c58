"""What is better than chance, and what differs from it by more than noise: of numbers, or arrays of numpy or cupy."""

from types import ModuleType

import numpy as np

#: Logarithm of the odds against a correlation that chance makes; and by how many deviations two misfits must differ.
CHANCE_ODDS, DEVIATIONS = 2.5, 3.5
#: A misfit that is rounding.
EXACT = 1e-6


def chance_correlation(values, trials, xp: ModuleType = np):
    """Correlation that unrelated textures hardly ever have at the best of many places.

    Parameters
    ----------
    values : independent values in the window
    trials : independent displacements that were tried
    xp : numpy or cupy
    """
    return xp.sqrt(1 - xp.exp(-2 * (CHANCE_ODDS + xp.log(xp.maximum(trials, 1.0))) / values))


def doubtful_misfit(misfit, values, exact=EXACT, xp: ModuleType = np):
    """Part of the variance that another place may leave and be the right one: by chance equal places differ so much.

    Parameters
    ----------
    misfit : part of the variance that the best place leaves
    values : independent values in the window
    exact : a misfit that is rounding
    xp : numpy or cupy
    """
    return (1 + DEVIATIONS * xp.sqrt(3 / values)) * xp.maximum(misfit, exact)
