"""hpcdvc.fourier: shifted, zoomed, upsampled, scaled, correlated against sums of cosines, whose values are known."""

import numpy as np
import pytest
from scipy import ndimage

from hpcdvc import fourier
from hpcdvc.errors import UserError

SHAPES = [(17,), (16,), (12, 15), (15, 12), (16, 10), (9, 11), (6, 7, 8), (5, 8, 7)]


def wave(shape: tuple[int, ...], *places: np.ndarray) -> np.ndarray:
    """A periodic image with waves up to just below the Nyquist frequency, at any places of a grid."""
    grid = np.meshgrid(*(places or map(np.arange, shape)), indexing="ij")
    numbers = np.random.default_rng(5)
    total = np.full(grid[0].shape, 3.0)
    for _ in range(6):
        turns = [numbers.integers(-((n - 1) // 2), (n - 1) // 2 + 1) / n for n in shape]
        total += np.cos(2 * np.pi * sum(f * x for f, x in zip(turns, grid, strict=True)) + numbers.uniform(0, 6))
    return total


@pytest.mark.parametrize("shape", SHAPES)
def test_shift(shape):
    by = np.array([1.3, -2.6, 0.45])[: len(shape)]
    moved = wave(shape, *[np.arange(n) - d for n, d in zip(shape, by, strict=True)])
    np.testing.assert_allclose(fourier.shift(wave(shape), by), moved, atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
def test_whole_shift_rolls(shape):
    """Noise has terms at the Nyquist frequency, too."""
    image, by = np.random.default_rng(1).normal(size=shape), (3, -2, 5)[: len(shape)]
    np.testing.assert_allclose(fourier.shift(image, by), np.roll(image, by, range(len(shape))), atol=1e-13)


@pytest.mark.parametrize("n", [8, 9])
def test_nyquist_term_is_real(n):
    """The wave 1, -1, 1, -1 ... is a cosine between the pixels, and nothing that is real is dropped of a shift."""
    image = (-1.0) ** np.arange(8)
    np.testing.assert_allclose(fourier.shift(image, 0.3), np.cos(0.3 * np.pi) * image, atol=1e-14)
    np.testing.assert_allclose(fourier.scale(image, [0.3]), np.cos(0.3 * np.pi), atol=1e-14)
    noise = np.random.default_rng(2).normal(size=(n, n + 2))
    moved = fourier.shift(noise.astype(complex), (0.3, 0.7))
    assert np.abs(moved.imag).max() < 1e-14
    np.testing.assert_allclose(fourier.shift(noise, (0.3, 0.7)), moved.real, atol=1e-14)


def test_shift_of_complex_waves():
    image = wave((9, 12)) + 1j * wave((9, 12)) ** 2
    moved = fourier.shift(image.real, (0.4, 1.2)) + 1j * fourier.shift(image.imag, (0.4, 1.2))
    np.testing.assert_allclose(fourier.shift(image, (0.4, 1.2)), moved, atol=1e-12)


def test_integers_are_numbers():
    """uint16 does not overflow, and the type does not matter."""
    image = np.random.default_rng(3).integers(60000, 65535, (10, 12)).astype(np.uint16)
    for function, words in (
        (fourier.shift, ((0.2, 0.3),)),
        (fourier.correlate2d, (image,)),
        (fourier.downsample, (2,)),
    ):
        np.testing.assert_array_equal(function(image, *words), function(image.astype(float), *words))


def test_missing_pixels():
    """NaN stays where it comes to; elsewhere the values are near to those of the whole image."""
    whole = wave((24, 31), 0.2 * np.arange(24), 0.2 * np.arange(31))
    image = whole.copy()
    image[7, 9] = image[20, 3] = np.nan
    moved = fourier.shift(image, (2, 0.5))
    assert set(zip(*np.nonzero(np.isnan(moved)), strict=True)) == {(9, 9), (9, 10), (22, 3), (22, 4)}
    expected = fourier.shift(whole, (2, 0.5))
    assert np.nanmax(np.abs(moved - expected)) < 0.15 * np.ptp(whole)
    read = fourier.scale(image, [[7, 7.5, 8], [9]])
    np.testing.assert_array_equal(np.isnan(read.ravel()), [True, True, False])
    assert np.isnan(fourier.shift(np.full((3, 4), np.nan), (0, 1))).all()


def test_missing_planes():
    """A plane without a pixel does not come into the others: constant planes stay constant."""
    volume = np.full((9, 6, 7), 5.0)
    volume[3] = volume[6, 2, 2] = np.nan
    found = fourier.shift(volume, (0.5, 0.25, 0))
    np.testing.assert_allclose(found[np.isfinite(found)], 5, atol=1e-12)
    assert np.isnan(found[3:5]).all() and not np.isnan(found[5]).any()
    assert set(zip(*np.nonzero(np.isnan(found[6:])), strict=True)) == {(z, y, 2) for z in (0, 1) for y in (2, 3)}


@pytest.mark.parametrize("shape", SHAPES)
def test_scale(shape):
    places = [np.linspace(-1, n + 2, 7 + k) for k, n in enumerate(shape)]
    np.testing.assert_allclose(fourier.scale(wave(shape), places), wave(shape, *places), atol=1e-12)


def test_scale_of_a_row():
    places = [0.0, 2.25, 9.5]
    np.testing.assert_array_equal(fourier.scale([1, 2, 4], places), fourier.scale(np.array([1, 2, 4]), [places]))
    np.testing.assert_allclose(fourier.scale(wave((10,)), places), wave((10,), places), atol=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("outshape", [4, 5])
def test_zoom(shape, outshape):
    image, off = wave(shape), np.array([0.7, -1.1, 0.2])[: len(shape)]
    places, values = fourier.zoom(image, 8, outshape, off, return_xouts=True)
    assert values.shape == (outshape,) * len(shape) and places.shape == (len(shape), *values.shape)
    middle = places.reshape(len(shape), -1).mean(axis=1)
    np.testing.assert_allclose(middle, (np.array(shape) - 1) / 2 + off, atol=1e-12)
    np.testing.assert_allclose(np.ptp(places.reshape(len(shape), -1), axis=1), (outshape - 1) / 8)
    steps = [np.unique(np.round(axis, 12)) for axis in places]
    np.testing.assert_allclose(values, wave(shape, *steps), atol=1e-12)
    around = fourier.zoom(image, 8, outshape, coordinates=middle)
    np.testing.assert_allclose(around, values, atol=1e-12)


def test_zoom_without_words_is_the_image():
    image = np.random.default_rng(4).normal(size=(8, 9))
    np.testing.assert_allclose(fourier.zoom(image), image, atol=1e-14)


@pytest.mark.parametrize("shape", SHAPES)
def test_upsample(shape):
    """The whole patch against the sum written out, and against the image."""
    spectrum = np.fft.fftn(wave(shape))
    outshape, offsets = (5, 3, 4)[: len(shape)], (2, -1, 0.5)[: len(shape)]
    found = fourier.upsample(spectrum, outshape, 4, offsets)
    assert found.shape == outshape
    places = [-(np.arange(m) - off) / 4 for m, off in zip(outshape, offsets, strict=True)]
    np.testing.assert_allclose(found.real / np.prod(shape), wave(shape, *places), atol=1e-12)
    np.testing.assert_allclose(found.imag / np.prod(shape), 0, atol=1e-12)
    noise = np.random.default_rng(6).normal(size=shape)  # with terms at the Nyquist frequency, at -(n // 2)
    one = fourier.upsample(noise, 1, 3, [-1] * len(shape)).item()
    waves = [np.exp(-2j * np.pi * np.fft.fftfreq(n) / 3) for n in shape]
    for turn in reversed(waves):
        noise = noise @ turn
    assert one == pytest.approx(noise, abs=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("boundary", ["wrap", "fill"])
def test_correlate(shape, boundary):
    """Against the sum written out."""
    numbers = np.random.default_rng(7)
    a, b = numbers.normal(size=shape), numbers.normal(size=shape)
    a.flat[3] = b.flat[5] = np.nan
    found = fourier.correlate2d(a, b, boundary)
    a.flat[3] = b.flat[5] = 0
    for place in np.ndindex(shape):
        v = [p - (n - 1) // 2 for p, n in zip(place, shape, strict=True)]
        moved = np.roll(a, [-d for d in v], range(a.ndim))
        if boundary == "fill":
            inside = [(np.arange(n) + d >= 0) & (np.arange(n) + d < n) for n, d in zip(shape, v, strict=True)]
            moved = moved * np.prod(np.meshgrid(*inside, indexing="ij"), axis=0)
        assert found[place] == pytest.approx((moved * b).sum(), abs=1e-10)


@pytest.mark.parametrize("shape", [(16, 21), (17, 20)])
def test_peak_of_correlation(shape):
    """A moved image is found where the text says."""
    image = np.random.default_rng(8).normal(size=shape)
    found = fourier.correlate2d(image, fourier.shift(image, (3, -4)))
    peak = np.unravel_index(found.argmax(), shape)
    assert [int(p) for p in peak] == [(shape[0] - 1) // 2 - 3, (shape[1] - 1) // 2 + 4]


def test_delegates_agree():
    """An odd image has no Nyquist term: the same as scipy's."""
    image = np.random.default_rng(9).normal(size=(9, 13, 5))
    scipys = np.fft.ifftn(ndimage.fourier_shift(np.fft.fftn(image), (0.3, -1.7, 2.2))).real
    np.testing.assert_allclose(fourier.shift(image, (0.3, -1.7, 2.2)), scipys, atol=1e-13)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        (lambda a: fourier.shift(a, 1.0), "displacement takes 2 numbers"),
        (lambda a: fourier.shift(a, (1, 2, 3)), "displacement takes 2 numbers"),
        (lambda a: fourier.shift(a, (1, np.nan)), "displacement takes a number"),
        (lambda a: fourier.shift(a[:0], (1, 2)), "has no pixels"),
        (lambda a: fourier.shift(np.array("x"), 1), "has no pixels"),
        (lambda a: fourier.scale(a, [[1.0]]), "each of 2 axes"),
        (lambda a: fourier.scale(a, [[1.0], [np.inf]]), "finite places"),
        (lambda a: fourier.zoom(a, 0), "usfac must be above 0"),
        (lambda a: fourier.zoom(a, 2, outshape=2.5), "outshape must be whole"),
        (lambda a: fourier.zoom(a, 2, offsets=1, coordinates=(1, 2)), "only one of"),
        (lambda a: fourier.upsample(a, usfac=-1), "usfac must be above 0"),
        (lambda a: fourier.correlate2d(a, a[1:]), "of one shape"),
        (lambda a: fourier.correlate2d(a, a * 1j), "real images"),
        (lambda a: fourier.correlate2d(a, a, "reflect"), "wrap or fill, not 'reflect'.*overlap"),
    ],
)
def test_refused(wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        wrong(np.ones((4, 5)))


def test_oracle(shared):
    """What another program makes of the same images (case ir_register)."""
    folder = shared / "oracle" / "seeds234" / "ir_register"
    known = {path.stem: np.load(path) for path in folder.glob("*.npy")}
    a, b = known["in_im1"], known["in_im2"]
    places, zoomed = fourier.zoom(a, 4, (10, 12), (3, -5), return_xouts=True)
    spectrum = np.fft.fft2(a) * np.conj(np.fft.fft2(b))
    rows, columns = np.linspace(3, 9, 7), np.linspace(10, 12.5, 6)
    found = {
        "zoomnd": zoomed,
        "zoomnd_y": places[0][:, 0],
        "zoomnd_x": places[1][0],
        "zoompix": fourier.zoom(a, 8, (6, 6), coordinates=(12.3, 40.1)),
        "interp1d": fourier.scale(a[7], np.linspace(0, 70, 50)),
        "interp2d": fourier.scale(a, [rows, columns]),
        "upsample_image": fourier.scale(a, [np.arange(20) / 2] * 2),
        "shiftnd": fourier.shift(a, (1.3, -2.6)),
        "correlate2d": fourier.correlate2d(a, b),
        "dftups": fourier.upsample(spectrum, (15, 12), 10, (20, -11)),
    }
    for name, values in found.items():
        expected = known[f"out_{name}"]
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-12 * np.abs(expected).max(), err_msg=name)


def test_oracle_of_images_that_end(shared):
    """The chi squared of all shifts, made of correlations that are filled up with zeros (case ir_chi2map)."""
    folder = shared / "oracle" / "seeds234" / "ir_chi2map"
    a, b, error, expected = (np.load(folder / f"{name}.npy") for name in ("in_im1", "in_im2", "in_err", "out_fill"))
    weights = error**-2
    cross, squares = fourier.correlate2d(a, b * weights, "fill"), fourier.correlate2d(a**2, weights, "fill")
    np.testing.assert_allclose((b**2 * weights).sum() - 2 * cross + squares, expected, rtol=1e-12)
