"""Picture of the shifts of a series of images."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from moved_images import grains
from panels import ruled

from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.stacks.shift import measure_shift

SHAPE, NOISE = (96, 96), 0.15


def draw_shift(path: Path) -> None:
    """Two frames of a drifting series, chi square over all displacements, and the drift that was measured."""
    time = np.arange(13)
    drift = np.stack([0.05 * time**2, 4 * np.sin(time / 3)], axis=1)
    frames = [grains(SHAPE, u, noise=NOISE) for u in drift]
    settings = ShiftSettings(keep_map=True)
    found = [measure_shift(frames[0], frame, settings) for frame in frames[1:]]
    figure, (first, last, chi2, series) = plt.subplots(1, 4, figsize=(13, 3), width_ratios=(1.1, 1.1, 1.2, 1.4))
    for plot, k in ((first, 0), (last, -1)):
        plot.imshow(frames[k], cmap="gray", vmin=-60, vmax=60)
        plot.set_title(f"frame {time[k]}")
        ruled(plot, "pixel")
    values, half = found[-1].details["map"]["chi2"], SHAPE[0] // 2
    near = slice(half - 14, half + 15)
    shown = chi2.imshow(values[near, near], extent=(-14.5, 14.5, 14.5, -14.5), cmap="viridis_r")
    chi2.plot(*drift[-1][::-1], "+", color="tab:red", markersize=14)
    chi2.set(title="chi square, and the truth", xlabel="displacement along x, pixel", ylabel="along y, pixel")
    figure.colorbar(shown, ax=chi2)
    for axis, name, colour in ((1, "x", "tab:blue"), (0, "y", "tab:orange")):
        measured = np.array([shift.displacement[1 + axis] for shift in found])
        deviation = np.array([shift.std[1 + axis] for shift in found])
        series.errorbar(
            time[1:], measured - drift[1:, axis], 2 * deviation, fmt="o", markersize=3, color=colour, label=name
        )
    series.axhline(0, color="gray", linewidth=0.8)
    series.set(title="error, and two standard deviations", xlabel="frame", ylabel="pixel")
    series.margins(y=0.2)  # room for the legend above all bars
    series.legend(loc="upper right", ncols=2)
    figure.savefig(path)
    plt.close(figure)
