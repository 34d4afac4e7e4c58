"""Sums over windows and what is made of them, against the plainest way to write them down."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.signal import windows

from hpcdvc.stacks.models import Sums, correlation, transmission_and_visibility, umpa_cost, umpa_parts
from hpcdvc.stacks.products import Products
from hpcdvc.stacks.windows import WINDOWS, window_taps

HALF, SIZE, FRAMES = (2, 1), (4, 3), 3


@pytest.fixture
def stacks():
    """Windows of 6 x 5 pixels with their surroundings, what they are compared with at 4 x 3 displacements, the taps."""
    random = np.random.default_rng(3)
    a = random.uniform(1, 2, (FRAMES, 6 + 2 * HALF[0], 5 + 2 * HALF[1]))
    b = random.uniform(1, 2, (FRAMES, a.shape[1] + SIZE[0] - 1, a.shape[2] + SIZE[1] - 1))
    return a, b, (window_taps("hamming", HALF[0]), window_taps("triang", HALF[1]))


def samples(a, b, taps, displacement, pixel):
    """(weights, I, R) of one pixel at one displacement, each (K, 5, 3)."""
    (y, x), (dy, dx), (h, w) = pixel, displacement, map(len, taps)
    weights = np.broadcast_to(np.outer(*taps), (FRAMES, h, w))
    return weights, a[:, y : y + h, x : x + w], b[:, y + dy : y + dy + h, x + dx : x + dx + w]


def places():
    random = np.random.default_rng(4)
    return [tuple(map(int, random.integers(0, (*SIZE, 6, 5)))) for _ in range(12)]


def of_place(sums: Sums, place) -> np.ndarray:
    return np.array([getattr(sums, name)[place] for name in ("ii", "mm", "rr", "im", "ir", "rm")])


def test_sums_of_whole_windows(stacks):
    a, b, taps = stacks
    mean = np.array([1.2, 1.5, 1.7]).reshape(3, 1, 1)
    a[1, 0, 0] = b[2, -1, -1] = 0
    ok_a, ok_b = a > 0, b > 0
    sums, there, comparable = Products(a, b, ok_a, ok_b, taps, SIZE, np).whole(mean)
    for place in places():
        w, i, r = samples(a, b, taps, place[:2], place[2:])
        plain = [(w * f).sum() for f in (i * i, mean**2 + 0 * i, r * r, i * mean, i * r, r * mean)]
        assert np.allclose(of_place(sums, place), plain, rtol=1e-12)
    assert there[0, 0] == 0 and there[1:].all() and there[0, 1:].all()
    assert (~comparable).sum() == 1 and not comparable[-1, -1, -1, -1]


def test_sums_where_samples_are_missing(stacks):
    """A sample that is missing in either stack is left out in its frame only."""
    a, b, taps = stacks
    random, mean = np.random.default_rng(5), np.array([1.2, 1.5, 1.7]).reshape(3, 1, 1)
    ok_a, ok_b = random.random(a.shape) > 0.3, random.random(b.shape) > 0.3
    ok_a[:, :4, :3] = False
    products = Products(np.where(ok_a, a, 0), np.where(ok_b, b, 0), ok_a, ok_b, taps, SIZE, np)
    sums, there, comparable = products.partial(mean, 0.5)
    for place in places():
        w, i, r = samples(a, b, taps, place[:2], place[2:])
        _, ok_i, ok_r = samples(ok_a, ok_b, taps, place[:2], place[2:])
        w = w * ok_i * ok_r
        plain = [(w * f).sum() for f in (i * i, mean**2 + 0 * i, r * r, i * mean, i * r, r * mean)]
        assert np.allclose(of_place(sums, place), plain, rtol=1e-12)
        assert sums.there[place] == pytest.approx(w.sum()) and comparable[place] == (
            w.sum() >= 0.5 * FRAMES and ok_r.mean() >= 0.5
        )
    assert not there[0, 0] and there[-1, -1]


def plain_sums(w, i, m, r) -> Sums:
    return Sums(*((w * f).sum() for f in (i * i, m * m, r * r, i * m, i * r, r * m)))


@pytest.mark.parametrize("dark", [False, True])
def test_umpa_is_least_squares(stacks, dark):
    a, b, taps = stacks
    w, i, r = samples(a, b, taps, (1, 2), (3, 3))
    m = np.full(i.shape, 1.4)
    i = 0.8 * (m + 0.6 * (r - m)) + 0.05 * (i - 1.5)
    s, root = plain_sums(w, i, m, r), np.sqrt(w).ravel()
    columns = np.stack([m.ravel(), r.ravel()][not dark :], axis=1)
    parts, (rest,), _, _ = np.linalg.lstsq(columns * root[:, None], i.ravel() * root, rcond=None)
    beta, kappa = umpa_parts(s, dark)
    assert np.allclose([beta, kappa][not dark :], parts)
    assert umpa_cost(s, dark) == pytest.approx(rest, rel=1e-9)
    transmission, visibility = transmission_and_visibility(s, dark)
    assert transmission == pytest.approx(parts.sum()) and visibility == pytest.approx(parts[-1] / parts.sum())


def test_correlation_is_pearsons(stacks):
    a, b, _ = stacks
    i, r = a[:, :5, :3], b[:, 1:6, 1:4]
    s = plain_sums(np.ones(i.shape), i, np.ones(i.shape), r)
    assert correlation(s) == pytest.approx(np.corrcoef(i.ravel(), r.ravel())[0, 1], abs=1e-12)
    assert correlation(plain_sums(1, i, np.ones(i.shape), np.full(i.shape, 1.1))) == 0


@pytest.mark.parametrize("name", WINDOWS[:-1])
@pytest.mark.parametrize("half_window", [1, 2, 7, 30])
def test_windows_are_those_of_scipy(name, half_window):
    """To the bit, also where scipy is not asked for them."""
    expected = getattr(windows, name)(2 * half_window + 1)
    assert window_taps(name, half_window) == tuple((expected / expected.sum()).tolist())


def test_windows_of_cosines_are_at_hand_at_once():
    """scipy.signal takes longer to load than many a run."""
    code = "import sys; from hpcdvc.stacks.windows import *; [window_taps(n, 3) for n in COSINES]; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split()
    assert "hpcdvc.stacks.windows" in loaded and "scipy" not in loaded
