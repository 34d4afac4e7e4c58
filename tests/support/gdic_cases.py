"""Small volumes whose displacements are known, and meshes in them, for the tests of global correlation.

Names of files are relative: the tests run in a folder of their own.
"""

from functools import cache

import h5py
import numpy as np
import tifffile
from synthetic import Affine, Grey, Sine, lattice_texture, pair, render

from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fem.quality import in_order

SHAPE = (44, 46, 48)
MIDDLE = (np.array(SHAPE) - 1) / 2
FIELD = Affine(
    np.eye(3) + [[0.012, 0.004, 0.0], [0.0, -0.008, 0.003], [0.002, 0.0, 0.006]], np.array([0.7, -0.5, 0.4]), MIDDLE
)
#: A field that tetrahedra of 12 voxels can follow only in part.
WAVE = Sine(np.array([0.0, 0.6, 0.0]), np.array([1 / 24, 0, 0]))
ORIGIN, LENGTHS = (5.0, 6.0, 7.0), (34.0, 34.0, 34.0)


FIELDS = {"affine": FIELD, "wave": WAVE}


@cache
def _values(field: str, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    return pair(lattice_texture(1, spacing), SHAPE, FIELDS[field], Grey(0, 1, dtype="f8"))


def images(field: str = "affine", noise: float = 0.0, spacing: float = 2.5) -> list[np.ndarray]:
    """[im1, im2] of 16 bits, that one of `FIELDS` moves; noise as a part of their contrast."""
    values = _values(field, spacing)
    return [Grey(noise=noise)(v, np.random.default_rng([7, k])) for k, v in enumerate(values)]


@cache
def unrelated(spacing: float = 2.5) -> np.ndarray:
    """Another texture of the same kind."""
    return render(lattice_texture(2, spacing), SHAPE)


def half_flat() -> list[np.ndarray]:
    """[im1, im2] whose texture ends at x = 26."""
    texture = lattice_texture(1, 2.5)
    return list(pair(lambda p: texture(p) / (1 + np.exp(2 * (p[..., 2] - 26))), SHAPE, FIELD))


@cache
def box(lc: float = 12.0) -> tuple[np.ndarray, np.ndarray]:
    """A mesh inside the images, in the order in which it is kept."""
    return in_order(*create_cuboid(LENGTHS, lc, ORIGIN))


def save_mesh(path: str, points: np.ndarray, connectivity: np.ndarray) -> None:
    """As a plain HDF5 file."""
    with h5py.File(path, "w") as file:
        file["mesh-points"], file["mesh-connectivity"] = points, connectivity


def save_case(noise: float = 0.05) -> None:
    """Write im1.tif, im2.tif, box.h5."""
    for name, image in zip(("im1.tif", "im2.tif"), images(noise=noise), strict=True):
        tifffile.imwrite(name, image)
    save_mesh("box.h5", *box())
