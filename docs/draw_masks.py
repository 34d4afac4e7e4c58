"""Pictures of a mask and of labels, as hpcdvc-mask and hpcdvc-label draw them, and of what their depth does."""

from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from packings import packing

from hpcdvc.output.outlines import Cut, coloured, draw_labels, draw_outline
from hpcdvc.ranks.team import Team
from hpcdvc.segmentation.basins import basins_of, distances
from hpcdvc.segmentation.components import filled, largest
from hpcdvc.segmentation.morphology import closed, opened
from hpcdvc.segmentation.threshold import bright, grey_histogram, otsu_threshold

SHAPE = (90, 100, 110)


@cache
def sample() -> np.ndarray:
    """A noisy scan of a packing of grains."""
    rng = np.random.default_rng(5)
    centres, radii = packing(75, 4, radius=11, spread=0.35)
    centres += np.array(SHAPE) / 2 - centres.mean(axis=0)
    grid, inside = np.indices(SHAPE), np.zeros(SHAPE, bool)
    for centre, radius in zip(centres, radii, strict=True):
        a, b = rng.uniform(0.85, 1.15, 2)
        stretch = np.array([a, b, 1 / (a * b)])
        inside |= sum(((g - c) * s) ** 2 for g, c, s in zip(grid, centre, stretch, strict=True)) < radius**2
    return (120 + 90 * inside + rng.normal(0, 18, SHAPE)).clip(0, 65535).astype("u2")


def _threshold() -> np.ndarray:
    return bright(sample(), otsu_threshold(*grey_histogram(sample(), Team())))


def _cuts(marks: np.ndarray) -> dict[str, Cut]:
    places = [n // 2 for n in SHAPE]
    return {"ZYX"[k]: Cut(sample().take(places[k], k), marks.take(places[k], k), places[k]) for k in range(3)}


def _labels(mask: np.ndarray, h: float) -> np.ndarray:
    """Grains of a mask."""
    basins, first_of, _ = basins_of(distances(filled(mask, Team(), 8), Team()), h, Team())
    return np.unique(np.where(mask, first_of[basins], 0), return_inverse=True)[1].reshape(SHAPE)


def draw_mask(path: Path) -> None:
    """The mask of the packing as a whole: opened, closed, filled."""
    team = Team()
    mask = filled(largest(closed(opened(_threshold(), 1, team), 9, team), team), team)
    draw_outline(str(path), _cuts(mask), "load0-mask.tif over load0")


def draw_label(path: Path) -> None:
    """Its grains."""
    labels = _labels(opened(_threshold(), 1, Team()), 1.0)
    draw_labels(str(path), _cuts(labels), f"load0-labels.tif: {labels.max()} labels, over load0")


def draw_label_depths(path: Path) -> None:
    """Too many labels, the right ones, too few."""
    mask = opened(_threshold(), 1, Team())
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.1), sharex=True, sharey=True)
    for axis, h in zip(axes, (0.1, 1.0, 5.0), strict=True):
        labels = _labels(mask, h)
        axis.imshow(sample()[SHAPE[0] // 2], cmap="gray")
        axis.imshow(coloured(labels[SHAPE[0] // 2]))
        axis.set(title=f"--h-maxima {h:g}: {labels.max()} labels", xlabel="X, voxel")
    axes[0].set_ylabel(f"Y, voxel (Z = {SHAPE[0] // 2})")
    figure.savefig(path)
