"""The pairs of the page "Gallery" that are made from the scan of cement: a shear band, and grains that move.

No grey value of one image is an interpolation of the other: both are the quintic spline through the scan, evaluated
between its voxels.
"""

import shutil
from pathlib import Path

import numpy as np
import tifffile
from grains import Grains, packing
from scipy import ndimage
from synthetic import Affine, DisplacementField, Grey, ShearBand, image_texture, render

DATA = Path(__file__).resolve().parents[1] / "data"
#: Edge of a voxel of the pairs, and place of their first one, in voxels of the scan.
PITCH, FIRST = 0.8, 9.6
SHAPE = (44, 100, 100)
MIDDLE = (np.array(SHAPE) - 1) / 2
#: Slip of the band along (0, -0.6, 0.8), voxels.
SLIP = 1.8
BAND = ShearBand(SLIP * np.array([0.0, -0.6, 0.8]), np.array([0.0, 0.8, 0.6]), MIDDLE, 5.0)


def cement_texture():
    """The scan of cement between its voxels, mean 0 and contrast 1."""
    volume = ndimage.gaussian_filter(tifffile.imread(DATA / "cement.tif").astype(float), 0.8)
    return image_texture((volume - volume.mean()) / volume.std(), PITCH, FIRST)


def band() -> DisplacementField:
    """How cement-0.tif becomes cement-1.tif: a band that slips, in a body that is compressed by half a percent."""
    return BAND + Affine(np.diag([1.001, 0.995, 1.001]), np.array([0.1, 0.4, 0.2]), MIDDLE)


def save_cement(folder: Path) -> None:
    """Write cement-0.tif and cement-1.tif."""
    texture, away = cement_texture(), np.array([40.0, 10, 10])
    for seed, (field, gain) in enumerate(((None, 1.0), (band(), 0.9))):
        grey = Grey(mean=25000, contrast=4000, noise=0.05, gain=gain)
        image = render(lambda points: texture(points + away), SHAPE, field, grey, seed=seed)
        tifffile.imwrite(folder / f"cement-{seed}.tif", image, photometric="minisblack")


def grains() -> Grains:
    """27 grains of cement close together, each of which moves and turns for itself.

    The scan is mirrored at its ends: repeated, it would have a jump inside some grains.
    """
    texture = cement_texture()
    return packing(lambda points: texture(45 - np.abs(np.mod(points, 90.0) - 45)), 3, 9.0, gap=1.0)


def save_grains(folder: Path) -> None:
    """Write grains-0.tif and grains-1.tif."""
    some = grains()
    for moved in (False, True):
        image = some.image(moved, 0.05, 1 + moved)
        tifffile.imwrite(folder / f"grains-{moved:d}.tif", image, photometric="minisblack")


def save_downloads(folder: Path) -> None:
    """Copy the real pairs."""
    for name in ("bone-0", "bone-1", "tensile_151", "tensile_170"):
        shutil.copyfile(DATA / f"{name}.tif", folder / f"{name}.tif")
