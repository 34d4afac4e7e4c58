"""Peaks of maps, and window functions."""

import numpy as np
import pytest
from scipy.signal import get_window

from hpcdvc.errors import UserError
from hpcdvc.stacks.peaks import Quadratic, locate_peak, polynomial_peak, taylor_offset
from hpcdvc.stacks.windows import WINDOWS, window_taps

#: Shape of a map, and its peak.
SHAPE, PEAK = (9, 12), (3.7, 6.2)


def hill(shape=SHAPE, peak=PEAK) -> np.ndarray:
    """A slanted paraboloid: both methods are exact on it."""
    y, x = np.indices(shape) - np.reshape(peak, (2, 1, 1))
    return 5 - 0.3 * y**2 - 0.2 * x**2 + 0.15 * x * y


@pytest.mark.parametrize("method, size", [("taylor", 3), ("poly", 3), ("poly", 5), ("poly", 7)])
def test_peak_of_a_paraboloid(method, size):
    peak = locate_peak(hill(), method, size)
    assert np.allclose(peak.place, PEAK, atol=1e-9)
    assert peak.whole == (4, 6) and peak.value == hill()[4, 6] and not peak.on_border
    assert (locate_peak(hill(), method, size, subpixel=False).place == (4, 6)).all()


@pytest.mark.parametrize("method", ["taylor", "poly"])
def test_one_axis_after_the_other(method):
    """Along row and column of the highest value, where the slant moves the peak."""
    expected = 3.7 + 0.15 * -0.2 / 0.6, 6.2 + 0.15 * 0.3 / 0.4
    assert np.allclose(locate_peak(hill(), method, 3, dim=1).place, expected, atol=1e-9)


def test_steps_of_a_pixel_and_more_are_not_taken():
    """The highest value of a ridge that is all but straight: its Taylor series has its peak far away."""
    scores = np.array([[0.2, 0.1, 0.8], [0.99, 1.0, 0.9], [0.7, 0.8, 0.4]])
    assert np.abs(Quadratic.of_taylor(scores).extremum()).max() > 1
    assert (abs(locate_peak(np.pad(scores, 1)).place - 2) < 1).all()


def test_beside_the_border():
    """Along the border by derivatives; a polynomial is fitted to a patch that is moved into the map."""
    scores = hill(peak=(0.3, 6.2))
    taylor = locate_peak(scores)
    assert taylor.on_border and taylor.place[0] == 0 and abs(taylor.place[1] - 6.2) < 0.2
    assert np.allclose(locate_peak(scores, "poly", 5).place, (0.3, 6.2), atol=1e-9)
    corner = locate_peak(hill(peak=(-2, -2)))
    assert corner.on_border and (corner.place == 0).all()
    assert (locate_peak(hill((2, 12), (0.4, 5.2)), "poly").place == (0, 5)).all()


def test_what_is_unknown_is_no_peak():
    scores = hill()
    scores[0, 0], scores[4, 7] = np.nan, np.inf
    peak = locate_peak(scores)
    assert peak.whole == (4, 6) and peak.on_border and peak.place[1] == 6
    for flat in (np.ones(SHAPE), np.full(SHAPE, np.nan)):
        peak = locate_peak(flat)
        assert np.isnan(peak.place).all() and peak.on_border and peak.whole == (-1, -1)


@pytest.mark.parametrize("arguments", [("diff", 3), ("poly", 4), ("poly", 11), ("taylor", 3, 3)])
def test_what_cannot_be_asked_for(arguments):
    with pytest.raises(UserError):
        locate_peak(hill(), *arguments)


def test_many_patches_at_once():
    places = np.random.default_rng(0).uniform(-0.4, 0.4, (4, 5, 2))
    patches = np.array([[hill((5, 5), place + 2) for place in row] for row in places])
    assert np.allclose(taylor_offset(patches[..., 1:4, 1:4]), places, atol=1e-9)
    assert np.allclose(polynomial_peak(patches), places, atol=1e-9)


@pytest.mark.parametrize("name", WINDOWS[:-1])
def test_window_functions(name):
    taps = window_taps(name, 3)
    expected = get_window(name, 7, fftbins=False)
    assert np.allclose(taps, expected / expected.sum()) and sum(taps) == pytest.approx(1)


def test_box_and_no_window():
    assert window_taps("none", 3) == window_taps(None, 3) == ()
    for wrong in (("boxcar", 3), ("hann", 0)):
        with pytest.raises(UserError):
            window_taps(*wrong)
