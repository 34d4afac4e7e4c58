"""What a step up the likelihood needs of a mixture, for all pairs of grey values: made once for each iteration."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.multimodal.components import Mixture

#: Nodes of a table for the standard deviation of its narrowest component, and the least and most of a bin.
FINE = 3
LEAST, MOST = 2, 8
#: Nodes along an axis at most, but for the least of each bin.
LARGEST = 1024
#: Least curvature, per bin^2: where only the background is.
FLAT = 1e-6


@dataclass(frozen=True, eq=False)
class Tables:
    """log p(f, g), and its first and second derivative along g.

    Node i of n along an axis stands for the bin value i (bins - 1) / (n - 1). im1, which stays as it is, is
    taken at the nearest node; between two of im2 values are linear.

    Attributes
    ----------
    log_density : (n, n) array, log p
    score : (n, n) array, - d log p / d g = sum of r_k (b_k D1 + c_k D2), r_k the part of component k, D the distances
        from its mean, (a, b; b, c) the inverse of its covariance
    weight : (n, n) array, sum of r_k c_k > 0: no step up that takes it for the curvature goes too far
    """

    log_density: np.ndarray
    score: np.ndarray
    weight: np.ndarray

    @classmethod
    def of(cls, mixture: Mixture, bins: int) -> "Tables":
        """Of a mixture of bins 0 to bins - 1."""
        nodes = nodes_of(mixture, bins)
        density = np.full((nodes, nodes), mixture.background / bins**2)
        score, weight = np.zeros_like(density), np.zeros_like(density)
        for patch in mixture.patches(np.linspace(0, bins - 1, nodes)):
            density[patch.box] += patch.density
            score[patch.box] += patch.density * patch.slope
            weight[patch.box] += patch.density * patch.curvature
        return cls(np.log(density), score / density, np.maximum(weight / density, FLAT))


def nodes_of(mixture: Mixture, bins: int) -> int:
    """Nodes of a table along an axis that follow the narrowest component."""
    narrowest = np.sqrt(np.linalg.eigvalsh(mixture.covariances)[:, 0].min())
    fine = int(np.clip(np.ceil(FINE / narrowest), LEAST, max(LEAST, min(MOST, LARGEST // bins))))
    return fine * (bins - 1) + 1
