"""What a step up the likelihood needs of a mixture, for all pairs of grey values: made once for each iteration."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.multimodal.mixture import Mixture

#: Nodes of a table for the standard deviation of its narrowest component, and the least and most of a bin.
FINE = 3
LEAST, MOST = 2, 8
#: Nodes along an axis at most, but for the least of each bin.
LARGEST = 1024
#: How far a component is followed, standard deviations: there the background is more.
FAR = 7.0
#: Least curvature, per bin^2: where only the background is.
FLAT = 1e-6


@dataclass(frozen=True, eq=False)
class Tables:
    """log p(f, g), and its first and second derivative along g.

    Node i of n along an axis stands for the bin value i (bins - 1) / (n - 1); values between nodes are linear.

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
        step = (bins - 1) / (nodes - 1)
        at = np.arange(nodes) * step
        density = np.full((nodes, nodes), mixture.background / bins**2)
        score, weight = np.zeros_like(density), np.zeros_like(density)
        parts = zip(mixture.heights(), mixture.means, mixture.covariances, mixture.precisions(), strict=True)
        for height, mean, covariance, precision in parts:
            box = tuple(_span(m, FAR * np.sqrt(v), step, nodes) for m, v in zip(mean, np.diag(covariance), strict=True))
            d1, d2 = at[box[0], None] - mean[0], at[box[1]] - mean[1]
            b, c = precision[1]
            slope = b * d1 + c * d2
            part = height * np.exp(-0.5 * (precision[0, 0] * d1**2 + (slope + b * d1) * d2))
            density[box] += part
            score[box] += part * slope
            weight[box] += part * c
        return cls(np.log(density), score / density, np.maximum(weight / density, FLAT))


def nodes_of(mixture: Mixture, bins: int) -> int:
    """Nodes of a table along an axis that follow the narrowest component."""
    narrowest = np.sqrt(np.linalg.eigvalsh(mixture.covariances)[:, 0].min())
    fine = int(np.clip(np.ceil(FINE / narrowest), LEAST, max(LEAST, min(MOST, LARGEST // bins))))
    return fine * (bins - 1) + 1


def _span(mean: float, reach: float, step: float, nodes: int) -> slice:
    """Nodes of a component along an axis."""
    first, last = np.floor((mean - reach) / step), np.ceil((mean + reach) / step)
    return slice(int(np.clip(first, 0, nodes)), int(np.clip(last + 1, 0, nodes)))
