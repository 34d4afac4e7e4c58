"""Picture of a box of an image: which nodes of the grid, and which grains, are in it."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from draw_labels import SHAPE, colours, grains
from matplotlib.patches import Rectangle

from hpcdvc.fields.grid import make_grid
from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.steps.roi import Region

SPACING = 20


def draw_region(path: Path) -> None:
    """Grains, nodes and a box; what is measured of them stands out."""
    image, _, _ = grains()
    region = Region((0, 50, 70), (1, 130, 190))
    figure, axis = plt.subplots(figsize=(6.4, 4.4))
    axis.imshow(0.55 + 0.45 * colours(image[0]))
    particles = scan_labels(image)
    centres = centres_of(particles)
    inside = region.holds(centres)
    chosen = np.isin(image[0], particles["label"][inside])
    axis.contour(chosen, [0.5], colors="tab:orange", linewidths=1.4)
    axis.plot(*centres[inside].T[:0:-1], "x", color="tab:orange", markersize=5)
    whole = make_grid((1, *SHAPE), (SPACING,) * 3)
    axis.plot(*whole.positions().T[:0:-1], "o", markerfacecolor="none", color="0.35", markersize=5)
    axis.plot(*region.nodes_of(whole).positions().T[:0:-1], "o", color="tab:blue", markersize=6)
    corner, sides = (region.low[2] - 0.5, region.low[1] - 0.5), (region.shape[2], region.shape[1])
    axis.add_patch(Rectangle(corner, *sides, fill=False, color="black", linewidth=1.5))
    axis.set_title("--roi " + str(region))
    axis.set_xlabel("x (voxel)")
    axis.set_ylabel("y (voxel)")
    figure.savefig(path)
