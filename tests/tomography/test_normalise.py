"""Absorbance: the beam is found beside the sample whatever the noise, and a truncated field of view is seen."""

import numpy as np
import pytest
import scan_files as files

from hpcdvc.tomography.normalise import absorbance, beam_of, crosses_borders

ANGLES = np.arange(0, 180, 10.0)


@pytest.mark.parametrize("noise, wrong, scatter", [(0.0, 1e-4, 1e-4), (0.01, 2e-3, 5e-3), (0.05, 8e-3, 2e-2)])
def test_noise_does_not_brighten_the_beam(noise, wrong, scatter):
    """The 99.9th percentile is three standard deviations too bright: 15 % where the noise is 5 %."""
    rng = np.random.default_rng(1)
    views = files.light(files.absorbances(ANGLES)) * (1 + rng.normal(0, noise, (len(ANGLES), files.J, files.K)))
    found = np.array([beam_of(view) for view in views]) / files.BEAM - 1
    assert abs(found.mean()) < wrong and found.std() < scatter


def test_hot_and_dead_pixels_do_not_move_the_beam():
    view = files.light()[0]
    view[::7, ::5] = 0
    view[3::7, 2::6] = 20 * files.BEAM
    assert beam_of(view) == pytest.approx(files.BEAM, rel=2e-3)


def test_views_of_two_rows():
    view = files.light()[0][:, 9:11] * np.random.default_rng(2).normal(1, 0.01, (files.J, 2))
    assert beam_of(view) == pytest.approx(files.BEAM, rel=0.02)


def test_the_beam_of_mumott_and_none():
    view = files.light()[1]
    assert beam_of(view, "percentile") == np.percentile(view, 99.9)
    assert beam_of(view, "none") == 1


def test_what_is_brighter_than_the_beam_is_noise_or_has_no_weight():
    light = np.array([[1.0, 1.2], [0.1, 1e-9], [np.nan, -0.5]])
    values, weights = absorbance(light, "none")
    assert values == pytest.approx(np.array([[0, -np.log10(1.2)], [1, 4], [0, 4]]))
    assert np.array_equal(weights, [[1, 1], [1, 0], [0, 0]])
    view = files.light()[0] * np.random.default_rng(0).normal(1, 0.02, (files.J, files.K))
    values, weights = absorbance(view, "percentile")
    bright = view > np.percentile(view, 99.9)
    assert bright.any() and not weights[bright].any() and weights[~bright].all() and values.min() == 0


def test_no_light():
    assert absorbance(np.full((4, 4), np.nan)) is None
    assert absorbance(np.full((9, 9), -1.0)) is None


@pytest.mark.parametrize("noise", [0, 0.05])
def test_a_truncated_field_of_view_is_seen(noise):
    rng = np.random.default_rng(5)

    def crossing(views):
        light = 10**-views * (1 + rng.normal(0, noise, views.shape))
        return [crosses_borders(*absorbance(view)) for view in light]

    views = files.absorbances(ANGLES)
    assert not any(crossing(views))
    assert any(crossing(views[:, 8:-8]))
    # what crosses one side only is seen whole from behind
    assert not any(crossing(views[:1, 6:]))


def test_a_cylinder_that_is_wider_than_the_view_is_seen():
    """Its thinnest part, at the borders, is taken for air; but the air is not level."""
    j = np.arange(100) - 49.5
    for radius, crosses in ((40, False), (60, True), (100, True)):
        chord = 2 * np.sqrt(np.clip(radius**2 - j**2, 0, None))
        view = np.repeat(0.003 * chord[:, None], 30, axis=1)
        assert crosses_borders(*absorbance(10**-view)) == crosses


def disc(radius, height=60, middle=0.0):
    """Absorbance of a cylinder in a view of 100 x 60 pixels."""
    j, k = np.arange(100) - 49.5 - middle, np.arange(60) - 29.5
    return 0.003 * 2 * np.sqrt(np.clip(radius**2 - j**2, 0, None))[:, None] * (np.abs(k) < height / 2)


def seen_to_cross(view, noise=0.0, count=4):
    """How many views of so many with noise are said to have a truncated field of view."""
    rng = np.random.default_rng(3)
    light = 10**-view * (1 + rng.normal(0, noise, (count, *view.shape)))
    return sum(crosses_borders(*absorbance(one)) for one in light)


@pytest.mark.parametrize("noise", [0.002, 0.05])
def test_what_comes_close_does_not_cross(noise):
    for radius, height, middle in ((46, 60, 0), (47, 60, 0), (48, 40, 0), (48, 60, 1), (46, 60, 6)):
        assert not seen_to_cross(disc(radius, height, middle), noise), (radius, height, middle)


@pytest.mark.parametrize("height, noise", [(60, 0.002), (40, 0.002), (40, 0.05)])
def test_what_crosses_is_seen(height, noise):
    for radius in (52, 60, 100, 150):
        assert seen_to_cross(disc(radius, height), noise) == 4


def test_wide_cylinders_in_noise_are_seen_in_some_views():
    assert seen_to_cross(disc(60), 0.05) and seen_to_cross(disc(70), 0.05)


@pytest.mark.parametrize("slopes", [(1, 0), (0, 1), (1, 1), (-0.5, 1)])
def test_a_background_that_rises_does_not_cross(slopes):
    j, k = np.linspace(-1, 1, 100)[:, None], np.linspace(-1, 1, 60)
    for part in (0.1, 0.3):
        assert not seen_to_cross(disc(40, 40) + part * 0.24 * (slopes[0] * j + slopes[1] * k), 0.005)


def test_noise_and_even_views_do_not_cross():
    assert not seen_to_cross(np.zeros((40, 32)), 0.15)
    assert not crosses_borders(np.full((40, 32), 0.1), np.ones((40, 32)))
    assert not crosses_borders(np.ones((40, 2)), np.zeros((40, 2)))


def test_masked_pixels_do_not_make_a_crossing():
    """Rows without weight at the borders, whatever stands there."""
    view, weights = disc(40, 40) + 0.05 * np.linspace(0, 1, 60), np.ones((100, 60))
    view[:4, 20:25] = view[-4:, 20:25] = 9
    weights[:4, 20:25] = weights[-4:, 20:25] = 0
    assert not crosses_borders(view, weights)
