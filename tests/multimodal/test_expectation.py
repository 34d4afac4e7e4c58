"""The compiled expectation of EM, compared with the mixture on the bins in numpy."""

import numpy as np
import pytest
from hpcdvc.kernels.multimodal import expect

from hpcdvc.multimodal.components import Mixture
from hpcdvc.multimodal.mixture import COMPONENT, SHARE, density_of

BINS = 40


def mixture() -> Mixture:
    """Three phases, one narrow, one slanted and one that reaches over the edge, and two boundaries."""
    means = np.array([[8.2, 30.7], [20.1, 11.4], [38.5, 1.2]])
    covariances = np.array([[[0.3, 0.0], [0.0, 0.25]], [[9.0, 8.5], [8.5, 9.0]], [[20.0, -3.0], [-3.0, 2.0]]])
    weights = np.linspace(1, 2, 17)
    return Mixture.of(weights / weights.sum() * 0.98, means, covariances, np.array([[0, 1], [1, 2]]), 0.02)


def components_of(found: Mixture) -> np.ndarray:
    records = np.zeros(len(found.weights), COMPONENT)
    records["mean"], records["height"] = found.means, found.heights()
    records["precision"] = found.precisions()[:, [0, 0, 1], [0, 1, 1]]
    records["first"], records["stop"] = found.reaches(np.arange(BINS, dtype=float))
    return records


def test_as_in_numpy():
    found, rng = mixture(), np.random.default_rng(3)
    parts, near = rng.random((BINS, BINS)), (rng.random((3, BINS, BINS)) < 0.7).astype("u1")
    parts /= parts.sum()
    shares = np.zeros(len(found.weights), SHARE)
    expect(components_of(found), parts, near, found.background / BINS**2, shares)
    patches, whole = density_of(found, BINS)
    f, g = np.mgrid[:BINS, :BINS]
    for k, (patch, share) in enumerate(zip(patches, shares, strict=True)):
        expected = np.zeros((BINS, BINS))
        expected[patch.box] = patch.density * (parts / whole)[patch.box]
        assert share["weight"] == pytest.approx(expected.sum(), rel=1e-10)
        shaping = expected * near[k] if k < 3 else np.zeros_like(expected)
        away = f - found.means[k, 0], g - found.means[k, 1]
        for name, values in {"first": away, "second": [d**2 for d in away]}.items():
            assert share[name] == pytest.approx([(shaping * v).sum() for v in values], rel=1e-9, abs=1e-15)
        assert share["near"] == pytest.approx(shaping.sum(), rel=1e-10)
        assert share["mixed"] == pytest.approx((shaping * away[0] * away[1]).sum(), rel=1e-9, abs=1e-15)


@pytest.mark.parametrize(("name", "value"), [("first", -1), ("stop", BINS + 1), ("stop", -3)])
def test_components_beyond_the_bins(name, value):
    records, shares = components_of(mixture()), np.zeros(17, SHARE)
    records[name][2, 1] = value
    with pytest.raises(ValueError, match="reach beyond"):
        expect(records, np.ones((BINS, BINS)), np.ones((3, BINS, BINS), "u1"), 1e-6, shares)


def test_arrays_that_do_not_fit():
    records, shares = components_of(mixture()), np.zeros(17, SHARE)
    near = np.ones((3, BINS, BINS), "u1")
    with pytest.raises(ValueError, match="histogram"):
        expect(records, np.ones((BINS, BINS + 1)), near, 1e-6, shares)
    with pytest.raises(ValueError, match="shares"):
        expect(records, np.ones((BINS, BINS)), near, 1e-6, shares[:5])
    with pytest.raises(ValueError, match="phases"):
        expect(records, np.ones((BINS, BINS)), np.ones((18, BINS, BINS), "u1"), 1e-6, shares)
