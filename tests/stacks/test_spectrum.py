"""Trigonometric polynomials: against the sum over all frequencies, one by one."""

import itertools

import numpy as np
import pytest
import scipy.fft

from hpcdvc.stacks.spectrum import Polynomial, find_maximum, signed

SHAPES = [(8,), (9,), (8, 9), (7, 10), (4, 5, 6)]


def plain_value(spectrum, place):
    """Sum over all frequencies of a whole spectrum; those of half a cycle per pixel are cosines."""
    total = 0
    for index in itertools.product(*map(range, spectrum.shape)):
        wave = 1
        for k, n, d in zip(signed(index, spectrum.shape), spectrum.shape, place, strict=True):
            turn = np.exp(2j * np.pi * k / n * d)
            wave = wave * (turn.real if 2 * abs(k) == n else turn)
        total += spectrum[index] * wave
    return total.real / spectrum.size


@pytest.mark.parametrize("shape", SHAPES)
def test_values_derivatives_and_map(shape):
    rng = np.random.default_rng(1)
    values, place = rng.standard_normal(shape), rng.uniform(-3, 3, len(shape))
    polynomial, whole = Polynomial(scipy.fft.rfftn(values), shape), scipy.fft.fftn(values)
    assert np.allclose(polynomial.map, values, atol=1e-12)
    assert np.allclose(polynomial.values([np.arange(n) for n in shape]), values, atol=1e-12)
    value, gradient, hessian = polynomial.derivatives(place)
    assert value == pytest.approx(plain_value(whole, place), abs=1e-12)
    assert polynomial.values([np.array([at]) for at in place]).item() == pytest.approx(value, abs=1e-12)
    step = 1e-4
    for i, a in enumerate(np.eye(len(shape))):
        ahead, behind = (polynomial.derivatives(place + side * step * a) for side in (1, -1))
        assert gradient[i] == pytest.approx((ahead[0] - behind[0]) / (2 * step), abs=1e-5)
        assert hessian[i] == pytest.approx((ahead[1] - behind[1]) / (2 * step), abs=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_turned(shape):
    rng = np.random.default_rng(2)
    polynomial, place = Polynomial(scipy.fft.rfftn(rng.standard_normal(shape)), shape), rng.uniform(-3, 3, len(shape))
    moved = Polynomial(polynomial.turned(place), shape)
    grids = [np.arange(n) for n in shape]
    if all(n % 2 for n in shape):  # a cosine of half a cycle per pixel does not keep its phase
        assert np.allclose(moved.map, polynomial.values([x + at for x, at in zip(grids, place, strict=True)]))
    assert moved.map.flat[0] == pytest.approx(polynomial.derivatives(place)[0])


def test_signed_goes_from_minus_half_to_half():
    assert [signed((i,), (4,))[0] for i in range(4)] == [0, 1, -2, -1]
    assert [signed((i,), (5,))[0] for i in range(5)] == [0, 1, 2, -2, -1]


@pytest.mark.parametrize("place", [(0.5, 0.5), (-0.5, 0.5), (0.31, -0.47), (3.5, -2.5)])
@pytest.mark.parametrize("shape", [(15, 21), (16, 16)])
def test_maximum_of_a_peak_as_sharp_as_there_is(shape, place):
    """All frequencies alike: between pixels their peak has no curvature that leads to its top."""
    flat = np.ones((shape[0], shape[1] // 2 + 1), complex)
    if shape[0] % 2 == 0:
        flat[shape[0] // 2] = flat[:, -1] = 0
    spectrum = Polynomial(Polynomial(flat, shape).turned(-np.array(place)), shape)
    start = signed(np.unravel_index(np.argmax(spectrum.map), shape), shape)
    assert find_maximum(spectrum, start) == pytest.approx(place, abs=1e-8)


def test_a_slope_has_no_maximum():
    wave = Polynomial(scipy.fft.rfftn(np.cos(2 * np.pi * np.arange(32) / 32)), (32,))
    assert find_maximum(wave, np.array([8.0])) is None
