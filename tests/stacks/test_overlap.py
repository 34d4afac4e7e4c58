"""Shifts of images that do not go round, and of which parts are not there."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from shift_cases import cosines, pair

from hpcdvc.fields.status import Status
from hpcdvc.stacks import overlap
from hpcdvc.stacks.images import prepare
from hpcdvc.stacks.overlap import LEAST_OVERLAP, match_map
from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.stacks.shift import measure_shift

SHIFT = (3.37, -2.62)
NOISY = ((0, 0.5), (0.3, 0.3), (0.5, 0.5), (1.0, 1.0))
OVERLAP = ShiftSettings(boundary="overlap")


def windows(seed=0, noise=(0, 0), shape=(64, 64), shift=SHIFT):
    return pair(shape, shift, seed, noise, periodic=False)


@pytest.mark.parametrize("shape", [(64, 64), (65, 71)])
def test_windows_that_do_not_go_round(shape):
    """Those that wrap round are off by a tenth of a pixel."""
    found = [measure_shift(*windows(seed, shape=shape), settings=OVERLAP) for seed in range(4)]
    assert np.abs([shift.displacement[1:] - SHIFT for shift in found]).max() < 2e-3
    wrapped = measure_shift(*windows(shape=shape))
    assert wrapped.status != 2 or np.abs(wrapped.displacement[1:] - SHIFT).max() > 0.01


def fine_texture(side, shift, decay):
    """A periodic image whose waves of frequency f have the height exp(-decay f^2), and the same moved."""
    rng, frequencies = np.random.default_rng(0), (np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    spectrum = np.fft.rfft2(rng.normal(size=(side, side))) * np.exp(-decay * sum(f**2 for f in frequencies))
    turn = np.exp(-2j * np.pi * sum(f * u for f, u in zip(frequencies, shift, strict=True)))
    return tuple(np.fft.irfft2(part, (side, side)) for part in (spectrum, spectrum * turn))


@pytest.mark.parametrize("decay, most", [(24, 2e-4), (12, 5e-4), (3, 2e-3)])
def test_interpolation_of_fine_texture_does_not_pull(decay, most):
    """What a spline makes of waves of three pixels is known; without that it is off by 0.002, 0.007 and 0.025."""
    for shift in ((1.2, -2.3), (-3.7, 0.5)):
        found = measure_shift(*fine_texture(192, shift, decay), OVERLAP)
        error = np.abs(found.displacement[1:] - shift)
        assert error.max() < most and (error < 3 * found.std[1:]).all() and found.std.max() < most


def test_large_images_are_tried_binned_first(monkeypatch):
    """And whole where binning leaves nothing of their texture."""
    monkeypatch.setattr(overlap, "MOST_PIXELS", (32 * 32, 64 * 64))
    tried = []
    monkeypatch.setattr(overlap, "match_map", lambda images: tried.append(images.shape) or match_map(images))
    assert measure_shift(*windows(), OVERLAP).displacement[1:] == pytest.approx(SHIFT, abs=2e-3)
    assert tried == [(32, 32)]
    checks = (-1.0) ** np.add.outer(np.arange(64), np.arange(64))
    one, two = windows(shift=(3, -2))
    found = measure_shift(checks * one, -checks * two, OVERLAP)  # moved by an odd number, checks change their sign
    assert found.displacement[1:] == pytest.approx((3, -2), abs=0.02) and tried[-1] == (64, 64)


@pytest.mark.parametrize(
    "noise, trials", [((0.5, 0.5), 16), *(pytest.param((a, b), 40, marks=pytest.mark.slow) for a, b in NOISY)]
)
def test_noise_does_not_pull_towards_whole_or_half_pixels(noise, trials):
    """The gradient of im1 is not correlated with the noise of im2; and errors are the true ones."""
    found = [measure_shift(*windows(seed, noise), settings=OVERLAP) for seed in range(trials)]
    assert {shift.status for shift in found} == {2}
    errors = np.array([shift.displacement[1:] - SHIFT for shift in found])
    assert np.abs(errors.mean(axis=0)).max() < max(0.01, 3 * errors.std() / np.sqrt(len(errors)))
    assert np.abs(errors.mean(axis=0)).max() < 0.03
    least, most = (0.75, 1.3) if trials > 16 else (0.6, 1.7)
    assert least < np.mean([shift.std[1:] for shift in found]) / np.sqrt(np.mean(errors**2)) < most


def misfitting(kind, seed, shift=(1.37, -0.62)):
    """Cosines and the same moved, with what a shift does not explain: smooth noise, or images that turn or stretch."""
    rng, (y, x) = np.random.default_rng(seed), np.mgrid[:64, :64] - 31.5
    moved = y - shift[0], x - shift[1]
    if kind == "turned":
        moved = moved[0] + 0.02 * moved[1], moved[1] - 0.02 * moved[0]
    elif kind == "strained":
        moved = 0.98 * moved[0], 1.02 * moved[1]
    images = np.zeros((2, 64, 64))
    for _ in range(60):
        (ky, kx), phase = rng.uniform(-1, 1, 2), rng.uniform(0, 2 * np.pi)
        images += [np.cos(ky * a + kx * b + phase) for a, b in ((y, x), moved)]
    images /= np.sqrt(30)
    if kind == "smooth noise":
        noise = gaussian_filter(rng.standard_normal((64, 64)), 3)
        images[1] += 0.5 * noise / noise.std()
    return images, shift


@pytest.mark.parametrize("kind", ["smooth noise", "turned", "strained"])
def test_errors_of_a_misfit_that_is_not_white(kind):
    """Blocks of it pull together; of white noise errors would be down to a fifth of the true ones."""
    found = []
    for seed in range(10):
        (im1, im2), true = misfitting(kind, seed)
        shift = measure_shift(im1, im2, OVERLAP)
        assert shift.status == 2
        found.append((shift.displacement[1:] - true, shift.std[1:]))
    errors, std = np.array(found).transpose(1, 0, 2)
    assert 0.7 < std.mean() / np.sqrt(np.mean(errors**2)) < 3.5
    assert (np.abs(errors) < 3 * std).all()


def test_pixels_that_are_not_there_do_not_count():
    im1, im2 = windows()
    im1, im2 = im1 + 20, im2 + 20
    im2[:, :9] = np.nan  # as reprojection leaves it
    im1[30:36, 20:30] = np.nan
    shift = measure_shift(im1, im2, OVERLAP)
    assert shift.status == 2 and np.abs(shift.displacement[1:] - SHIFT).max() < 2e-3
    junk1, junk2 = np.where(np.isnan(im1), 1e3, im1), np.where(np.isnan(im2), -1e3, im2)
    masked = measure_shift(junk1, junk2, OVERLAP, mask1=~np.isnan(im1), mask2=~np.isnan(im2))
    assert masked.displacement == pytest.approx(shift.displacement, abs=1e-6)


def test_whole_pixels_are_exact_beside_holes():
    """Edges that are not there gave (22, -30) for (3, -2) where they count as 0."""
    im1, im2 = windows(shift=(3, -2))
    im1, im2 = im1 + 5, im2 + 5
    im1[:12], im2[:, -9:] = np.nan, np.nan
    assert measure_shift(im1, im2, OVERLAP).displacement == pytest.approx((0, 3, -2), abs=1e-4)


def test_large_shift():
    shift = measure_shift(*windows(shift=(33.3, -20.6)), settings=OVERLAP)
    assert shift.status == 2 and np.abs(shift.displacement[1:] - (33.3, -20.6)).max() < 5e-3


def test_gain_and_offset_are_no_difference():
    im1, im2 = windows()
    plain, changed = measure_shift(im1, im2, OVERLAP), measure_shift(im1, 3 * im2 + 100, OVERLAP)
    assert changed.displacement == pytest.approx(plain.displacement, abs=1e-5)


def test_volumes():
    truth = (1.4, -2.3, 3.6)
    images = pair((24, 26, 28), truth, noise=(0, 0.05), periodic=False)
    shift = measure_shift(*images, settings=OVERLAP)
    assert shift.status == 2 and np.abs(shift.displacement - truth).max() < 0.03


def test_frames_of_one_shift():
    frames = [windows(seed, (0.3, 0.3)) for seed in range(4)]
    im1, im2 = (np.array(images) for images in zip(*frames, strict=True))
    together = measure_shift(im1, im2, ShiftSettings(boundary="overlap", stack=True))
    alone = measure_shift(im1[0], im2[0], OVERLAP)
    assert np.abs(together.displacement[1:] - SHIFT).max() < 0.02
    assert together.std[1:].max() < 0.7 * alone.std[1:].min()


def test_largest_shift():
    images = windows(shift=(-4.6, 1.2))
    for most, status in ((5, 2), (4.65, 2), (4.5, Status.BORDER_OF_RANGE), (2, Status.BORDER_OF_RANGE)):
        assert measure_shift(*images, settings=ShiftSettings(boundary="overlap", largest=most)).status == status


def test_binned_images(monkeypatch):
    """Whole pixels of large images are looked for in binned ones."""
    monkeypatch.setattr("hpcdvc.stacks.overlap.MOST_PIXELS", (40**2, 2**22))
    im1, im2 = windows()
    im2[:, :5] = np.nan
    shift = measure_shift(im1, im2, OVERLAP)
    assert shift.status == 2 and np.abs(shift.displacement[1:] - SHIFT).max() < 2e-3


def test_map_of_matches_one_by_one():
    im1, im2 = windows(shape=(12, 13))
    im1[3:5, 4:6], im2[:, :2] = np.nan, np.nan
    images = prepare(im1, im2)
    likely, counts = match_map(images), {}
    for dy in range(-11, 12):
        for dx in range(-12, 13):
            a = im1[max(-dy, 0) : 12 - max(dy, 0), max(-dx, 0) : 13 - max(dx, 0)]
            b = im2[max(dy, 0) : 12 - max(-dy, 0), max(dx, 0) : 13 - max(-dx, 0)]
            both = np.isfinite(a) & np.isfinite(b)
            counts[dy, dx] = (both.sum(), a[both], b[both])
    most = max(count for count, _, _ in counts.values())
    for (dy, dx), (count, a, b) in counts.items():
        if count >= LEAST_OVERLAP * most + 1:
            c = np.corrcoef(a, b)[0, 1]
            wanted = -count / 2 * np.log1p(-(c**2)) if c > 0 else 0
            assert likely[dy, dx] == pytest.approx(wanted, abs=1e-3 * count), (dy, dx)
        elif count < LEAST_OVERLAP * most - 1:
            assert likely[dy, dx] == 0


def test_nothing_in_common():
    one, two = cosines((64, 64), (0, 0), 1, periodic=False), cosines((64, 64), (0, 0), 2, periodic=False)
    shift = measure_shift(one, two, OVERLAP)
    assert shift.status != 2 and np.isnan(shift.displacement).all()
