"""hpcdvc.fourier: blocks, convolution and smoothing, against sums written out, and where pixels are missing."""

import numpy as np
import pytest
from scipy import ndimage, signal

from hpcdvc import fourier
from hpcdvc.errors import UserError


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).normal(size=shape)


def written_out(a: np.ndarray, kernel: np.ndarray, boundary: str = "fill") -> np.ndarray:
    """Sum over j of kernel[j] a[i + c - j], pixel by pixel."""
    result = np.zeros(a.shape)
    for i in np.ndindex(a.shape):
        for j in np.ndindex(kernel.shape):
            at = [p + (k - 1) // 2 - q for p, k, q in zip(i, kernel.shape, j, strict=True)]
            if boundary == "wrap":
                at = [p % n for p, n in zip(at, a.shape, strict=True)]
            if all(0 <= p < n for p, n in zip(at, a.shape, strict=True)):
                result[i] += kernel[j] * a[tuple(at)]
    return result


def test_downsample():
    image = np.arange(7 * 9, dtype=np.uint16).reshape(7, 9)
    expected = [[image[2 * i : 2 * i + 2, 2 * j : 2 * j + 2].mean() for j in range(4)] for i in range(3)]
    found = fourier.downsample(image, 2)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(fourier.downsample(image, (2, 4)), [[b[:4].mean(), b[4:8].mean()] for b in (
        image[:2].mean(0), image[2:4].mean(0), image[4:6].mean(0))])  # fmt: skip


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_downsample_along_an_axis(axis):
    image = noise(7, 8, 9)
    parts = [np.take(image, range(3 * k, 3 * k + 3), axis).mean(axis) for k in range(image.shape[axis] // 3)]
    np.testing.assert_allclose(fourier.downsample(image, 3, axis), np.stack(parts, axis), atol=1e-15)
    row = image[0, 0]
    np.testing.assert_allclose(fourier.downsample(row, 4), [row[:4].mean(), row[4:8].mean()])


def test_downsample_of_a_cube_plane_by_plane():
    image = noise(3, 6, 8)
    planes = [fourier.downsample(plane, (3, 2)) for plane in image]
    np.testing.assert_allclose(fourier.downsample(image, (3, 2), axis=(1, 2)), planes, atol=1e-15)


def test_downsample_where_pixels_are_missing():
    image = np.array([[1, np.nan, 4, 6], [3, 5, np.nan, np.nan], [np.nan, np.nan, 1, 1], [np.nan, np.nan, 1, 1]])
    np.testing.assert_array_equal(fourier.downsample(image, 2), [[3, 5], [np.nan, 1]])
    np.testing.assert_array_equal(fourier.downsample(image, 2, estimator=np.nansum), [[9, 10], [0, 4]])


@pytest.mark.parametrize("boundary", ["fill", "wrap"])
@pytest.mark.parametrize(
    "shape, size", [((11,), (3,)), ((10,), (4,)), ((8, 9), (3, 2)), ((5, 6), (7, 9)), ((4, 5, 6), (3, 2, 3))]
)
def test_convolve(shape, size, boundary):
    """Of the size of the image, also with a kernel that is larger."""
    image, kernel = noise(*shape), noise(*size)
    for weights in (kernel, np.abs(kernel)):
        found = fourier.convolve(image, weights, boundary)
        np.testing.assert_allclose(found, written_out(image, weights, boundary), atol=1e-12)


def test_convolve_is_scipys():
    image, kernel = noise(40, 50), np.abs(noise(7, 5))
    np.testing.assert_allclose(fourier.convolve(image, kernel), signal.convolve(image, kernel, "same"), atol=1e-12)


def test_convolve_where_pixels_are_missing():
    """A kernel that is not negative is normalised to the pixels that are there; outside stays zero."""
    image, kernel = noise(12, 13), np.abs(noise(3, 5))
    image[4, 6] = image[9, 1] = np.nan
    there = np.isfinite(image)
    weights = kernel.sum() - written_out(1.0 - there, kernel)
    expected = written_out(np.where(there, image, 0), kernel) / weights * kernel.sum()
    np.testing.assert_allclose(fourier.convolve(image, kernel), expected, atol=1e-12)
    known = written_out(there.astype(float), kernel)
    expected = written_out(np.where(there, image, 0), kernel) / known * kernel.sum()
    np.testing.assert_allclose(fourier.convolve(image, kernel, "ignore"), expected, atol=1e-12)


def test_constant_stays_constant_beside_missing_pixels():
    image = np.full((9, 10, 11), 7.0)
    image[3:5, 2, 4:9] = np.nan
    for boundary in ("ignore", "wrap"):
        np.testing.assert_allclose(fourier.convolve(image, np.ones((3, 3, 3)), boundary), 27 * 7.0)
        for kernel in ("gaussian", "boxcar", "tophat", "trapezoid", "airy"):
            np.testing.assert_allclose(fourier.smooth(image, 3, kernel, boundary), 7.0)


def test_no_number_where_nothing_is_known():
    image = noise(30, 30)
    image[5:20, 5:20] = np.nan
    for found in (fourier.convolve(image, np.ones((5, 5))), fourier.smooth(image, 5, "boxcar")):
        np.testing.assert_array_equal(np.isnan(found), ndimage.binary_erosion(np.isnan(image), np.ones((5, 5))))


def test_a_derivative_touches_no_missing_pixel():
    """Weights of both signs cannot be normalised: no number is made up."""
    image = np.tile(np.arange(10.0) ** 2, (4, 1))
    image[1, 5] = np.nan
    slope = np.array([[0.5, 0, -0.5]])
    found = fourier.convolve(image, slope)
    touched = np.zeros(image.shape, bool)
    touched[1, [4, 6]] = True
    np.testing.assert_array_equal(np.isnan(found), touched)
    np.testing.assert_allclose(found[0, 1:-1], 2 * np.arange(1.0, 9))
    assert np.isnan(fourier.convolve(image, slope, "ignore")[:, [0, -1]]).all()


def test_smooth():
    """Gaussian and boxcar are scipy's away from the border; the others are means over a round kernel."""
    image, inside = noise(40, 41), (slice(13, -13),) * 2
    gaussian = ndimage.gaussian_filter(image, 3)
    np.testing.assert_allclose(fourier.smooth(image)[inside], gaussian[inside], atol=1e-14)
    np.testing.assert_allclose(
        fourier.smooth(image, 5, "boxcar"), fourier.convolve(image, np.ones((5, 5)) / 25, "ignore")
    )
    disk = np.hypot(*np.mgrid[-2:3, -2:3]) <= 2
    np.testing.assert_allclose(
        fourier.smooth(image, 2, "tophat", "wrap"), written_out(image, disk / disk.sum(), "wrap")
    )


def test_kernels():
    """Their answer to a single bright pixel."""
    image = np.zeros((61, 61))
    image[30, 30] = 1
    radius = np.hypot(*np.mgrid[-30:31, -30:31])
    airy, trapezoid = (fourier.smooth(image, 6, kernel, "fill") for kernel in ("airy", "trapezoid"))
    assert airy.sum() == pytest.approx(1) and trapezoid.sum() == pytest.approx(1)
    assert airy[30, 36] < 1e-6 * airy.max() and airy[30, 38] > 0.01 * airy.max()  # the dark ring, and the bright one
    np.testing.assert_allclose(trapezoid / trapezoid.max(), np.clip(2 - radius / 6, 0, 1), atol=1e-12)


@pytest.mark.parametrize(
    "wrong, sentence",
    [
        (lambda a: fourier.downsample(a, 5), "do not fit"),
        (lambda a: fourier.downsample(a, 0), "factor must be whole numbers, at least 1"),
        (lambda a: fourier.downsample(a, 1.5), "factor must be whole"),
        (lambda a: fourier.downsample(a, 2, axis=2), "axis 2"),
        (lambda a: fourier.downsample(a, 2, axis=(0, -2)), "axis"),
        (lambda a: fourier.convolve(a, np.ones(3)), "2 axes"),
        (lambda a: fourier.convolve(a, np.full((3, 3), np.nan)), "finite"),
        (lambda a: fourier.convolve(a, np.ones((3, 3)), "reflect"), "wrap, fill or ignore"),
        (lambda a: fourier.smooth(a, 0), "above 0"),
        (lambda a: fourier.smooth(a, 4, "boxcar"), "odd whole number"),
        (lambda a: fourier.smooth(a, 3, "square"), "gaussian, boxcar"),
        (lambda a: fourier.smooth(a, 3, boundary="reflect"), "wrap, fill or ignore"),
    ],
)
def test_refused(wrong, sentence):
    with pytest.raises(UserError, match=sentence):
        wrong(np.ones((4, 5)))
