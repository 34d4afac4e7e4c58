"""A joint histogram as a mixture: a Gaussian for each phase, and a row of them for each boundary between two phases.

Voxels at a boundary hold a part of either phase. In the joint histogram they lie on the straight segment between the
peaks of the two: the components of a boundary stand there, with what the phases at its ends leave them, and only their
weights are fitted. A small uniform background takes what belongs to nothing.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from hpcdvc.multimodal.peaks import find_peaks, start_of

#: Components of a boundary.
SEGMENT = 7
#: How far along it each of them reaches (standard deviation), parts of the distance to the next.
REACH = 0.5
#: Least standard deviation, bins: a phase whose voxels are all of one bin is one of that width.
NARROWEST = 0.5
#: Least weight of the background, and of a phase and of a boundary that is kept.
LEAST_BACKGROUND = 1e-4
LEAST_PHASE = 1e-3
LEAST_BOUNDARY = 1e-4
#: Iterations of a fit at most, and the change of log p of a voxel at which it ends before.
ITERATIONS = 60
SETTLED = 1e-6
#: Phases whose means are nearer than that, in standard deviations of the wider along the way, are one: the sum of two
#: Gaussians has one peak there.
APART = 2.0
AUTO = "auto"


@dataclass(frozen=True, eq=False)
class Mixture:
    """p(f, g) = sum of weights[k] N(means[k], covariances[k]) + background / bins^2; f of im1, g of im2, in bins.

    Attributes
    ----------
    weights : (n,) parts of all voxels; with the background they are 1
    means : (n, 2) array, f and g
    covariances : (n, 2, 2) array
    n_phases : the first of the components, by falling weight; the others are boundaries, SEGMENT for each of `pairs`
    pairs : (m, 2) integer array, the phases that a boundary lies between, from 0
    background : part of the voxels that belongs to nothing
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    n_phases: int
    pairs: np.ndarray
    background: float

    @classmethod
    def of(
        cls, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray, pairs: np.ndarray, background: float
    ) -> "Mixture":
        """With the components of the boundaries where those of the phases say.

        Parameters
        ----------
        weights : (n,) of all components
        means, covariances : (n_phases, 2) and (n_phases, 2, 2) arrays of the phases
        pairs : (m, 2), as above
        background : as above
        """
        pairs = np.asarray(pairs, int).reshape(-1, 2)
        part = (np.arange(SEGMENT) + 1) / (SEGMENT + 1)
        one, two = pairs.T
        way = means[two] - means[one]
        centres = means[one][:, None] + part[:, None] * way[:, None]
        along = (REACH / (SEGMENT + 1)) ** 2 * way[:, :, None] * way[:, None, :]
        part = part[:, None, None]
        widths = (1 - part) * covariances[one][:, None] + part * covariances[two][:, None] + along[:, None]
        return cls(
            np.asarray(weights, float),
            np.concatenate([means, centres.reshape(-1, 2)]),
            np.concatenate([covariances, widths.reshape(-1, 2, 2)]),
            len(means),
            pairs,
            float(background),
        )

    def precisions(self) -> np.ndarray:
        """(n, 2, 2) array: inverses of the covariances."""
        return np.linalg.inv(self.covariances)

    def densities(self, f: np.ndarray, g: np.ndarray) -> np.ndarray:
        """Of each component, with its weight, at points: (n, k) array.

        Parameters
        ----------
        f, g : (k,) arrays, bins
        """
        precision = self.precisions()
        a, b, c = (precision[:, i, j, None] for i, j in ((0, 0), (0, 1), (1, 1)))
        d1, d2 = f - self.means[:, :1], g - self.means[:, 1:]
        return self.heights()[:, None] * np.exp(-0.5 * (d1 * (a * d1 + 2 * b * d2) + c * d2**2))

    def heights(self) -> np.ndarray:
        """(n,) densities at the means of the components, with their weights."""
        return self.weights / (2 * np.pi * np.sqrt(np.linalg.det(self.covariances)))


def fit_mixture(
    histogram: np.ndarray,
    n_phases: int | str = AUTO,
    distance: float | None = None,
    fit_distance: float | None = None,
    thresholds: tuple[float, float] = (0, 0),
) -> Mixture:
    """The mixture that makes a joint histogram most likely, by expectation and maximisation (EM) from its peaks.

    Parameters
    ----------
    histogram : (bins, bins) array of counts, im1 by im2
    n_phases : phases to look for; "auto": as many as the Bayesian information criterion wants
    distance : least distance between two peaks, bins; None: bins / 25
    fit_distance : how far from its peak voxels shape a phase, bins; None: bins / 2
    thresholds : bins of im1 and im2 below which no peak is looked for

    Returns
    -------
    Mixture
        With fewer phases than asked for (`n_phases` says it) where the histogram has fewer peaks, or where peaks merge.

    Raises
    ------
    ValueError
        The histogram is empty, or beyond its thresholds it is.
    """
    peaks = find_peaks(histogram, None if n_phases == AUTO else n_phases, distance, thresholds)
    fit_distance = fit_distance or len(histogram) / 2
    if n_phases != AUTO:
        return _Fit(histogram, peaks, fit_distance).mixture()
    fits = [_Fit(histogram, peaks[:n], fit_distance) for n in range(1, len(peaks) + 1)]
    return min((fit.mixture() for fit in fits), key=lambda mixture: bic(mixture, histogram))


def bic(mixture: Mixture, histogram: np.ndarray) -> float:
    """Bayesian information criterion (Schwarz 1978): parameters ln N - 2 log-likelihood; the least is the best.

    Parameters
    ----------
    mixture : of the histogram
    histogram : (bins, bins) array of counts
    """
    f, g = np.nonzero(histogram)
    counts = histogram[f, g]
    density = mixture.densities(f, g).sum(axis=0) + mixture.background / histogram.size
    parameters = 5 * mixture.n_phases + len(mixture.weights)
    return float(parameters * np.log(counts.sum()) - 2 * (counts * np.log(density)).sum())


class _Fit:
    """EM over the bins that are not empty."""

    def __init__(self, histogram: np.ndarray, peaks: np.ndarray, fit_distance: float):
        self.f, self.g = (at.astype(float) for at in np.nonzero(histogram))
        counts = histogram[histogram > 0].astype(float)
        self.total, self.counts, self.area = counts.sum(), counts / counts.sum(), histogram.size
        self.powers = np.stack([np.ones_like(self.f), self.f, self.g, self.f**2, self.f * self.g, self.g**2])
        self.peaks, self.fit_distance = peaks, fit_distance
        self.widths = start_of(histogram, peaks, fit_distance)

    def mixture(self) -> Mixture:
        """The fit, with phases that are one, or that have no voxels, taken together until none is left."""
        kept = list(range(len(self.peaks)))
        while True:  # each time with one phase less
            found = self._settle(self._start(kept))
            surplus = _surplus(found)
            if surplus is None:
                return found
            del kept[surplus]

    def _start(self, kept: list[int]) -> Mixture:
        n = len(kept)
        pairs = list(combinations(range(n), 2))
        weights = [0.7 / n] * n + [0.3 / max(len(pairs), 1) / SEGMENT] * (SEGMENT * len(pairs))
        scale = (1 - LEAST_BACKGROUND) / sum(weights)
        return Mixture.of(
            np.array(weights) * scale, self.peaks[kept], self.widths[kept], np.array(pairs), LEAST_BACKGROUND
        )

    def _settle(self, mixture: Mixture) -> Mixture:
        peaks, last = mixture.means[: mixture.n_phases], -np.inf
        near = np.hypot(self.f - peaks[:, :1], self.g - peaks[:, 1:]) <= self.fit_distance
        for _ in range(ITERATIONS):
            parts = mixture.densities(self.f, self.g)
            whole = parts.sum(axis=0) + mixture.background / self.area
            likelihood = float((self.counts * np.log(whole)).sum())
            if abs(likelihood - last) < SETTLED:
                break
            last = likelihood
            mixture = self._maximise(mixture, parts * (self.counts / whole), near)
        return mixture

    def _maximise(self, mixture: Mixture, parts: np.ndarray, near: np.ndarray) -> Mixture:
        """The next mixture, from the part of each bin that each component has."""
        n = mixture.n_phases
        weights = parts.sum(axis=1)
        sums = np.einsum("kn,jn->kj", parts[:n] * near, self.powers)  # no BLAS: its threads would change the last bits
        some = sums[:, 0] > LEAST_BACKGROUND * LEAST_PHASE
        sums = sums / np.where(some, sums[:, 0], 1)[:, None]
        means = np.where(some[:, None], sums[:, 1:3], mixture.means[:n])
        moments = sums[:, [3, 4, 4, 5]].reshape(-1, 2, 2) - means[:, :, None] * means[:, None, :]
        widths = np.where(some[:, None, None], at_least(moments, NARROWEST), mixture.covariances[:n])
        boundaries = weights[n:].reshape(-1, SEGMENT)
        kept = boundaries.sum(axis=1) > LEAST_BOUNDARY
        weights = np.concatenate([weights[:n], boundaries[kept].ravel()])
        background = max(1 - weights.sum(), LEAST_BACKGROUND)
        scale = (1 - background) / weights.sum()
        return Mixture.of(weights * scale, means, widths, mixture.pairs[kept], background)


def at_least(covariances: np.ndarray, narrowest: float) -> np.ndarray:
    """Covariances none of whose axes is narrower than that (standard deviation)."""
    values, axes = np.linalg.eigh(covariances)
    return np.einsum("kij,kj,klj->kil", axes, np.maximum(values, narrowest**2), axes)


def _surplus(mixture: Mixture) -> int | None:
    """A phase that has next to no voxels, or the lighter of two that are one; None where each is one of its own."""
    n = mixture.n_phases
    if n == 1:
        return None
    lightest = int(np.argmin(mixture.weights[:n]))
    if mixture.weights[lightest] < LEAST_PHASE:
        return lightest
    for one, two in combinations(range(n), 2):
        way = mixture.means[two] - mixture.means[one]
        nearness = max(_distance(way, mixture.covariances[k]) for k in (one, two))
        if nearness < APART:
            return one if mixture.weights[one] < mixture.weights[two] else two
    return None


def _distance(way: np.ndarray, covariance: np.ndarray) -> float:
    """Length of a way in standard deviations."""
    return float(np.sqrt(way @ np.linalg.solve(covariance, way)))
