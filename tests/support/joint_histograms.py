"""Joint histograms of known mixtures: phases, and voxels that hold a part of two of them."""

from itertools import combinations

import numpy as np

#: Grey values of phases in both images, bins of 128, and the noise of these images.
TWO = ((30, 90), (90, 40))
THREE = ((20, 80), (60, 25), (105, 100))
SAME_IN_IM1 = ((64, 30), (64, 90))
NOISE = (3.0, 4.0)


def drawn(
    means,
    weights,
    boundaries=0.0,
    noise=NOISE,
    bins: int = 128,
    voxels: int = 100_000,
    u: float = 1.0,
    seed: int = 0,
    correlation: float = 0.0,
) -> np.ndarray:
    """(bins, bins) histogram of counts.

    Parameters
    ----------
    means : (n, 2), bins of 128
    weights : (n,) parts of the voxels
    boundaries : part of the voxels between each two phases
    noise : standard deviation in each image, bins of 128
    bins : of each axis
    voxels : how many
    u : the part of a phase in a voxel between two has the distribution Beta(u, u): 1 all alike, 1/2 mostly one phase
    seed : of all that is random
    correlation : of the noise of the two images
    """
    rng, means = np.random.default_rng(seed), np.array(means, float)
    parts = [np.broadcast_to(mean, (int(part * voxels), 2)) for mean, part in zip(means, weights, strict=True)]
    for one, two in combinations(means, 2):
        share = rng.beta(u, u, int(boundaries * voxels))[:, None]
        parts.append((1 - share) * one + share * two)
    at = np.concatenate(parts)
    s1, s2 = noise
    mixed = correlation * s1 * s2
    at = at + rng.multivariate_normal((0, 0), [[s1**2, mixed], [mixed, s2**2]], len(at))
    f, g = np.clip(np.rint(at * (bins - 1) / 127), 0, bins - 1).astype(int).T
    return np.bincount(f * bins + g, minlength=bins**2).reshape(bins, bins)
