"""Tables of log p and its derivatives along g, against the sum of the Gaussians written out."""

import numpy as np
import pytest
from joint_histograms import THREE, TWO, drawn

from hpcdvc.multimodal.mixture import fit_mixture
from hpcdvc.multimodal.tables import Tables


def written_out(mixture, f: float, g: float, bins: int) -> tuple[float, float, float]:
    """log p, - d log p / dg, and the mean curvature of the components, at one point."""
    density, slope, curvature = mixture.background / bins**2, 0.0, 0.0
    for weight, mean, covariance in zip(mixture.weights, mixture.means, mixture.covariances, strict=True):
        away, precision = np.array([f, g]) - mean, np.linalg.inv(covariance)
        part = weight * np.exp(-0.5 * away @ precision @ away) / (2 * np.pi * np.sqrt(np.linalg.det(covariance)))
        density += part
        slope += part * (precision @ away)[1]
        curvature += part * precision[1, 1]
    return np.log(density), slope / density, curvature / density


@pytest.mark.parametrize(("means", "bins"), [(TWO, 32), (THREE, 64)])
def test_tables_are_those_of_the_mixture(means, bins):
    mixture = fit_mixture(drawn(means, [0.8 / len(means)] * len(means), 0.06, bins=bins), len(means))
    tables = Tables.of(mixture, bins)
    nodes = len(tables.score)
    assert tables.log_density.shape == tables.score.shape == tables.weight.shape == (nodes, nodes)
    assert (nodes - 1) % (bins - 1) == 0
    at = np.arange(nodes) * (bins - 1) / (nodes - 1)
    for i, j in np.random.default_rng(0).integers(0, nodes, (300, 2)):
        log_density, score, weight = written_out(mixture, at[i], at[j], bins)
        assert tables.log_density[i, j] == pytest.approx(log_density, abs=1e-3)
        assert tables.score[i, j] == pytest.approx(score, abs=2e-3)
        assert tables.weight[i, j] == pytest.approx(max(weight, 1e-6), abs=2e-3)
    assert (tables.weight > 0).all()


def test_score_is_the_derivative():
    tables = Tables.of(fit_mixture(drawn(THREE, (0.3, 0.3, 0.2), 0.066, bins=64), 3), 64)
    step = 63 / (len(tables.score) - 1)
    y = tables.log_density
    slope = (y[:, 4:] - y[:, :-4] - 8 * (y[:, 3:-1] - y[:, 1:-3])) / (12 * step)
    there = y[:, 2:-2] > -15  # where components are cut off there is a small step
    np.testing.assert_allclose(tables.score[:, 2:-2][there], slope[there], atol=0.06)


def test_narrow_phases_have_fine_tables():
    wide, narrow = (Tables.of(fit_mixture(drawn(TWO, (0.5, 0.5), noise=noise), 2), 128) for noise in ((6, 6), (0, 0)))
    assert len(narrow.score) > len(wide.score) > 128
    assert np.isfinite(narrow.log_density).all() and np.isfinite(narrow.score).all()
