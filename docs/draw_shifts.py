"""A picture of local shifts."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from panels import ruled

from hpcdvc.fields.status import Status
from hpcdvc.stacks.dense import DenseSettings, measure_rows

SIZE, FRAMES, HALF, RANGE, NOISE, WAVES = 160, 8, 4, 4, 0.25, 80


def draw_local_shifts(path: Path) -> None:
    """A vortex in speckle, and a disc that has changed: a frame of both stacks, and what is found at every pixel."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    around = np.exp(-((y - 80) ** 2 + (x - 80) ** 2) / (2 * 30**2))
    u = 2.2 * np.exp(0.5) / 30 * around * np.stack([x - 80, -(y - 80)])
    rng, changed = np.random.default_rng(4), np.hypot(y - 125, x - 120) < 18
    im1, im2 = np.empty((2, FRAMES, SIZE, SIZE), np.float32)
    for k in range(FRAMES):
        im1[k], im2[k] = _speckle(k, y, x), np.where(changed, _speckle(100 + k, y, x), _speckle(k, y - u[0], x - u[1]))
    im1, im2 = (stack + rng.normal(0, NOISE, stack.shape).astype(np.float32) for stack in (im1, im2))
    settings = DenseSettings(HALF, (-RANGE, RANGE, -RANGE, RANGE), template="im2")
    found = measure_rows(im1, im2, 0, range(SIZE), SIZE, settings)
    panels = {
        "im1, one frame": (im1[0], "gray", {}),
        "im2": (im2[0], "gray", {}),
        "displacement along y, pixels": (found["displacement"][..., 0], "coolwarm", {"vmin": -2.2, "vmax": 2.2}),
        "along x": (found["displacement"][..., 1], "coolwarm", {"vmin": -2.2, "vmax": 2.2}),
        "zncc": (found["score"], "viridis", {}),
        "measured: bright": (found["status"] == Status.CONVERGED, "gray", {}),
    }
    figure, axes = plt.subplots(2, 3, figsize=(8, 4.8))
    for axis, (title, (values, colours, limits)) in zip(axes.flat, panels.items(), strict=True):
        picture = axis.imshow(values, cmap=colours, **limits)
        axis.set_title(title)
        if colours != "gray":
            figure.colorbar(picture, ax=axis, shrink=0.8)
        ruled(axis, "pixel", outer=True)
    figure.savefig(path)
    plt.close(figure)


def _speckle(seed: int, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A texture of waves of random direction at points (y, x)."""
    rng = np.random.default_rng(seed)
    texture = np.zeros(y.shape)
    for (along_y, along_x), phase in zip(rng.normal(0, 0.7, (WAVES, 2)), rng.uniform(0, 2 * np.pi, WAVES), strict=True):
        texture += np.cos(along_y * y + along_x * x + phase)
    return texture / np.sqrt(WAVES / 2)
