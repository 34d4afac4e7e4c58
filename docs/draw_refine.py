"""Picture of what the refinement of local shifts on the grey values gains."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from speckle_cases import speckle_pair

from hpcdvc.stacks.dense import DenseSettings, measure_rows
from hpcdvc.stacks.refine import refine_rows

SIZE, HALF, FRAMES = 120, 4, 4
SETTINGS = DenseSettings(HALF, (-3, 3, -3, 3), template="im2", step=4)


def _errors(shift: float, noise: float, seed: int = 0) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Errors of the displacement along x, and its standard deviations where they are reported."""
    im1, im2, truth = speckle_pair((SIZE, SIZE), lambda y, x: (0.3, shift), FRAMES, noise, seed=seed)
    rows = range(0, SIZE, SETTINGS.step)
    means = np.array([im1.mean(), im2.mean()], float)
    found = {"-pm taylor": measure_rows(im1, im2, 0, rows, SIZE, SETTINGS, means)}
    for kind in ("gn", "gnaffine"):
        found[f"-pm {kind}"] = refine_rows(im1, im2, 0, rows, SIZE, found["-pm taylor"], SETTINGS, kind, means)
    true, result = truth[:: SETTINGS.step, :: SETTINGS.step, 1], {}
    for name, of in found.items():
        measured = of["status"] == 2
        std = of["std"][measured][:, 1] if "std" in of else np.array([np.nan])
        result[name] = (of["displacement"][..., 1] - true)[measured], std
    return result


def draw_refined(path: Path) -> None:
    """Mean error over the fraction of a pixel; errors, and what is reported of them, over the noise."""
    shifts, noises = np.linspace(0, 1, 11), np.array([0.02, 0.05, 0.1, 0.2, 0.4])
    by_shift, by_noise = [_errors(s, 0.1) for s in shifts], [_errors(0.4, n, 1) for n in noises]
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3))
    for k, name in enumerate(by_shift[0]):
        left.plot(shifts, [of[name][0].mean() for of in by_shift], "o-", markersize=4, label=name)
        right.loglog(noises, [np.sqrt((of[name][0] ** 2).mean()) for of in by_noise], f"C{k}o-", markersize=4)
        right.loglog(noises, [np.sqrt((of[name][1] ** 2).mean()) for of in by_noise], f"C{k}--", linewidth=0.8)
    left.set(title="mean error, pixels", xlabel="shift, pixels")
    left.legend(frameon=False)
    right.set_xticks(noises, map(str, noises))
    right.minorticks_off()
    right.set(title="rms error (dashed: reported), pixels", xlabel="noise of both images, contrast of the speckle = 1")
    figure.savefig(path)
