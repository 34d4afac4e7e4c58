"""A joint histogram as a mixture: a Gaussian for each phase, and a row of them for each boundary between two phases.

Voxels at a boundary hold a part of either phase. In the joint histogram they lie on the straight segment between the
peaks of the two: the components of a boundary stand there, with what the phases at its ends leave them, and only their
weights are fitted. A small uniform background takes what belongs to nothing.
"""

from itertools import combinations

import numpy as np

from hpcdvc.kernels.multimodal import expect
from hpcdvc.kernels.records import dtype
from hpcdvc.multimodal.components import MOST_PHASES, SEGMENT, Mixture, Patch
from hpcdvc.multimodal.peaks import find_peaks, smoothed, start_of

COMPONENT, SHARE = dtype("modal_component"), dtype("modal_share")
#: Part of the voxels that a fit begins with in boundaries.
IN_BOUNDARIES = 0.3
#: Least standard deviation, bins: a phase whose voxels are all of one bin is one of that width.
NARROWEST = 0.5
#: Least weight of the background, and of a phase and of a boundary that is kept.
LEAST_BACKGROUND = 1e-4
LEAST_PHASE = 1e-3
LEAST_BOUNDARY = 1e-3
#: And for a phase that is given, where there may be none.
LEAST_GIVEN = 1e-9
#: Iterations of a fit: always the same number, so that it changes little where the histogram does. Trials of how many
#: phases there are need fewer.
ITERATIONS = 30
TRIAL = 10
#: Most phases that are looked for where their number is not given.
MOST_AUTO = 6
#: A peak that is none of the phases keeps its voxels from theirs where it is so high, parts of the least of these.
RIVAL = 0.1
#: Phases whose means are nearer than that, in standard deviations of the wider along the way, are one: the sum of two
#: Gaussians has one peak there.
APART = 2.0
AUTO = "auto"


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
    fit_distance = fit_distance or len(histogram) / 2
    fit = _Fit(histogram, find_peaks(histogram, MOST_PHASES, distance, thresholds), fit_distance)
    return fit.mixture(fit.number() if n_phases == AUTO else n_phases, ITERATIONS)


def pick_peaks(
    histogram: np.ndarray,
    n_phases: int | str = AUTO,
    distance: float | None = None,
    fit_distance: float | None = None,
    thresholds: tuple[float, float] = (0, 0),
) -> np.ndarray:
    """The peaks that `fit_mixture` begins with: (n, 2) array, bins of im1 and im2, the highest first."""
    fit = _Fit(histogram, find_peaks(histogram, MOST_PHASES, distance, thresholds), fit_distance or len(histogram) / 2)
    return fit.peaks[: fit.number() if n_phases == AUTO else n_phases]


def fit_peaks(histogram: np.ndarray, peaks: np.ndarray, reaches: np.ndarray) -> tuple[Mixture, list[int]]:
    """The mixture that EM leads to from peaks that are given.

    Parameters
    ----------
    histogram : (bins, bins) array of counts, im1 by im2, not empty
    peaks : (n, 2) array, bins of im1 and im2
    reaches : (n,) how far from its peak voxels shape each phase, bins

    Returns
    -------
    Mixture
    list : numbers of the peaks, from 0, that are its phases; the others have no voxels or are part of another phase
    """
    return _Fit(histogram, peaks, reaches).fitted(len(peaks), ITERATIONS)


def fit_weights(mixture: Mixture, histogram: np.ndarray) -> Mixture:
    """The same phases, and a boundary between any two of them, with the weights that a joint histogram wants.

    Parameters
    ----------
    mixture : whose phases are kept as they are but for their weights
    histogram : (bins, bins) array of counts, im1 by im2
    """
    n = mixture.n_phases
    means, covariances = mixture.means[:n], mixture.covariances[:n]
    mixture, parts = even(means, covariances), histogram / histogram.sum()
    for _ in range(ITERATIONS):
        patches, whole = density_of(mixture, len(parts))
        shares = np.array([float((patch.density * (parts / whole)[patch.box]).sum()) for patch in patches])
        shares[:n] = np.maximum(shares[:n], LEAST_GIVEN)
        mixture = reweighted(mixture, shares, means, covariances)
    return mixture


def bic(mixture: Mixture, histogram: np.ndarray) -> float:
    """Bayesian information criterion (Schwarz 1978): parameters ln N - 2 log-likelihood; the least is the best.

    Parameters
    ----------
    mixture : of the histogram
    histogram : (bins, bins) array of counts
    """
    density = density_of(mixture, len(histogram))[1]
    parameters = 5 * mixture.n_phases + len(mixture.weights)
    return float(parameters * np.log(histogram.sum()) - 2 * (histogram * np.log(density)).sum())


class _Fit:
    """EM on a joint histogram, from its peaks."""

    def __init__(self, histogram: np.ndarray, peaks: np.ndarray, fit_distance: float | np.ndarray):
        self.histogram, self.parts = histogram, histogram / histogram.sum()
        self.at = np.arange(len(histogram), dtype=float)
        self.peaks, self.reaches = peaks, np.broadcast_to(fit_distance, len(peaks))
        self.heights = smoothed(histogram)[0][tuple(peaks.astype(int).T)]
        self.widths = start_of(histogram, peaks, self.reaches)

    def number(self) -> int:
        """How many of the peaks the information criterion wants: as long as another one makes it less."""
        best, least = 1, np.inf
        for n in range(1, len(self.peaks[:MOST_AUTO]) + 1):
            mixture = self.mixture(n, TRIAL)
            criterion = bic(mixture, self.histogram)
            if criterion < least:
                best, least = n, criterion
            elif mixture.n_phases == n:
                break
        return best

    def mixture(self, n: int, iterations: int) -> Mixture:
        """The fit of the highest n peaks."""
        return self.fitted(n, iterations)[0]

    def fitted(self, n: int, iterations: int) -> tuple[Mixture, list[int]]:
        """And which of them: from the start again without each that has no voxels or is another one."""
        kept, near = list(range(len(self.peaks[:n]))), self._near(n)
        while True:
            found = even(self.peaks[kept], self.widths[kept])
            shaping = np.ascontiguousarray(near[kept])
            for _ in range(iterations):
                found = _maximised(found, self._shares(found, shaping))
            surplus = surplus_of(found)
            if surplus is None:
                return found, kept
            del kept[surplus]

    def _near(self, n: int) -> np.ndarray:
        """For each of the highest n peaks the bins that shape its phase: in reach, not at a peak that is none."""
        f, g = self.at[:, None], self.at
        away = np.array([np.hypot(f - peak[0], g - peak[1]) for peak in self.peaks])
        high = self.heights[n:] >= RIVAL * self.heights[:n].min()
        others = away[n:][high].min(axis=0, initial=np.inf)
        near = away[:n] <= self.reaches[:n, None, None]
        return (near & (away[:n] <= others)).view(np.uint8)

    def _shares(self, mixture: Mixture, near: np.ndarray) -> np.ndarray:
        """The part of the histogram that each component has: "modal_share" records."""
        components = np.zeros(len(mixture.weights), COMPONENT)
        components["mean"], components["height"] = mixture.means, mixture.heights()
        components["precision"] = mixture.precisions()[:, [0, 0, 1], [0, 1, 1]]
        components["first"], components["stop"] = mixture.reaches(self.at)
        shares = np.zeros(len(components), SHARE)
        expect(components, self.parts, near, mixture.background / self.parts.size, shares)
        return shares


def _maximised(mixture: Mixture, shares: np.ndarray) -> Mixture:
    """The next mixture, from the part of the histogram that each component has."""
    n = mixture.n_phases
    means, widths = mixture.means[:n].copy(), mixture.covariances[:n].copy()
    enough = shares["near"][:n] > LEAST_BACKGROUND * LEAST_PHASE
    of_phases = shares[:n][enough]
    moved = of_phases["first"] / of_phases["near"][:, None]
    second = np.stack([of_phases["second"][:, 0], of_phases["mixed"], of_phases["second"][:, 1]], axis=1)
    means[enough] += moved
    widths[enough] = (second / of_phases["near"][:, None])[:, [[0, 1], [1, 2]]] - moved[:, :, None] * moved[:, None]
    return reweighted(mixture, shares["weight"], means, at_least(widths, NARROWEST))


def even(means: np.ndarray, covariances: np.ndarray) -> Mixture:
    """Phases with the same weights, and all boundaries between them with the same: where a fit begins."""
    n = len(means)
    pairs = np.array(list(combinations(range(n), 2)), int).reshape(-1, 2)
    weights = np.ones(n + SEGMENT * len(pairs))
    if n > 1:
        weights[n:] = IN_BOUNDARIES / (1 - IN_BOUNDARIES) * n / len(weights[n:])
    return Mixture.of(weights * (1 - LEAST_BACKGROUND) / weights.sum(), means, covariances, pairs, LEAST_BACKGROUND)


def density_of(mixture: Mixture, bins: int) -> tuple[list[Patch], np.ndarray]:
    """The components of a mixture on the bins, and the (bins, bins) array that they add up to with the background."""
    patches = list(mixture.patches(np.arange(bins, dtype=float)))
    whole = np.full((bins, bins), mixture.background / bins**2)
    for patch in patches:
        whole[patch.box] += patch.density
    return patches, whole


def reweighted(mixture: Mixture, weights: np.ndarray, means: np.ndarray, covariances: np.ndarray) -> Mixture:
    """With other weights and phases, without boundaries that have next to no voxels.

    Parameters
    ----------
    mixture : whose boundaries these are
    weights : (n,) of all components; what they leave is the background
    means, covariances : of the phases
    """
    n = mixture.n_phases
    boundaries = weights[n:].reshape(-1, SEGMENT)
    kept = boundaries.sum(axis=1) > LEAST_BOUNDARY
    weights = np.concatenate([weights[:n], boundaries[kept].ravel()])
    background = max(1 - weights.sum(), LEAST_BACKGROUND)
    return Mixture.of(weights * (1 - background) / weights.sum(), means, covariances, mixture.pairs[kept], background)


def at_least(covariances: np.ndarray, narrowest: float) -> np.ndarray:
    """Covariances none of whose axes is narrower than that (standard deviation)."""
    values, axes = np.linalg.eigh(covariances)
    found = np.einsum("kij,kj,klj->kil", axes, np.maximum(values, narrowest**2), axes)
    return (found + found.transpose(0, 2, 1)) / 2


def surplus_of(mixture: Mixture) -> int | None:
    """A phase that has next to no voxels, or the lighter of two that are one; None where each is one of its own.

    Parameters
    ----------
    mixture : any; of a single phase there is no surplus
    """
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
