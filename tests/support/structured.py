"""Pairs of images whose difference is more than motion and white noise: shading, rings, blur, Poisson noise, outliers.

Images come as grey values in float64 without noise; grey values are 30000 +- 5000 (Grey).
"""

from collections.abc import Callable

import numpy as np
from scipy import ndimage
from synthetic import Grey

GREY = Grey(dtype="f8")
NOISE = 0.05  # of the contrast, in both images, but for Poisson noise


def radius(shape: tuple[int, ...]) -> np.ndarray:
    """(ny, nx) distances from a point near the middle of a plane, voxels."""
    y, x = np.indices(shape[-2:])
    return np.hypot(y - (shape[-2] - 1) / 2 + 0.3, x - (shape[-1] - 1) / 2 - 0.2)


def noisy(im1: np.ndarray, im2: np.ndarray, rng: np.random.Generator, noise: float = NOISE) -> tuple:
    """White noise and rounding."""
    images = (im + noise * GREY.contrast * rng.standard_normal(im.shape) for im in (im1, im2))
    return tuple(np.rint(im).clip(0, 65535).astype("u2") for im in images)


def ramp(im1, im2, rng):
    """im2 gets 20 % brighter from left to right."""
    return noisy(im1, im2 * np.linspace(0.9, 1.1, im2.shape[-1]), rng)


def cupping(im1, im2, rng):
    """im2 is 20 % darker in the corners of a plane than in its middle."""
    distance = radius(im2.shape)
    return noisy(im1, im2 * (1 - 0.2 * (distance / distance.max()) ** 2), rng)


def rings(im1, im2, rng):
    """The same concentric rings in both images and all planes, half as strong as the texture."""
    distance = radius(im1.shape)
    profile = np.random.default_rng(5).standard_normal(int(distance.max()) + 2)
    pattern = np.interp(distance, np.arange(len(profile)), profile)
    pattern = 0.5 * GREY.contrast * (pattern - pattern.mean()) / pattern.std()
    return noisy(im1 + pattern, im2 + pattern, rng)


def blur(im1, im2, rng):
    """im2 is less sharp."""
    return noisy(im1, ndimage.gaussian_filter(im2, 0.8), rng)


def poisson(im1, im2, rng):
    """900 photons at the mean."""
    photons = GREY.mean / 900
    return noisy(*(photons * rng.poisson(im / photons) for im in (im1, im2)), rng, 0.0)


def outliers(im1, im2, rng):
    """One voxel in a thousand is black or white."""
    im1, im2 = noisy(im1, im2, rng)
    for im in (im1, im2):
        bad = rng.random(im.shape) < 1e-3
        im[bad] = rng.choice([0, 65535], bad.sum())
    return im1, im2


#: name -> what makes the pair of images (ny, nx) or (nz, ny, nx) of clean ones and a random generator
SCENES: dict[str, Callable] = {
    "clean": lambda im1, im2, rng: noisy(im1, im2, rng, 0.0),
    "white noise": noisy,
    "ramp": ramp,
    "cupping": cupping,
    "rings": rings,
    "blur": blur,
    "Poisson noise": poisson,
    "outliers": outliers,
}
