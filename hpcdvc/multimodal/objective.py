"""What is maximised: the log-likelihood of im1 given what im2 shows, sum of log p(f | g), by tables over f and g.

The likelihood of both, p(f, g), would also grow where im2 alone gets likelier: Phi would shrink im2 into its most
frequent grey value. p(f | g) = p(f, g) / p(g) says only how well the images go together; with p of the joint histogram
it is the mutual information (Viola & Wells 1997, doi 10.1023/A:1007958904918), with p a mixture of phases that of
Tudisco et al. 2017, freed of what im2 says alone.

Far from the solution a mixture would not know the way: every phase of im1 meets every phase of im2, these meetings are
taken for phases of their own, and nothing moves. What im1 says of im2 on the average is right from the beginning:
p(g | f) = N(m(f), s^2(f)), mean and variance of im2 at equal grey value of im1, close to the correlation ratio (Roche
et al. 1998, doi 10.1007/BFb0056301). So it leads to where the mixture takes over.
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
class Objective:
    """A log-density over nodes (f, g), - its derivative along g, and a curvature of - it along g that is positive."""

    log_density: np.ndarray
    score: np.ndarray
    weight: np.ndarray


def given_im2(tables, bins: int) -> Objective:
    """That of im1 given im2, from that of both.

    Parameters
    ----------
    tables : hpcdvc.multimodal.tables.Tables, or an Objective, of log p(f, g)
    bins : of the joint histogram
    """
    log_density, nodes = tables.log_density, len(tables.log_density)
    most = log_density.max(axis=0)
    part = np.exp(log_density - most)
    total = part.sum(axis=0)
    score = (part * tables.score).sum(axis=0) / total
    of_im2 = most + np.log(total * (bins - 1) / (nodes - 1))
    return Objective(log_density - of_im2, tables.score - score, tables.weight)


def on_the_average(histogram: np.ndarray) -> Objective:
    """That of both, p(f) N(m(f), s^2(f)), as the joint histogram has it.

    Parameters
    ----------
    histogram : (bins, bins) array of counts, im1 by im2
    """
    from scipy import ndimage  # what is not needed delays the start

    bins = len(histogram)
    g = np.arange(bins)
    sums = moments_of(histogram).T
    whole = sums.sum(axis=1)
    width = SMOOTHING * bins / 64
    n, first, second = ndimage.gaussian_filter1d(sums, width, axis=1, mode="constant") + PRIOR * whole[:, None]
    mean = first / n
    variance = second / n - mean**2 + 1 / 12  # a bin is not a point
    nodes = np.arange(FINER * (bins - 1) + 1) / FINER
    mean, variance, part = (np.interp(nodes, g, of_bin)[:, None] for of_bin in (mean, variance, n / n.sum()))
    away = nodes - mean
    log_density = np.log(part) - 0.5 * (away**2 / variance + np.log(2 * np.pi * variance))
    return Objective(log_density, away / variance, np.broadcast_to(1 / variance, away.shape))


def moments_of(histogram: np.ndarray) -> np.ndarray:
    """Number of voxels, sum of g and of g^2 by bins of f: (bins, 3) array, g in whole bins."""
    g = np.arange(len(histogram))
    return np.stack([(histogram * g**k).sum(axis=1) for k in range(3)], axis=1).astype(float)
