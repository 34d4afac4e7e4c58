"""What the kernels of two modalities are handed is checked at their entry: one sentence instead of a crash."""

import numpy as np
import pytest
from hpcdvc.kernels.multimodal import MOST_BINS, MOST_NODES, Images

from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume

SHAPE, BINS = (9, 10, 11), 16


def images(**other) -> Images:
    """Two images in bins."""
    volume = Volume(np.random.default_rng(0).random(SHAPE, np.float32))
    given = {"low": (0.0, 0.0), "high": (1.0, 1.0), "bins": BINS, "centre": (4.0, 4.5, 5.0)} | other
    return Images(volume, volume, *given.values())


def arrays() -> dict:
    """All that fits together."""
    return {
        "table": np.ones((8, 9, 4), "f4"),
        "phi": np.eye(4)[:3],
        "blocks": np.array([[[0, 0, 0], [4, 10, 11]], [[4, 0, 0], [9, 10, 11]]]),
        "sums": np.zeros(2, dtype("modal_sums")),
        "histogram": np.zeros((BINS, BINS), np.int64),
        "moments": np.zeros((2, BINS, 3)),
        "diagram": np.ones((BINS, BINS), np.uint8),
        "residual": np.zeros((4, 10, 11), "f4"),
        "phase": np.zeros((4, 10, 11), "u1"),
    }


def call(a: dict) -> None:
    """All kernels."""
    pair = images()
    pair.use(a["table"])
    pair.sums(a["phi"], a["blocks"], a["sums"], a["histogram"])
    pair.count(a["phi"], a["blocks"], a["histogram"])
    pair.moments(a["phi"], a["blocks"], a["moments"])
    pair.fields(a["phi"], a["diagram"], 5, a["residual"], a["phase"])


def test_what_fits():
    given = arrays()
    call(given)
    assert given["sums"]["count"].sum() == given["histogram"].sum() / 2 == given["moments"][..., 0].sum() == 990
    assert (given["phase"] == 1).all() and np.isfinite(given["residual"]).all()


@pytest.mark.parametrize("name", [name for name in arrays() if name != "phi"])
def test_arrays(name):
    good = arrays()[name]
    other_type = np.zeros(good.shape, "c16")
    for spoilt in (good[:1], good[..., ::-1], good.tolist(), other_type, good[..., :0]):
        with pytest.raises((TypeError, ValueError)):
            call(arrays() | {name: spoilt})


@pytest.mark.parametrize("phi", [np.eye(4), np.eye(3), np.full((3, 4), np.nan), np.inf * np.ones((3, 4))])
def test_phi(phi):
    with pytest.raises(ValueError, match="Phi"):
        call(arrays() | {"phi": phi})


def test_blocks_and_planes_of_the_image():
    for corner in ([[-1, 0, 0], [4, 10, 11]], [[0, 0, 0], [4, 10, 12]]):
        with pytest.raises(ValueError, match="reach out"):
            call(arrays() | {"blocks": np.array([corner, corner])})
    pair, a = images(), arrays()
    pair.use(a["table"])
    for first in (-1, 6):
        with pytest.raises(ValueError, match="planes"):
            pair.fields(a["phi"], a["diagram"], first, a["residual"], a["phase"])


def test_no_table():
    a = arrays()
    with pytest.raises(ValueError, match="no table"):
        images().sums(a["phi"], a["blocks"], a["sums"], a["histogram"])
    with pytest.raises(ValueError, match="no table"):
        images().fields(a["phi"], a["diagram"], 0, a["residual"], a["phase"])
    for nodes in (2, MOST_NODES + 1):
        with pytest.raises(ValueError, match="nodes"):
            images().use(np.zeros((nodes, 5, 4), "f4"))


@pytest.mark.parametrize(
    "other",
    [{"bins": 1}, {"bins": MOST_BINS + 1}, {"low": (0.0, 1.0)}, {"high": (np.nan, 1.0)}, {"low": (-np.inf, 0.0)}],
)
def test_ranges_and_bins(other):
    with pytest.raises(ValueError, match=r"bins|ranges"):
        images(**other)
