"""Images that have moved as one, exact wherever they have gone: sums of waves that go round the image, or do not."""

import numpy as np
import tifffile

SHAPE = (40, 46)


def waves(shape, displacement, seed=1, noise=0.5, periodic=True, count=40):
    """Grey values of a texture moved by u (one number an axis), float64: im(x) = texture(x - u)."""
    random = np.random.default_rng(seed)
    axes = np.meshgrid(*(np.arange(n, dtype=float) for n in shape), indexing="ij")
    image = np.full(shape, 100.0)
    for _ in range(count):
        most = [min(7, n // 5) for n in shape]
        turns = [random.integers(-m, m + 1) if periodic else random.uniform(-m, m) for m in most]
        phase, height = random.uniform(0, 2 * np.pi), random.uniform(1, 5)
        paths = (2 * np.pi * t * (x - u) / n for t, x, u, n in zip(turns, axes, displacement, shape, strict=True))
        image += height * np.cos(sum(paths) + phase)
    different = np.random.default_rng([seed, *np.abs(np.round(1000 * np.array(displacement))).astype(int)])
    return image + different.normal(0, noise, shape)


def grains(shape, displacement, seed=1, noise=0.02):
    """The same of grains that go round the image: all frequencies, as phase correlation wants them."""
    spectrum = np.fft.fftn(np.random.default_rng(seed).normal(size=shape))
    for axis, (n, u) in enumerate(zip(shape, displacement, strict=True)):
        f = np.fft.fftfreq(n).reshape([n if k == axis else 1 for k in range(len(shape))])
        spectrum = spectrum * np.exp(-2j * np.pi * f * u - 12 * f**2) * (np.abs(f) < 0.5)
    different = np.random.default_rng([seed, *np.abs(np.round(1000 * np.array(displacement))).astype(int)])
    return 100 * (np.fft.ifftn(spectrum).real + different.normal(0, noise, shape))


def save_image(path, image):
    """Write grey values as float32, a stack as pages."""
    tifffile.imwrite(path, image.astype("f4"), photometric="minisblack")
