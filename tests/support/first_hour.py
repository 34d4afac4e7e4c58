"""The scans of the page "The first hour": a cylinder of grains in air, still, and compressed in two steps."""

from pathlib import Path

import numpy as np
import tifffile
from synthetic import Affine, Grey, lattice_texture, render

SHAPE = (96, 84, 84)
CENTRE = (np.array(SHAPE) - 1) / 2
RADIUS = 33.0
#: Compression along z of a step, and what it widens.
AXIAL, LATERAL = -0.006, 0.002
#: How the specimen moves as a whole in a step, voxels.
SHIFT = np.array([1.2, -0.6, 0.8])
NAMES = ("scan0", "still", "scan1", "scan2")
#: A void that opens in the first step: its middle in scan0, and its radius.
VOID, VOID_RADIUS = np.array([56.0, 40.0, 48.0]), 5.0


def motion(step: int) -> Affine:
    """From scan0 to the scan of a step."""
    return Affine(np.eye(3) + step * np.diag([AXIAL, LATERAL, LATERAL]), step * SHIFT, CENTRE)


def specimen(points: np.ndarray) -> np.ndarray:
    """Grains inside the cylinder, air around it; a smooth rim, as scanners make it."""
    offset = (points - CENTRE)[..., 1:]
    inside = 1 / (1 + np.exp(2 * (np.linalg.norm(offset, axis=-1) - RADIUS)))
    return inside * (2.5 + lattice_texture(3)(points)) - 2.5


def torn(points: np.ndarray) -> np.ndarray:
    """The specimen with its void."""
    inside = np.linalg.norm(points - VOID, axis=-1) < VOID_RADIUS
    return np.where(inside, -2.5, specimen(points))


def save_scans(folder: Path) -> None:
    """Write four volumes of 16 bits, each with noise of its own."""
    grey = Grey(mean=30000, contrast=4500, noise=0.04)
    for seed, (name, step) in enumerate(zip(NAMES, (0, 0, 1, 2), strict=True)):
        image = render(torn if step else specimen, SHAPE, motion(step) if step else None, grey, seed=seed)
        tifffile.imwrite(folder / f"{name}.tif", image, photometric="minisblack")
