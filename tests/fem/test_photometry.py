"""Gain and offset from the sums over elements: one pair for all, a map, and what is left."""

import numpy as np
import pytest

from hpcdvc.fem.photometry import compare
from hpcdvc.fem.sums import Sums

RNG = np.random.default_rng(3)
COUNT, VOXELS = 400, 200
MIDDLES = RNG.uniform(0, 100, (COUNT, 3))
F = 30000 + 5000 * RNG.standard_normal((COUNT, VOXELS))


def sums_of(f: np.ndarray, g: np.ndarray) -> Sums:
    nothing = np.zeros((len(f), 12))
    n = np.full(len(f), float(f.shape[1]))
    parts = f.sum(1), g.sum(1), (f * f).sum(1), (f * g).sum(1), (g * g).sum(1)
    return Sums(nothing, nothing, nothing, n, *parts)


def test_whole():
    g = (F - 700) / 1.3
    greys = compare(sums_of(F, g), "znssd", MIDDLES)
    assert greys.gain == pytest.approx(1.3) and greys.offset == pytest.approx(700)
    assert np.abs(greys.squares).max() < 1e-4 * VOXELS * 5000 and greys.zncc == pytest.approx(1)
    assert greys.contrast == pytest.approx(F.std())


def test_as_they_are():
    greys = compare(sums_of(F, F + 50), "ssd", MIDDLES)
    assert (greys.gain == 1).all() and (greys.offset == 0).all()
    assert greys.squares == pytest.approx(VOXELS * 50**2, rel=1e-4)


def test_noise_does_not_take_gain():
    """The gain of equally noisy images is 1, not what fits best."""
    noise = 2000 * RNG.standard_normal((2, COUNT, VOXELS))
    greys = compare(sums_of(F + noise[0], F + noise[1]), "znssd", MIDDLES)
    assert greys.gain == pytest.approx(1, abs=0.01)
    residual = F + noise[0] - greys.gain[:, None] * (F + noise[1]) - greys.offset[:, None]
    assert greys.squares == pytest.approx((residual**2).sum(1))


def test_map():
    """It follows a linear change, and leaves nothing of it; elements without voxels do no harm."""
    gain = 1 + 0.3 * (MIDDLES[:, 0] - 50) / 100
    g = (F - 500) / gain[:, None]
    sums = sums_of(F, g)
    greys = compare(sums, "map", MIDDLES)
    assert np.abs(greys.gain - gain).max() < 0.08 and np.corrcoef(greys.gain, gain)[0, 1] > 0.98
    assert greys.squares.sum() < 0.1 * compare(sums, "znssd", MIDDLES).squares.sum()
    empty = MIDDLES[:, 0] > 60
    for name in ("n", "f", "g", "ff", "fg", "gg"):
        getattr(sums, name)[empty] = 0
    greys = compare(sums, "map", MIDDLES)
    assert np.isfinite(greys.gain).all() and (greys.squares[empty] == 0).all()


def test_no_contrast():
    """Of a constant im2 nothing is known; nothing is divided by zero."""
    with np.errstate(all="raise"):
        greys = compare(sums_of(F, np.full_like(F, 7.0)), "znssd", MIDDLES)
    assert greys.zncc == 0 and (greys.gain == 1).all()


def test_map_in_a_layer():
    """Middles in one plane leave polynomials alike: the map is what a plain fit gives all the same."""
    middles = MIDDLES * [0, 1, 1] + [7, 0, 0]
    gain = 1 + 0.2 * (middles[:, 2] / 50 - 1) ** 2
    greys = compare(sums_of(F, F / gain[:, None]), "map", middles)
    assert greys.gain == pytest.approx(gain, rel=0.02)
