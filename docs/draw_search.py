"""Pictures of searches."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from synthetic import Grey, lattice_texture, pair, translation

from hpcdvc.fields.grid import make_grid
from hpcdvc.search.adaptive import AdaptiveSearch
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings

SHAPE, HALF, SLIP = (400, 250), 10, 14.0


def draw_jump(path: Path) -> None:
    """Two halves of a speckle image slide along each other: what the search finds without a start."""
    texture = lattice_texture(5, spacing=2.2, dimensions=2, size=256)
    grey = Grey(noise=0.03)
    halves = [pair(texture, SHAPE, translation(np.array([slip, 0.4])), grey, grey) for slip in (SLIP, -SLIP)]
    x = np.arange(SHAPE[1])
    im1, im2 = halves[0][0], np.where(x < SHAPE[1] // 2, halves[0][1], halves[1][1])
    grid = make_grid((1, *SHAPE), (1, 8, 8))
    points = search_points(
        grid.positions(), np.tile(np.eye(4), (grid.size, 1, 1)), (0, HALF, HALF), (0, 0, -1, 1, -1, 1)
    )
    search = PixelSearch(im1[None], im2[None].astype(im1.dtype), SearchSettings())
    found, *_ = AdaptiveSearch(search)(points)
    found = found.reshape(grid.shape[1:])
    figure, axes = plt.subplots(1, 4, figsize=(9, 3.9))
    for axis, image, title in zip(axes, (im1, im2), ("im1", "im2"), strict=False):
        axis.imshow(image, cmap="gray")
        axis.set_title(title)
    shown = {
        "displacement along y, pixels": (found["displacement"][..., 1], "coolwarm"),
        "zncc": (found["score"], "viridis"),
    }
    for axis, (title, (values, colours)) in zip(axes[2:], shown.items(), strict=True):
        picture = axis.imshow(values, cmap=colours, extent=(4, SHAPE[1] - 4, SHAPE[0] - 4, 4))
        axis.set_title(title)
        figure.colorbar(picture, ax=axis, shrink=0.8)
    for axis in axes:
        axis.set_axis_off()
    figure.savefig(path)
    plt.close(figure)
