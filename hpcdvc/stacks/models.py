"""How well two windows match, from weighted sums of products over their pixels and frames; numpy or cupy arrays.

With a mean of 1 for all frames the sums of the UMPA model are what the correlation coefficient is made of, too.
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

#: Variance over mean square below which a window is constant: rounding of float32 grey values is less.
CONSTANT = 1e-12


@dataclass(frozen=True)
class Sums:
    """Sums over the pixels and frames of a window, weighted; I is the window, R what it is compared with.

    Attributes
    ----------
    ii, mm, rr, im, ir, rm : arrays of one shape of sums of I I, M M, R R, I M, I R, R M; M is the mean of the frame
    there : sum of the weights that are there, in units of those of a frame; None: those of all frames
    level : what of I I is no texture; None: im^2 / mm
    """

    ii: Any
    mm: Any
    rr: Any
    im: Any
    ir: Any
    rm: Any
    there: Any = None
    level: Any = None

    def map(self, function) -> "Sums":
        """The same with a function applied to each."""
        return Sums(*(None if part is None else function(part) for part in vars(self).values()))

    @property
    def own_variance(self):
        """What of I I is texture."""
        return self.ii - (self.im**2 / self.mm if self.level is None else self.level)

    @property
    def other_variance(self):
        """What of R R is texture."""
        return self.rr - self.rm**2 / self.mm


def correlation(s: Sums, xp: ModuleType = np):
    """Correlation coefficients of windows; 0 where one of the two is constant."""
    own, other = s.own_variance, s.other_variance
    with np.errstate(invalid="ignore", divide="ignore"):
        score = (s.ir - s.im * s.rm / s.mm) / xp.sqrt(own * other)
        return xp.where((own > CONSTANT * s.ii) & (other > CONSTANT * s.rr), score, 0.0)


def umpa_parts(s: Sums, dark: bool, xp: ModuleType = np) -> tuple:
    """Least squares of I = beta M + kappa R; without dark field beta is 0.

    Returns
    -------
    beta, kappa : of the same shape as the sums; 0 where the window does not tell

    Notes
    -----
    Zanette et al. 2014, doi 10.1103/PhysRevLett.112.253903; Zdora et al. 2017, doi 10.1103/PhysRevLett.118.203903
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        if not dark:
            return xp.zeros_like(s.ir), xp.where(s.rr > 0, s.ir / s.rr, 0)
        det = s.mm * s.rr - s.rm**2
        known = det > CONSTANT * s.mm * s.rr
        kappa = xp.where(known, (s.mm * s.ir - s.im * s.rm) / det, 0)
        beta = xp.where(known, (s.rr * s.im - s.ir * s.rm) / det, s.im / s.mm)
        return beta, kappa


def umpa_cost(s: Sums, dark: bool, xp: ModuleType = np):
    """What is left of I I by the model of `umpa_parts`."""
    beta, kappa = umpa_parts(s, dark, xp)
    return s.ii - beta * s.im - kappa * s.ir


def transmission_and_visibility(s: Sums, dark: bool, xp: ModuleType = np) -> tuple:
    """T = beta + kappa and V = kappa / T, 1 where nothing scatters."""
    beta, kappa = umpa_parts(s, dark, xp)
    transmission = beta + kappa
    with np.errstate(invalid="ignore", divide="ignore"):
        return transmission, kappa / transmission
