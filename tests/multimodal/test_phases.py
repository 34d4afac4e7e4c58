"""Phase diagrams, and phases as the parameters of Gaussians."""

import numpy as np
import pytest
from joint_histograms import NOISE, THREE, TWO, drawn

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.multimodal.mixture import fit_mixture
from hpcdvc.multimodal.phases import diagram_of, mixture_from, parameters_of

#: phi, mu1, mu2, a, b, c of two round phases with a standard deviation of 4 bins
ROUND = np.array([[0.01, 20, 40, 1 / 16, 0, 1 / 16], [0.01, 44, 40, 1 / 16, 0, 1 / 16]])


def test_border_is_halfway_between_equal_phases():
    diagram, coverage = hpcdvc.phase_diagram(ROUND, np.ones((64, 64)))
    assert diagram.dtype == np.uint8 and diagram.shape == (64, 64) and coverage == 1
    assert (diagram[:32] == 1).all() and (diagram[33:] == 2).all()


def test_heavier_phase_has_more():
    """(x - 20)^2 / 32 - ln 7.389 = (x - 44)^2 / 32: the border at 32 + 32 x 2 / 48."""
    heavier = ROUND * [[np.exp(2), 1, 1, 1, 1, 1], [1] * 6]
    diagram, _ = hpcdvc.phase_diagram(heavier, np.ones((64, 64)))
    assert (diagram[:34] == 1).all() and (diagram[34:] == 2).all()


@pytest.mark.parametrize("coverage", [0.3, 0.8, 0.99])
def test_coverage(coverage):
    """What is nearest to its phase, as much as was asked for and no more."""
    histogram = drawn(TWO, (0.55, 0.45))
    parameters = parameters_of(fit_mixture(histogram, 2))
    diagram, covered = hpcdvc.phase_diagram(parameters, histogram, coverage, bins=128)
    assert coverage - 0.005 < covered <= coverage
    assert covered == pytest.approx(histogram[diagram > 0].sum() / histogram.sum())
    f, g = np.indices((128, 128))
    _, mu1, mu2, a, b, c = parameters.T[:, :, None, None]
    away = a * (f - mu1) ** 2 + 2 * b * (f - mu1) * (g - mu2) + c * (g - mu2) ** 2
    own = np.take_along_axis(away, np.maximum(diagram.astype(int) - 1, 0)[None], axis=0)[0]
    assert own[diagram > 0].max() <= away.min(axis=0)[diagram == 0].min() + 1e-9
    assert own[diagram > 0].max() == pytest.approx(-2 * np.log(1 - coverage), rel=0.1)  # of a Gaussian in a plane


def test_most_standard_deviations():
    diagram, _ = hpcdvc.phase_diagram(ROUND, np.ones((64, 64)), 0.99999, sigma_max=2)
    away = np.hypot(np.indices((64, 64))[0] - 20, np.indices((64, 64))[1] - 40)
    np.testing.assert_array_equal(diagram == 1, away <= 8)


@pytest.mark.parametrize(
    ("parameters", "histogram", "coverage", "words"),
    [
        (ROUND, np.ones((32, 32)), None, "has not 64 x 64 bins"),
        (ROUND[:, :5], np.ones((64, 64)), None, "1 to 16 rows of phi, mu1, mu2, a, b, c"),
        (np.empty((0, 6)), np.ones((64, 64)), None, "1 to 16 rows"),
        (np.tile(ROUND, (9, 1)), np.ones((64, 64)), None, "1 to 16 rows"),
        (ROUND * [1, 1, 1, -1, 1, 1], np.ones((64, 64)), None, "a > 0"),
        (ROUND + [0, 0, 0, 0, 1, 0], np.ones((64, 64)), None, "a c > b"),
        (ROUND * np.nan, np.ones((64, 64)), None, "finite"),
        (ROUND, np.ones((64, 64)), 1.5, "1.5 is no part"),
        (ROUND, np.ones((64, 64)), 0, "0 is no part"),
        (ROUND, np.ones((64, 64)), np.nan, "nan is no part"),
    ],
)
def test_nonsense(parameters, histogram, coverage, words):
    with pytest.raises(UserError, match=words):
        hpcdvc.phase_diagram(parameters, histogram, coverage)


def test_parameters_are_those_of_the_phases():
    histogram = drawn(THREE, (0.4, 0.35, 0.25))
    mixture = fit_mixture(histogram, 3)
    phi, mu1, mu2, a, b, c = parameters_of(mixture).T
    np.testing.assert_allclose(phi * 2 * np.pi / np.sqrt(a * c - b * b), mixture.weights[:3])
    np.testing.assert_allclose([mu1, mu2], np.array(THREE).T, atol=0.1)
    np.testing.assert_allclose([a, c], 1 / np.square(NOISE)[:, None] * np.ones(3), rtol=0.05)
    again = mixture_from(parameters_of(mixture), histogram)
    np.testing.assert_allclose(again.covariances[:3], mixture.covariances[:3])
    np.testing.assert_allclose(again.weights[:3], mixture.weights[:3], atol=0.01)


def test_diagram_of_a_mixture():
    histogram = drawn(TWO, (0.4, 0.3), 0.3)
    mixture = fit_mixture(histogram, 2)
    whole, part = diagram_of(mixture, 128), diagram_of(mixture, 128, histogram, 0.5)
    assert set(np.unique(whole)) == {1, 2} and set(np.unique(part)) == {0, 1, 2}
    for number, mean in enumerate(mixture.means[:2].round().astype(int), 1):
        assert whole[tuple(mean)] == part[tuple(mean)] == number
    np.testing.assert_array_equal(part[part > 0], whole[part > 0])
