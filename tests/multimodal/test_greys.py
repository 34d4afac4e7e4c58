"""Ranges of grey values: of any type, without what is no grey value, the same on any number of ranks."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.multimodal import greys
from hpcdvc.multimodal.greys import GreyRange, grey_range
from hpcdvc.ranks.team import Team

ALONE = Team(None)


def image(kind: str = "f8") -> np.ndarray:
    """Values 10 to 109, and 0 and 120 near the edge."""
    values = np.arange(1000).reshape(10, 10, 10) // 10 + 10
    values[0, 0, 0], values[9, 9, 9] = 0, 120
    return values.astype(kind)


@pytest.mark.parametrize("kind", ["u1", "i1", "u2", "i2", "i4", "f4", "f8", ">u2", ">f4"])
def test_any_type(kind):
    assert grey_range(image(kind), 0, ALONE) == GreyRange(0, 120)
    assert grey_range(image(kind), 0.1, ALONE) == GreyRange(21, 98)


def test_small_and_negative_values():
    values = image() * 1e-9 - 5e-9
    assert grey_range(values, 0.0, ALONE) == GreyRange(values.min(), values.max())


def test_image_in_two_dimensions():
    assert grey_range(image()[:1], 0.2, ALONE) == GreyRange(12, 17)


@pytest.mark.parametrize("at_a_time", [1, 2**25])
def test_what_is_no_grey_value(at_a_time, monkeypatch):
    monkeypatch.setattr(greys, "AT_A_TIME", at_a_time)
    values = image("f4")
    values[2, 3, 4], values[5, 5, 5], values[6] = np.nan, np.inf, -np.inf
    assert grey_range(values, 0.1, ALONE) == GreyRange(21, 98)
    assert values[2, 3, 4] != values[2, 3, 4]


def test_given():
    assert grey_range(image(), 0.1, ALONE, low=30) == GreyRange(30, 98)
    assert grey_range(image(), 0.1, ALONE, high=1000) == GreyRange(21, 1000)
    assert grey_range(image(), 0.1, ALONE, 5, 50) == GreyRange(5, 50)


@pytest.mark.parametrize(
    ("values", "given", "words"),
    [
        (np.full((4, 4, 4), 7, "u1"), (None, None), "mm.tif has one grey value only, 7"),
        (np.full((4, 4, 4), 7, "u1"), (0, 255), "mm.tif has one grey value only, 7"),
        (np.zeros((4, 4, 4), bool), (None, None), "mm.tif has one grey value only, 0"),
        (np.full((4, 4, 4), np.nan), (None, None), "mm.tif has no grey values"),
        (np.full((4, 4, 4), np.nan), (0, 1), "mm.tif has no grey values"),
        (np.full((4, 4, 4), np.inf), (None, None), "mm.tif has no grey values"),
        (image(), (200, None), "mm.tif are 21 to 98, not 200 to 98"),
        (image(), (200, 300), "mm.tif are 21 to 98, not 200 to 300"),
        (image(), (None, 5), "mm.tif are 21 to 98, not 21 to 5"),
        (image(), (0, 21), "mm.tif are 21 to 98, not 0 to 21"),
    ],
)
def test_nothing_to_register(values, given, words):
    with pytest.raises(UserError, match=words):
        grey_range(values, 0.1, ALONE, *given, name="mm.tif")


@pytest.mark.mpi
def test_any_ranks(team):
    values = image("f4")
    values[4:6] = np.nan
    assert grey_range(values, 0.1, team) == grey_range(values, 0.1, ALONE) == GreyRange(21, 98)
    with pytest.raises(UserError, match="nothing to register"):
        grey_range(values * 0, 0, team)
