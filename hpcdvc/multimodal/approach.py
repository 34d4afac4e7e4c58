"""What leads to the neighbourhood of the solution, where a mixture of phases would not know the way.

As long as the images lie far from each other every phase of im1 meets every phase of im2: a mixture takes these
meetings for phases of their own and hardly moves. What im1 says of im2 on the average is right from the beginning:
p(g | f) = N(m(f), s^2(f)), mean and variance of im2 at equal grey value of im1. To maximise this likelihood is to
maximise the correlation ratio (Roche et al. 1998, doi 10.1007/BFb0056301) where s does not depend on f.
"""

from dataclasses import dataclass

import numpy as np

#: Width of the Gaussian over which bins of im1 share what they know, bins of 64.
SMOOTHING = 1.0
#: Part of all voxels that each bin is given of the whole, so that a bin without any is not sure of anything.
PRIOR = 1e-5
#: Nodes of the tables for each bin.
FINER = 2


@dataclass(frozen=True, eq=False)
class ConditionalTables:
    """log p(f, g), its derivative and curvature along g with the other sign, as `hpcdvc.multimodal.tables.Tables`."""

    log_density: np.ndarray
    score: np.ndarray
    weight: np.ndarray


def conditional_tables(histogram: np.ndarray) -> ConditionalTables:
    """Tables of p(f) N(m(f), s^2(f)), p(f) the part of the voxels.

    Parameters
    ----------
    histogram : (bins, bins) array of counts, im1 by im2
    """
    from scipy import ndimage  # what is not needed delays the start

    bins = len(histogram)
    g = np.arange(bins)
    sums = np.stack([(histogram * g**k).sum(axis=1) for k in range(3)]).astype(float)
    whole = sums.sum(axis=1)
    width = SMOOTHING * bins / 64
    n, first, second = ndimage.gaussian_filter1d(sums, width, axis=1, mode="constant") + PRIOR * whole[:, None]
    mean = first / n
    variance = second / n - mean**2 + 1 / 12  # a bin is not a point
    nodes = np.arange(FINER * (bins - 1) + 1) / FINER
    mean, variance, part = (np.interp(nodes, g, of_bin)[:, None] for of_bin in (mean, variance, n / n.sum()))
    away = nodes - mean
    log_density = np.log(part) - 0.5 * (away**2 / variance + np.log(2 * np.pi * variance))
    return ConditionalTables(log_density, away / variance, np.broadcast_to(1 / variance, away.shape))


def explained_by(histogram: np.ndarray) -> float:
    """The correlation ratio of a joint histogram: part of the variance of im2 that im1 explains, 0 to 1."""
    from hpcdvc.multimodal.pair import explained

    g = np.arange(len(histogram))
    return explained(np.stack([(histogram * g**k).sum(axis=1) for k in range(3)], axis=1).astype(float))
