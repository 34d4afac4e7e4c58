"""Pictures of the Fourier tools: an image between its pixels, and what a shift leaves of fine detail."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from panels import ruled
from scipy import ndimage

from hpcdvc import fourier


def draw_fourier(path: Path) -> None:
    """A speckle image, a part of it on a finer grid, and the contrast of waves after a shift by half a pixel."""
    image = fourier.smooth(np.random.default_rng(4).normal(size=(48, 48)), 1.1, boundary="wrap")
    places, part = fourier.zoom(image, 12, (144, 144), coordinates=(20, 26), return_xouts=True)
    figure, axes = plt.subplots(1, 3, figsize=(9.5, 3.1))
    limits = {"cmap": "gray", "vmin": image.min(), "vmax": image.max()}
    (y0, y1), (x0, x1) = ((axis.min(), axis.max()) for axis in places)
    axes[0].imshow(image, **limits)
    axes[0].plot([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color="C1")
    axes[0].set_title("pixels")
    axes[1].imshow(part, extent=(x0, x1, y1, y0), **limits)
    axes[1].set_title("zoom -us 12 -at 20 26")
    for axis in axes[:2]:
        ruled(axis, "pixel")
    n = 240
    frequencies = np.arange(1, n // 2)
    waves = np.cos(2 * np.pi * np.outer(frequencies, np.arange(n)) / n)
    moved = {
        "linear": [ndimage.shift(wave, 0.5, order=1, mode="grid-wrap") for wave in waves],
        "cubic spline": [ndimage.shift(wave, 0.5, order=3, mode="grid-wrap") for wave in waves],
        "Fourier": [fourier.shift(wave, 0.5) for wave in waves],
    }
    for name, found in moved.items():
        axes[2].plot(frequencies / n, np.std(found, axis=1) / np.std(waves, axis=1), label=name)
    axes[2].set(xlabel="waves per pixel", title="contrast after half a pixel", xlim=(0, 0.5), ylim=(0, 1.05))
    axes[2].legend(frameon=False, loc="lower left")
    figure.savefig(path)
