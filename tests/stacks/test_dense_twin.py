"""The compiled maps against those of numpy arrays, and against the formulae of single windows."""

import numpy as np
import pytest
from dense_cases import MEAN, frames, noise

from hpcdvc.stacks import arrays
from hpcdvc.stacks.dense import DenseSettings, measure_rows

SHAPE, U, REACH = (34, 40), (1.3, -1.4), (-3, 3, -3, 2)
HAMMING = tuple(np.hamming(5) / np.hamming(5).sum())
MEANS = np.array([MEAN, 0.8 * MEAN])
WAYS = {
    "ncc": {},
    "template": {"template": "im2", "taps": HAMMING},
    "poly": {"peak": "poly", "peak_size": 3},
    "poly of rows": {"peak": "poly", "peak_size": 5, "peak_dim": 1},
    "taylor of rows": {"peak_dim": 1},
    "whole": {"peak": "none"},
    "row": {"along": "x", "reach": (0, 0, -4, 4), "half_window": 5},
    "umpa": {"metric": "umpa", "template": "im2", "taps": HAMMING},
    "umpa-dark": {"metric": "umpa-dark", "template": "im2", "taps": HAMMING},
    "pixel": {"metric": "umpa-dark", "template": "im2", "values_at": "pixel"},
    "local": {"metric": "umpa-dark", "template": "im2", "local_mean": True},
    "partial": {"metric": "umpa-dark", "template": "im2", "partial": True},
    "partial umpa": {"metric": "umpa", "partial": True},
    "partial ncc": {"partial": True},
}


@pytest.fixture(scope="module")
def stacks():
    im1, im2 = frames(6, SHAPE, 1), 0.8 * frames(6, SHAPE, 1, U)
    im1, im2 = im1 + noise(im1, 0.2, 2), im2 + noise(im2, 0.2, 3)
    im1[2, 20, 9], im2[1, 12, 30], im1[0, 28, 30] = np.nan, np.nan, np.inf
    return im1, im2


@pytest.mark.parametrize("way", WAYS)
def test_same_as_the_arrays(stacks, way):
    settings = DenseSettings(**{"half_window": 2, "reach": REACH} | WAYS[way])
    one, two = (f(*stacks, 0, range(SHAPE[0]), SHAPE[0], settings, MEANS) for f in (measure_rows, arrays.measure_rows))
    assert one.keys() == two.keys()
    both = (one["status"] == 2) & (two["status"] == 2)
    assert both.mean() > 0.3 and (one["status"] == two["status"]).mean() > 0.97
    for name in ("displacement", "transmission", "visibility"):
        if name in one:
            np.testing.assert_allclose(one[name][both], two[name][both], atol=1e-4, err_msg=name)


def test_formulae_of_one_window(stacks):
    """Least squares by numpy at the whole-pixel displacement that was found."""
    n, (y, x) = 3, (17, 20)
    weights = np.sqrt(np.outer(*[np.hamming(7) / np.hamming(7).sum()] * 2))
    taps = tuple(np.hamming(7) / np.hamming(7).sum())
    for metric in ("ncc", "umpa", "umpa-dark"):
        settings = DenseSettings(n, REACH, metric, "im2", taps=taps, peak="none")
        found = measure_rows(*stacks, 0, range(SHAPE[0]), SHAPE[0], settings, MEANS)
        assert found["status"][y, x] == 2
        dy, dx = found["displacement"][y, x].astype(int)
        window = stacks[1][:, y - n : y + n + 1, x - n : x + n + 1].astype(float)
        other = stacks[0][:, y - dy - n : y - dy + n + 1, x - dx - n : x - dx + n + 1].astype(float)
        w = np.broadcast_to(weights, window.shape)
        if metric == "ncc":
            a, b = (v - (v * w**2).sum() / (w**2).sum() for v in (window, other))
            score = (a * b * w**2).sum() / np.sqrt((a**2 * w**2).sum() * (b**2 * w**2).sum())
            np.testing.assert_allclose(found["score"][y, x], score, atol=1e-6)
            continue
        columns = [(other * w).ravel()] + [(MEANS[0] * w).ravel()] * (metric == "umpa-dark")
        solved, cost, *_ = np.linalg.lstsq(np.stack(columns, 1), (window * w).ravel())
        np.testing.assert_allclose(found["score"][y, x], cost[0], rtol=1e-4)
        np.testing.assert_allclose(found["transmission"][y, x], solved.sum(), rtol=1e-5)
        if metric == "umpa-dark":
            np.testing.assert_allclose(found["visibility"][y, x], solved[0] / solved.sum(), rtol=1e-5)
