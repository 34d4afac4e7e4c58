"""Integration of displacements to a phase: against phases whose gradients are known."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.stacks.integrate import integrate


def lens(ny: int, nx: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A bump beside the middle on a slope: its height, and the gradients (dy, dx), pixels, which do not end at zero."""
    y, x = np.mgrid[:ny, :nx].astype(float)
    a, b = (y - 0.4 * ny) / 9, (x - 0.7 * nx) / 12
    bump = 20 * np.exp(-(a**2 + b**2) / 2)
    height = bump + 0.3 * y - 0.5 * x + 0.002 * y * x
    return height - height.mean(), -bump * a / 9 + 0.3 + 0.002 * x, -bump * b / 12 - 0.5 + 0.002 * y


@pytest.mark.parametrize("shape", [(64, 75), (41, 40), (2, 30), (7, 3)])
def test_known_phase(shape):
    """Also to the border, where a Fourier series would go on with the other side: to a thousandth of the bump."""
    height, dy, dx = lens(*shape)
    np.testing.assert_allclose(integrate(dy, dx), height, atol=1e-3)


def test_cubics_are_exact():
    y, x = np.mgrid[:20, :23] / 10
    height = y**4 - 2 * x**4 + x * y**2 + 3 * x
    found = integrate((4 * y**3 + 2 * x * y) / 10, (-8 * x**3 + y**2 + 3) / 10)
    np.testing.assert_allclose(found, height - height.mean(), atol=1e-12)


def test_what_cannot_be_integrated_is_left_out():
    """Of a rotation nothing is left, and what is integrable beside it stays."""
    height, dy, dx = lens(48, 48)
    y, x = np.mgrid[:48, :48] - 23.5
    r = np.exp(-(y**2 + x**2) / 50)
    np.testing.assert_allclose(integrate(dy + r * x, dx - r * y), height, atol=1e-2)


def test_where_nothing_was_measured():
    """A border, holes and single pixels are left out, and all else is as without them: to a thousandth of the bump."""
    height, dy, dx = lens(60, 70)
    gone = np.ones(height.shape, bool)
    gone[5:-5, 7:-6] = False
    gone[20:26, 30:50] = gone[8, 9] = gone[9, 8] = True
    dy[gone] = np.nan
    dx[8, 9] = np.nan
    dy[1, 1] = 1.0  # a neighbour of none
    found = integrate(dy, dx)
    np.testing.assert_array_equal(np.isnan(found), gone)
    np.testing.assert_allclose(found[~gone], (height - height[~gone].mean())[~gone], atol=0.02)


def test_parts_that_do_not_touch():
    height, dy, dx = lens(40, 50)
    dy[:, 20] = np.nan
    found = integrate(dy, dx)
    for part in (slice(0, 20), slice(21, None)):
        np.testing.assert_allclose(found[:, part], height[:, part] - height[:, part].mean(), atol=2e-3)
    assert np.isnan(integrate(dy * np.nan, dx)).all()


def test_noise_is_not_made_larger():
    """Its integral is smooth: no fringes through the image, and the same on any part of it."""
    noise = 0.05 * np.random.default_rng(1).normal(size=(2, 64, 64))
    assert integrate(*noise).std() < 0.15


def test_radian():
    """A lens bends rays by b x: its phase is b x^2 / 2 times the wave number."""
    pixel, distance, energy = 6.5, 0.8, 20.0
    wavelength, bend = 12.398419843e-10 / energy, 2e-3  # m, radian per m
    x = (np.mgrid[:30, :40] - np.array([14.5, 19.5])[:, None, None]) * pixel * 1e-6
    dy, dx = bend * x * distance / (pixel * 1e-6)
    expected = 2 * np.pi / wavelength * bend * (x**2).sum(axis=0) / 2
    found = integrate(dy, dx, pixel, distance, energy)
    np.testing.assert_allclose(found, expected - expected.mean(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "words, sentence",
    [
        ({"pixel": 1.0}, "needs the pixel size, the distance and the energy"),
        ({"pixel": 1.0, "distance": 0.0, "energy": 2.0}, "all above 0"),
        ({"dx": np.zeros((4, 6))}, "of one shape"),
        ({"dy": np.zeros(5), "dx": np.zeros(5)}, "images"),
    ],
)
def test_refused(words, sentence):
    with pytest.raises(UserError, match=sentence):
        integrate(**{"dy": np.zeros((4, 5)), "dx": np.zeros((4, 5)), **words})
