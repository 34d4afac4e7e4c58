"""Pairs of images with one exact shift: sums of cosines, evaluated where they have moved to."""

import numpy as np


def cosines(shape: tuple[int, ...], shift: tuple[float, ...], seed: int = 0, periodic: bool = True, count: int = 60):
    """An image of unit variance moved by `shift`; `periodic`: it goes round its border.

    Frequencies are of up to 0.17 per pixel, so that a pixel and its neighbour are alike.
    """
    rng, axes = np.random.default_rng(seed), len(shape)
    frequencies = rng.uniform(-0.17, 0.17, (count, axes))
    if periodic:
        frequencies = np.rint(frequencies * shape) / shape
    phases, heights = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.5, 1, count)
    waves = np.exp(1j * phases) * heights
    places = [np.arange(n) - u for n, u in zip(shape, shift, strict=True)]
    turns = [np.exp(2j * np.pi * np.outer(f, x)) for f, x in zip(frequencies.T, places, strict=True)]
    sums = "a,ay,ax->yx" if axes == 2 else "a,az,ay,ax->zyx"
    return np.einsum(sums, waves, *turns, optimize=True).real / np.sqrt((heights**2).sum() / 2)


def pair(shape, shift, seed=0, noise=(0.0, 0.0), periodic=True, count=60):
    """im1 and im2 = im1 moved by `shift`, each with its noise."""
    rng = np.random.default_rng(seed + 1000)
    images = [cosines(shape, u, seed, periodic, count) for u in (np.zeros(len(shape)), shift)]
    return tuple(image + sd * rng.standard_normal(shape) for image, sd in zip(images, noise, strict=True))
