"""The way of a graphics card, through numpy in cupy's place; with cupy where there is a card."""

import importlib
import logging
import sys

import card
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from hpcdvc import find_local_shifts, find_local_shifts_umpa, find_shift_based_correlation_map, generate_correlation_map
from hpcdvc.errors import UserError
from hpcdvc.stacks import arrays, dense
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.device import array_module
from hpcdvc.stacks.windows import window_taps

SETTINGS = {
    "ncc": DenseSettings(3, (-3, 3, -2, 4)),
    "one axis": DenseSettings(3, (0, 0, -2, 4), along="x"),
    "poly": DenseSettings(3, (-3, 3, -3, 3), template="im2", peak="poly", peak_size=5),
    "umpa": DenseSettings(3, (-3, 3, -2, 4), "umpa", taps=window_taps("hamming", 3)),
    "umpa-dark": DenseSettings(3, (-3, 3, -2, 4), "umpa-dark", "im2", taps=window_taps("hamming", 3)),
    "correlation": DenseSettings(3, (-3, 3, -2, 4), "umpa-dark", "im2", peak_of="correlation"),
    "partial": DenseSettings(3, (-3, 3, -2, 4), "umpa", partial=True),
}


def speckle() -> tuple[np.ndarray, np.ndarray]:
    """Two stacks of 6 frames, the second moved by a whole pixel down and two to the right, absorbed and scattered."""
    random = np.random.default_rng(5)
    frames = np.array([gaussian_filter(random.normal(0, 1, (40, 44)), 1.2) for _ in range(6)])
    im1 = 100 + 30 * frames / frames.std()
    im2 = 0.8 * (100 + 0.7 * (np.roll(im1, (1, 2), (1, 2)) - 100)) + random.normal(0, 0.5, im1.shape)
    return im1.astype("f4"), im2.astype("f4")


@pytest.fixture
def real_card():
    cupy = pytest.importorskip("cupy", reason="cupy is not installed: nothing to be tested on a graphics card")
    try:
        cards = cupy.cuda.runtime.getDeviceCount()
    except Exception as error:  # a driver that is missing
        pytest.skip(f"no graphics card: {error}")
    if not cards:
        pytest.skip("no graphics card")
    return cupy


def patchwork() -> tuple[np.ndarray, np.ndarray]:
    """Parts that end differently: moved beyond the range, and up to it, unrelated, periodic, an edge, saturated."""
    im1, im2 = speckle()
    random, (y, x) = np.random.default_rng(6), np.indices((40, 44))
    im2[:, :14, :15] = np.roll(im1, (3, 5), (1, 2))[:, :14, :15]
    im2[:, :14, 15:29] = np.roll(im1, (3, -2), (1, 2))[:, :14, 15:29]
    im2[:, :14, 29:] = random.normal(100, 20, (6, 14, 15))
    lattice = 100 + 20 * np.cos(2 * np.pi * y / 3.5) * np.cos(2 * np.pi * x / 3)
    im1[:, 14:27, :15] = im2[:, 14:27, :15] = lattice[14:27, :15]
    im1[:, 14:27, 15:29] = im2[:, 14:27, 15:29] = 100 + 20 * np.tanh(x - 22 + 0.5 * (y - 20))[14:27, 15:29]
    im1, im2 = (stack + random.normal(0, 2, stack.shape).astype("f4") for stack in (im1, im2))
    im1[:, 27:34, 5:9], im2[2:4, 27:36, 24:32], im2[1, 30, 35], im1[:4, 20, 38] = np.inf, np.inf, np.nan, np.nan
    return im1, im2


def compare(module, name: str, pair: tuple[np.ndarray, np.ndarray], same: float) -> np.ndarray:
    """The same to 1e-4 pixel, and the same statuses but for what rounding decides; returns them."""
    im1, im2 = pair
    settings, means = SETTINGS[name], np.array([np.mean(s, where=np.isfinite(s), dtype=float) for s in pair])
    there = arrays.measure_rows(im1, im2, 0, range(40), 40, settings, means, module)
    here = dense.measure_rows(im1, im2, 0, range(40), 40, settings, means)
    assert set(there) == set(here)
    assert all(type(there[key]) is np.ndarray and there[key].dtype == here[key].dtype for key in here)
    both = (there["status"] == 2) & (here["status"] == 2)
    assert (there["status"] == here["status"]).mean() >= same
    # a cost is the small rest of two float32 numbers as large as the contrast
    bounds = {"displacement": 1e-4, "score": 5e-6 * (1 if settings.metric == "ncc" else 6 * np.var(im1[1, 27:, 10:]))}
    for key in set(here) - {"status"}:
        assert abs(there[key] - here[key])[both].max() < bounds.get(key, 1e-4), key
    return here["status"]


@pytest.mark.parametrize("name", SETTINGS)
def test_numpy_in_the_place_of_cupy(monkeypatch, name):
    assert card.install(monkeypatch) == []
    status = compare(array_module("cuda"), name, speckle(), 1)
    assert (status == 2).mean() > 0.4


@pytest.mark.parametrize("name", SETTINGS)
def test_all_statuses(monkeypatch, name):
    card.install(monkeypatch)
    status = compare(array_module("cuda"), name, patchwork(), 0.997)
    assert {2, -6, -9, -11, -15} <= set(status.ravel().tolist())
    assert name == "one axis" or -10 in status


@pytest.mark.parametrize("name", SETTINGS)
def test_on_a_graphics_card(real_card, name):
    compare(real_card, name, speckle(), 0.997)
    compare(real_card, name, patchwork(), 0.99)


def test_functions_for_python(monkeypatch):
    im1, im2 = speckle()
    here = find_local_shifts(im1, im2, dim=2, margin=3), find_local_shifts_umpa(im1, im2, margin=3, gpu=False)
    maps = generate_correlation_map(im1, im2[:, 5:-5, 5:-5]), find_shift_based_correlation_map(im1, im2, margin=5)
    chosen = card.install(monkeypatch)
    there = find_local_shifts(im1, im2, dim=2, margin=3, gpu="hybrid"), find_local_shifts_umpa(im1, im2, margin=3)
    others = (
        generate_correlation_map(im1, im2[:, 5:-5, 5:-5], gpu=True),
        find_shift_based_correlation_map(im1, im2, margin=5, gpu=True),
    )
    assert chosen == [0] * 4
    for one, other in zip((*here, *maps), (*there, *others), strict=True):
        assert np.nanmax(np.abs(np.subtract(one, other))) < 1e-4
        assert np.isfinite(one).mean() > 0.95 and np.isfinite(other).mean() > 0.95


def test_each_rank_has_a_card(monkeypatch):
    chosen = card.install(monkeypatch, cards=3)
    for rank in range(5):
        array_module("cuda", rank)
    assert chosen == [0, 1, 2, 0, 1] and array_module("cpu") is np


def test_without_a_card(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(UserError, match="needs cupy, which is not installed"):
        array_module("cuda")
    im1, im2 = speckle()
    with caplog.at_level(logging.WARNING, "hpcdvc"):
        find_local_shifts_umpa(im1, im2, margin=3)
    assert any("computed on the processor" in text for text in caplog.messages)
    card.install(monkeypatch, cards=0)
    with pytest.raises(UserError, match="no graphics card"):
        array_module("cuda")
    with pytest.raises(UserError, match="is no device"):
        array_module("gpu")


def test_the_stand_in_is_as_strict_as_cupy(monkeypatch):
    card.install(monkeypatch)
    cupy = importlib.import_module("cupy")
    a = cupy.asarray(np.arange(3.0))
    for mistake in (
        lambda: np.sqrt(a),
        lambda: np.asarray(a),
        lambda: a + np.ones(3),
        lambda: cupy.where(np.ones(3), a, a),
    ):
        with pytest.raises(TypeError):
            mistake()
    assert ((2 * a + 1).get() == (1, 3, 5)).all() and float(a.sum()) == 3
