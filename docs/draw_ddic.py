"""Picture of hpcdvc-ddic: grains that have moved, and what is left of the difference of the images."""

import tempfile
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
from grains import packing
from panels import ruled
from synthetic import lattice_texture

from hpcdvc import apply_phi
from hpcdvc.cli import main
from hpcdvc.output.hdf5 import read_field

#: Noise of both images, of the contrast of the texture; grey value that is black or white in the residuals.
NOISE, REACH = 0.08, 5000


def _measured(im1: np.ndarray, labels: np.ndarray, im2: np.ndarray) -> tuple:
    """Field of the labels, and the labels moved by it."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [f"{folder}/{name}.tif" for name in ("im1", "lab", "im2")]
        for path, image in zip(paths, (im1, labels, im2), strict=True):
            tifffile.imwrite(path, image, photometric="minisblack")
        assert main("ddic", [*paths, "-q", "--move-labels", "-pre", "x"]) == 0
        return read_field(f"{folder}/x-ddic.hdf"), tifffile.imread(f"{folder}/x-ddic-labels.tif")


def draw_ddic(path: Path) -> None:
    """A slice through grains that touch: labels, where they have moved to, residuals without and with the motions."""
    grains = packing(lattice_texture(1), 3, 10, seed=4, angle=12)
    away = grains.centres - grains.centres.mean(axis=0)
    grains = replace(grains, moves=grains.moves + away * (0.0, 0.05, 0.05))
    im1, labels, im2 = grains.image(False, NOISE, 1), grains.labels(), grains.image(True, NOISE, 2)
    field, moved = _measured(im1, labels, im2)
    made = im1.astype("f4")
    centres = field.positions
    for label, phi, centre in zip(field.extra["label"], field.phi, centres, strict=True):
        there = moved == label
        made[there] = apply_phi(im1, phi, centre)[there]
    k = len(im1) // 2
    left = np.where(moved > 0, im2 - made, np.nan)
    figure, axes = plt.subplots(1, 4, figsize=(12, 3.1), sharex=True, sharey=True)
    shown = (axes[0], im1, labels, f"im1, lab1; z = {k}"), (axes[1], im2, moved, "im2, labels moved")
    for axis, image, of, title in shown:
        axis.imshow(image[k], cmap="gray")
        for label in np.unique(of[k][of[k] > 0]):
            axis.contour(of[k] == label, [0.5], colors=f"C{label % 10}", linewidths=1)
        axis.set_title(title)
    near = (np.abs(centres[:, 0] - k) < 7) & (field.return_status == 2)
    z, y, x = field.displacement[near].T
    axes[0].quiver(*centres[near].T[:0:-1], x, y, color="yellow", angles="xy", scale_units="xy", scale=0.5, width=0.012)
    for axis, rest, title in ((axes[2], im2.astype("f4") - im1, "im2 - im1"), (axes[3], left, "im2 - moved grains")):
        inside = rest[moved > 0]
        axis.imshow(rest[k], cmap="gray", vmin=-REACH, vmax=REACH)
        axis.set_title(f"{title}: rms {np.sqrt(np.mean(inside**2)):.0f}")
    figure.colorbar(axes[3].images[0], ax=axes[2:], label="grey value", shrink=0.8)
    for axis in axes:
        ruled(axis, outer=True)
    figure.savefig(path)
