"""Pictures of searches."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from panels import ruled
from synthetic import Affine, Grey, lattice_texture, pair, render, translation

from hpcdvc.fields.grid import make_grid
from hpcdvc.search.adaptive import AdaptiveSearch
from hpcdvc.search.front import Front
from hpcdvc.search.guiding_points import guiding_points
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings
from hpcdvc.search.texture import Blocks, Texture

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
        axis.set(title=title, xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())
        figure.colorbar(picture, ax=axis, shrink=0.8)
    for axis in axes:
        ruled(axis, "pixel", outer=True)
    figure.savefig(path)
    plt.close(figure)


def draw_guiding(path: Path) -> None:
    """A speckle image whose contrast falls, with a blank disc: its points, and how strong its windows are."""
    shape, half = (160, 300), (0, HALF, HALF)
    y, x = np.indices(shape)
    contrast = (1.2 - x / shape[1]) * (np.hypot(y - 80, x - 90) > 35)
    speckles = render(lattice_texture(6, spacing=2.2, dimensions=2, size=256), shape, grey=Grey(dtype="f4"))
    image = ((speckles - 30000) * contrast)[None]
    texture = Texture(image, None, float(image.mean()), float(image.std()), Blocks(image.shape, half))
    points, strength = guiding_points(image[0], HALF), texture.strength(np.zeros(3, int), np.array(image.shape))[0]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6))
    left.imshow(image[0], cmap="gray")
    left.plot(points[:, 2], points[:, 1], ".", color="tab:orange", markersize=4)
    left.set_title(f"{len(points)} points")
    known = np.full(shape, np.nan)
    inner = (slice(HALF, -HALF),) * 2
    known[inner] = strength[inner]
    picture = right.imshow(known, cmap="viridis")
    right.set_title("strength")
    figure.colorbar(picture, ax=right, shrink=0.8, label="contrast² / pixel²")
    for axis in (left, right):
        ruled(axis, "pixel", outer=True)
    figure.savefig(path)
    plt.close(figure)


def draw_spread(path: Path) -> None:
    """A specimen that is stretched by a tenth: rounds of a front from its clamped end, and what they measure."""
    shape, spacing, reach = (260, 160), 8, (0, 0, -3, 3, -3, 3)
    texture, grey = lattice_texture(7, spacing=2.2, dimensions=2, size=256), Grey(noise=0.03)
    stretch = Affine(np.diag([1.1, 1.0]), np.zeros(2), np.zeros(2))
    im1, im2 = (image[None] for image in pair(texture, shape, stretch, grey, grey))
    grid, half = make_grid((1, *shape), (1, spacing, spacing)), (0, HALF, HALF)
    positions, search = grid.positions(), PixelSearch(im1, im2, SearchSettings())
    front = Front(positions, np.array([0.0, 16, 80]), np.array([0.0, 2, 0]), 16.0, 26.0)
    rounds, moved = np.full(grid.size, np.nan), np.full(grid.size, np.nan)
    number = 0
    while len(numbers := front.next()):
        phi = front.guesses(numbers)
        found = search(search_points(positions[numbers], phi, half, np.array(reach)))
        phi[:, :, 3] = found["displacement"]
        front.take(numbers, phi, (found["return_status"] > 0) & (found["score"] >= 0.6))
        rounds[numbers], moved[numbers], number = number, found["displacement"][:, 1], number + 1
    low, high = positions.min(axis=0) - spacing / 2, positions.max(axis=0) + spacing / 2
    figure, axes = plt.subplots(1, 4, figsize=(9, 3.6))
    for axis, image, title in zip(axes, (im1, im2), ("im1", "im2"), strict=False):
        axis.imshow(image[0], cmap="gray")
        axis.set_title(title)
    for axis, values, title in zip(axes[2:], (rounds, moved), ("round", "displacement along y, pixels"), strict=True):
        edges = (low[2], high[2], high[1], low[1])
        picture = axis.imshow(values.reshape(grid.shape[1:]), cmap="viridis", extent=edges)
        axis.set(title=title, xlim=axes[0].get_xlim(), ylim=axes[0].get_ylim())
        figure.colorbar(picture, ax=axis, shrink=0.8)
    for axis in axes:
        ruled(axis, "pixel", outer=True)
    figure.savefig(path)
    plt.close(figure)
