"""Mixtures of phases and boundaries, fitted to histograms that were drawn from known ones."""

import numpy as np
import pytest
from joint_histograms import NOISE, SAME_IN_IM1, THREE, TWO, drawn

from hpcdvc.multimodal.components import SEGMENT, Mixture
from hpcdvc.multimodal.mixture import bic, even, fit_mixture, fit_peaks, fit_weights, pick_peaks, surplus_of
from hpcdvc.multimodal.peaks import find_peaks
from hpcdvc.multimodal.phases import diagram_of

#: means, weights, part of the voxels in each boundary, how they are spread, allowed error of a mean (bins of 128)
KNOWN = {
    "two": (TWO, (0.55, 0.45), 0.0, 1.0, 0.05),
    "two, a quarter in between": (TWO, (0.4, 0.35), 0.25, 1.0, 0.2),
    "two, mostly of one": (TWO, (0.4, 0.35), 0.25, 0.5, 0.35),
    "three": (THREE, (0.4, 0.35, 0.25), 0.0, 1.0, 0.05),
    "three, a fifth in between": (THREE, (0.3, 0.3, 0.2), 0.066, 1.0, 0.1),
    "a small third": (THREE, (0.55, 0.35, 0.02), 0.026, 0.5, 0.6),
    "same grey value in im1": (SAME_IN_IM1, (0.5, 0.3), 0.2, 1.0, 0.15),
}


def compared(mixture: Mixture, means, bins: int) -> np.ndarray:
    """Errors of the means, bins of 128, each against the nearest phase."""
    found = mixture.means[: mixture.n_phases] * 127 / (bins - 1)
    return np.linalg.norm(found[:, None] - np.array(means), axis=2).min(axis=0)


@pytest.mark.parametrize("bins", [64, 128])
@pytest.mark.parametrize("name", KNOWN)
def test_known_mixture(name, bins):
    means, weights, boundaries, u, allowed = KNOWN[name]
    histogram = drawn(means, weights, boundaries, bins=bins, u=u)
    mixture = fit_mixture(histogram, len(means))
    assert mixture.n_phases == len(means)
    assert compared(mixture, means, bins).max() < allowed
    order = np.linalg.norm(mixture.means[: len(means), None] * 127 / (bins - 1) - means, axis=2).argmin(axis=0)
    np.testing.assert_allclose(mixture.weights[order], weights, atol=0.01 + 0.2 * boundaries)
    width = np.sqrt(mixture.covariances[order][:, [0, 1], [0, 1]]) * 127 / (bins - 1)
    np.testing.assert_allclose(width, np.broadcast_to(NOISE, width.shape), rtol=0.1)
    total = mixture.weights.sum() + mixture.background
    assert total == pytest.approx(1, abs=1e-12)
    assert fit_mixture(histogram, "auto").n_phases == len(means)


def test_boundaries_matter():
    """A mixture of the phases alone is drawn towards the voxels between them, and takes them for width."""
    histogram = drawn(TWO, (0.4, 0.35), 0.25)
    mixture = fit_mixture(histogram, 2)
    assert mixture.weights[2:].sum() == pytest.approx(0.25, abs=0.03)
    plain = Mixture.of(mixture.weights[:2], mixture.means[:2], mixture.covariances[:2], np.empty((0, 2)), 0.25)
    assert bic(mixture, histogram) < bic(plain, histogram) - 1000


def test_correlated_noise():
    """As of images that are moved by a part of a voxel: ellipses at a slant."""
    mixture = fit_mixture(drawn(TWO, (0.6, 0.4), correlation=0.6), 2)
    for covariance in mixture.covariances[:2]:
        assert covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]) == pytest.approx(0.6, abs=0.02)


def test_boundary_lies_on_the_segment():
    means = np.array([[10.0, 40.0], [50.0, 20.0]])
    widths = np.array([np.diag([1.0, 2.0]), np.diag([3.0, 4.0])])
    mixture = Mixture.of(np.full(2 + SEGMENT, 0.1), means, widths, [[0, 1]], 0.1)
    part = (np.arange(SEGMENT) + 1) / 8
    np.testing.assert_allclose(mixture.means[2:], means[0] + part[:, None] * (means[1] - means[0]))
    across = np.array([20.0, 40.0]) / np.hypot(
        20, 40
    )  # what is stretched along the segment is as wide as before across
    np.testing.assert_allclose(
        np.einsum("kij,i,j->k", mixture.covariances[2:], across, across),
        [across @ ((1 - q) * widths[0] + q * widths[1]) @ across for q in part],
    )


@pytest.mark.parametrize("apart", [1.0, 1.5])
def test_peaks_that_merge_are_one(apart):
    histogram = drawn(((60, 60), (60 + apart * NOISE[0], 60)), (0.5, 0.5))
    assert fit_mixture(histogram, 2).n_phases == 1


def test_more_phases_asked_than_there_are():
    histogram = drawn(TWO, (0.4, 0.4), 0.2)
    mixture = fit_mixture(histogram, 6)
    assert mixture.n_phases == 2
    assert compared(mixture, TWO, 128).max() < 0.25


def test_fewer_phases_asked_than_there_are():
    """The highest; the others are background."""
    mixture = fit_mixture(drawn(THREE, (0.5, 0.3, 0.2)), 2)
    assert mixture.n_phases == 2
    assert compared(mixture, THREE, 128)[:2].max() < 0.2
    assert mixture.background == pytest.approx(0.2, abs=0.02)


FIVE = ((20, 20), (20, 60), (60, 20), (60, 60), (100, 100))


@pytest.mark.parametrize("noise", [4, 8])
@pytest.mark.parametrize("n_phases", [1, 2, 3, 4])
def test_no_phase_swallows_others(n_phases, noise):
    """What is asked for are phases, not what several of them make up together."""
    mixture = fit_mixture(drawn(FIVE, [0.2] * 5, noise=(noise, noise)), n_phases)
    assert mixture.n_phases == n_phases
    away = np.linalg.norm(mixture.means[:n_phases, None] - np.array(FIVE), axis=2)
    assert away.min(axis=1).max() < 0.02 * noise**2
    assert len(set(away.argmin(axis=1))) == n_phases
    np.testing.assert_allclose(mixture.weights[:n_phases], 0.2, atol=0.01 * noise)


def test_as_many_phases_as_there_are():
    assert fit_mixture(drawn(FIVE, [0.2] * 5), "auto").n_phases == 5


def test_as_few_phases_as_the_voxels_tell():
    """In the middle between two phases is a third one, or a boundary: only with many voxels this can be told."""
    three = (*TWO, (60, 65))
    for voxels, told in ((400, 2), (10_000, 3)):
        histogram = drawn(three, (0.4, 0.4, 0.2), voxels=voxels)
        assert len(find_peaks(histogram)) == 3
        assert fit_mixture(histogram, "auto").n_phases == told


def test_peaks_of_noise_are_none():
    for voxels in (300, 3000, 30_000):
        assert len(find_peaks(drawn([(64, 60)], [1.0], noise=(20, 20), voxels=voxels))) == 1


def mixture_of(weights, means) -> Mixture:
    """Phases of a standard deviation of 2 bins, without boundaries."""
    widths = np.tile(4 * np.eye(2), (len(weights), 1, 1))
    return Mixture.of(np.array(weights), np.array(means, float), widths, np.empty((0, 2)), 1 - sum(weights))


def test_surplus_phases():
    """The lighter of two that are one, and what has no voxels."""
    apart = ((20, 20), (40, 20), (20, 24.2))
    assert surplus_of(mixture_of((0.5, 0.3, 0.1), apart)) is None
    near = ((20, 20), (40, 20), (20, 23.8))
    assert surplus_of(mixture_of((0.5, 0.3, 0.1), near)) == 2
    assert surplus_of(mixture_of((0.1, 0.3, 0.5), near)) == 0
    assert surplus_of(mixture_of((0.5, 0.0005, 0.1), apart)) == 1
    assert surplus_of(mixture_of((0.0005,), apart[:1])) is None


def test_information_criterion():
    """Two phases and a boundary have 2 x 5 numbers for means and covariances, and 9 free weights."""
    histogram = drawn(TWO, (0.4, 0.35), 0.25)
    mixture = fit_mixture(histogram, 2)
    f, g = np.nonzero(histogram)
    away = np.stack([f, g], axis=1) - mixture.means[:, None]
    square = np.einsum("kni,kij,knj->kn", away, np.linalg.inv(mixture.covariances), away)
    height = mixture.weights / (2 * np.pi * np.sqrt(np.linalg.det(mixture.covariances)))
    density = (height[:, None] * np.exp(-square / 2)).sum(axis=0) + mixture.background / histogram.size
    likelihood = (histogram[f, g] * np.log(density)).sum()
    assert bic(mixture, histogram) + 2 * likelihood == pytest.approx(19 * np.log(histogram.sum()), abs=0.5)


def test_one_phase():
    mixture = fit_mixture(drawn([(64, 60)], [1.0]), "auto")
    assert mixture.n_phases == len(mixture.weights) == 1
    assert compared(mixture, [(64, 60)], 128)[0] < 0.05


HOSTILE = {
    "one voxel": np.pad([[1]], ((3, 12), (7, 8))),
    "one bin": np.pad([[1000]], ((0, 15), (15, 0))),
    "two bins": np.pad([[1000, 1000]], ((4, 11), (4, 10))),
    "flat": np.ones((16, 16), int),
    "a row": np.pad(np.ones((1, 16), int), ((3, 12), (0, 0))),
    "diagonal": np.eye(16, dtype=int) * 50,
    "corners": np.pad(np.zeros((14, 14), int), 1) + np.outer(*[np.eye(16, dtype=int)[[0, 15]].sum(axis=0)] * 2),
    "noise": np.random.default_rng(1).poisson(0.3, (16, 16)),
    "checkerboard": np.indices((16, 16)).sum(axis=0) % 2 * 9,
    "huge": np.full((16, 16), 2**40),
}


@pytest.mark.parametrize("n_phases", [1, 2, 5, "auto"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_histograms_have_a_mixture(name, n_phases):
    histogram = HOSTILE[name]
    mixture = fit_mixture(histogram, n_phases)
    assert 1 <= mixture.n_phases <= 6
    assert np.isfinite(bic(mixture, histogram))
    assert (np.linalg.eigvalsh(mixture.covariances) > 0.2).all()
    assert (mixture.weights >= 0).all() and mixture.background > 0
    assert ((mixture.means >= 0) & (mixture.means <= 15)).all()


def test_no_peak():
    with pytest.raises(ValueError, match="empty"):
        fit_mixture(np.zeros((16, 16), int), 2)
    with pytest.raises(ValueError, match="empty"):
        fit_mixture(drawn(TWO, (0.5, 0.5)), 2, thresholds=(125, 125))


def test_thresholds_and_distance():
    histogram = drawn(THREE, (0.4, 0.35, 0.25))
    assert find_peaks(histogram)[:, 0] == pytest.approx([20, 60, 105], abs=1.5)
    assert find_peaks(histogram, thresholds=(40, 0))[:, 0] == pytest.approx([60, 105], abs=1.5)
    assert find_peaks(histogram, thresholds=(0, 40))[:, 0] == pytest.approx([20, 105], abs=1.5)
    assert find_peaks(histogram, distance=72)[:, 0] == pytest.approx([20, 105], abs=1.5)
    assert len(find_peaks(histogram, 1)) == 1


def test_peaks_that_are_picked():
    """As many as there are; the same mixture as found by itself; a reach for each; what is no phase is told."""
    histogram = drawn(THREE, (0.4, 0.35, 0.25))
    peaks = pick_peaks(histogram)
    assert peaks[:, 0] == pytest.approx([20, 60, 105], abs=1.5)
    assert len(pick_peaks(histogram, 2)) == 2
    found, kept = fit_peaks(histogram, peaks, np.full(3, 64.0))
    assert kept == [0, 1, 2]
    np.testing.assert_array_equal(found.means, fit_mixture(histogram, 3).means)
    narrow = fit_peaks(histogram, peaks, np.array([64.0, 3.0, 64.0]))[0].covariances
    assert np.trace(narrow[1]) < 0.7 * np.trace(found.covariances[1])
    assert np.trace(narrow[0]) == pytest.approx(np.trace(found.covariances[0]), rel=0.02)
    again, kept = fit_peaks(histogram, np.vstack([peaks, [[5, 120]], peaks[:1] + 1]), np.full(5, 20.0))
    assert again.n_phases == 3 and set(kept) - {0, 4} == {1, 2}
    assert np.isfinite(again.weights).all()


def test_fit_distance():
    """Voxels far from a peak do not shape its phase."""
    near, far = drawn([(64, 60)], [1.0], voxels=90_000), drawn([(64, 68)], [1.0], noise=(20, 20), voxels=90_000, seed=1)
    wide, close = (fit_mixture(near + far, 1, fit_distance=distance) for distance in (None, 10))
    assert np.trace(close.covariances[0]) < 0.8 * np.trace(wide.covariances[0])


@pytest.mark.parametrize("u", [1.0, 0.5])
def test_ridge_of_a_boundary_has_no_peak(u):
    """Nor grey values that are whole numbers: some bins hold two of them, some one."""
    histogram = drawn(TWO, (0.2, 0.2), 0.6, bins=90, u=u)
    grey = np.rint(np.arange(90) * 127 / 89).astype(int)  # as if 90 grey values were put into 128 bins
    combed = np.zeros((128, 128), int)
    combed[np.ix_(grey, grey)] = histogram
    assert len(find_peaks(histogram)) == len(find_peaks(combed)) == 2


def test_mixture_changes_little_where_the_histogram_does():
    """Else the iterations of a registration would never settle."""
    histogram = drawn(THREE, (0.3, 0.3, 0.2), 0.066)
    before = fit_mixture(histogram, 3)
    for f, g in ((20, 80), (62, 27), (40, 52)):
        other = histogram.copy()
        other[f, g] += 20
        after = fit_mixture(other, 3)
        np.testing.assert_allclose(after.means, before.means, atol=2e-3)
        np.testing.assert_allclose(after.weights, before.weights, atol=5e-4)


def test_weights_of_given_phases():
    histogram = drawn(TWO, (0.3, 0.45), 0.25)
    widths = np.tile(np.diag(np.square(NOISE)), (2, 1, 1))
    given = Mixture.of(np.array([0.5, 0.5]), np.array(TWO, float), widths, np.empty((0, 2)), 0.0)
    mixture = fit_weights(given, histogram)
    np.testing.assert_array_equal(mixture.means[:2], TWO)
    np.testing.assert_array_equal(mixture.covariances[:2], widths)
    np.testing.assert_allclose(mixture.weights[:2], (0.3, 0.45), atol=0.02)


@pytest.mark.parametrize("here", [[], [TWO[0]]])
def test_given_phase_without_voxels(here):
    """It has next to no weight, but remains; so images that phases do not fit have a phase diagram and a status."""
    means = np.array([*here, (5.0, 120.0)])
    given = Mixture.of(np.full(len(means), 0.5), means, np.tile(np.eye(2) * 4, (len(means), 1, 1)), np.empty((0, 2)), 0)
    mixture = fit_weights(given, drawn(TWO, (0.5, 0.5)))
    assert 0 < mixture.weights[len(means) - 1] < 1e-6
    assert diagram_of(mixture, 128)[5, 120] == len(means)


def test_information_criterion_wants_what_is_there():
    histogram = drawn(THREE, (0.3, 0.3, 0.2), 0.066)
    found = [bic(fit_mixture(histogram, n), histogram) for n in (1, 2, 3)]
    assert found == sorted(found, reverse=True)


def test_given_phases_that_no_voxel_is_of():
    """Neither wider than the histogram nor beside all its voxels: the fit of their weights has numbers."""
    histogram = np.zeros((64, 64), np.int64)
    histogram[40:44, 50:54] = 100
    for width in (1e7, 0.02):
        given = even(np.array([[5.0, 5.0]]), width * np.eye(2)[None])
        found = fit_weights(given, histogram)
        assert np.isfinite(found.weights).all()
        assert (found.weights > 0).all()
