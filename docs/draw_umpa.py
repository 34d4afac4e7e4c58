"""A picture of a speckle scan."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from panels import ruled
from umpa_cases import MEAN, speckle

from hpcdvc.stacks.dense import DenseSettings, measure_rows
from hpcdvc.stacks.integrate import integrate
from hpcdvc.stacks.windows import window_taps

SIZE, FRAMES, HALF, RANGE, NOISE = 160, 12, 3, 4, 5.0


def draw_umpa(path: Path) -> None:
    """A lens that refracts and absorbs, and a disc that only scatters: two frames, and what the stacks tell."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    lens = np.exp(-((y - 70) ** 2 + (x - 60) ** 2) / (2 * 25**2))
    slope = 1.5 * np.exp(0.5) / 25
    u = np.stack([slope * (y - 70) * lens, slope * (x - 60) * lens])
    transmission, visibility = 1 - 0.3 * lens, 1 - 0.6 * (np.hypot(y - 105, x - 115) < 30)
    rng = np.random.default_rng(3)
    ref = np.stack([MEAN + speckle(k, y, x) for k in range(FRAMES)])
    sam = np.stack([transmission * (MEAN + visibility * speckle(k, y - u[0], x - u[1])) for k in range(FRAMES)])
    ref, sam = (np.float32(stack + rng.normal(0, NOISE, stack.shape)) for stack in (ref, sam))
    reach, taps = (-RANGE, RANGE, -RANGE, RANGE), window_taps("hamming", HALF)
    settings = DenseSettings(HALF, reach, "umpa-dark", template="im2", taps=taps)
    means = np.array([ref.mean(), sam.mean()], float)
    found = measure_rows(ref, sam, 0, range(SIZE), SIZE, settings, means)
    dy, dx = np.moveaxis(found["displacement"], -1, 0)
    panels = {
        "without the sample": (ref[0], "gray", None),
        "with it": (sam[0], "gray", None),
        "displacement along y, pixels": (dy, "coolwarm", 1.5),
        "displacement along x, pixels": (dx, "coolwarm", 1.5),
        "transmission": (found["transmission"], "viridis", None),
        "visibility": (found["visibility"], "viridis", None),
        "phase, pixel²": (integrate(dy, dx), "magma", None),
    }
    figure, axes = plt.subplots(2, 4, figsize=(11, 4.6))
    for axis, (title, (values, colours, most)) in zip(axes.flat, panels.items(), strict=False):
        limits = {"vmin": -most, "vmax": most} if most else {}
        picture = axis.imshow(values, cmap=colours, **limits)
        axis.set_title(title)
        if colours != "gray":
            figure.colorbar(picture, ax=axis, shrink=0.8)
    for axis in axes.flat[:-1]:
        ruled(axis, "pixel")
        axis.label_outer()
    axes.flat[-1].set_axis_off()
    figure.savefig(path)
    plt.close(figure)
