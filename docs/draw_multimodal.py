"""Picture of the theory of registration across modalities: a mixture, and what it is made of."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from joint_histograms import THREE, TWO, drawn
from matplotlib.patches import Ellipse

from hpcdvc.multimodal.components import SEGMENT
from hpcdvc.multimodal.mixture import fit_mixture


def draw_multimodal(path: Path) -> None:
    """A joint histogram with the mixture that was fitted; its parts along the grey values of im2."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.6))
    draw_mixture(left)
    draw_section(right)
    figure.savefig(path)
    plt.close(figure)


def draw_mixture(axis: plt.Axes) -> None:
    """Ellipses of phases, and the components of boundaries."""
    histogram = drawn(THREE, (0.3, 0.3, 0.2), 0.066)
    mixture = fit_mixture(histogram, 3)
    shown = axis.imshow(np.log1p(histogram.T), origin="lower", cmap="Greys")
    axis.figure.colorbar(shown, ax=axis, label="log(1 + voxels)", shrink=0.9)
    n = mixture.n_phases
    for mean, covariance in zip(mixture.means[:n], mixture.covariances[:n], strict=True):
        values, axes = np.linalg.eigh(covariance)
        angle = np.degrees(np.arctan2(*axes[::-1, 1]))
        axis.add_patch(Ellipse(mean, *4 * np.sqrt(values[::-1]), angle=angle, fill=False, color="#d95f02"))
    area = 4000 * mixture.weights[n:] / SEGMENT
    axis.scatter(*mixture.means[n:].T, s=area, color="#1b6ca8")
    axis.set(title="joint histogram; phases (orange), boundaries (blue)", xlabel="im1, bins", ylabel="im2, bins")


def draw_section(axis: plt.Axes) -> None:
    """Grey values of im2 of two phases with a quarter of the voxels in between."""
    bins = 128
    histogram = drawn(TWO, (0.45, 0.3), 0.25, bins=bins)
    mixture = fit_mixture(histogram, 2)
    g = np.arange(bins, dtype=float)
    parts = np.zeros((len(mixture.weights), bins))
    for number, patch in enumerate(mixture.patches(g)):
        parts[number, patch.box[1]] = patch.density.sum(axis=0)
    axis.bar(g, histogram.sum(axis=0) / histogram.sum(), width=1, color="#cccccc", label="voxels")
    axis.plot(g, parts[:2].T, color="#d95f02", label=["phases", None])
    axis.plot(g, parts[2:].T, color="#1b6ca8", linewidth=0.8, label=["boundary", *[None] * (SEGMENT - 1)])
    axis.plot(g, parts.sum(axis=0), "k", linewidth=0.8, label="mixture")
    axis.set(yscale="log", ylim=(1e-4, 0.1), xlim=(15, 115), xlabel="im2, bins", ylabel="part of the voxels")
    axis.legend(frameon=False, fontsize=8, loc="upper center")
