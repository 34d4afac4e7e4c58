"""Small image pairs that move as one, and short ways to run hpcdvc-reg on them, for its tests.

Names of files are relative: the tests run in a folder of their own.
"""

from functools import cache
from itertools import product

import numpy as np
from ldic_cases import save_pair
from synthetic import Affine, Grey, lattice_texture, pair, rotation

from hpcdvc.fields.field import Field
from hpcdvc.fields.phi import displacement_at
from hpcdvc.options.parser import parse
from hpcdvc.output.hdf5 import read_field
from hpcdvc.ranks.team import Team
from hpcdvc.workflows import reg

SHAPE = (48, 51, 54)
CENTRE = (np.array(SHAPE) - 1) / 2
#: A motion that needs no start.
FIELD = Affine(
    np.eye(3) + [[0.01, 0.004, 0.0], [0.0, -0.008, 0.003], [0.002, 0.0, 0.006]], np.array([1.7, -2.3, 1.4]), CENTRE
)
#: One that is slow to find without.
LARGE = Affine(rotation(10, CENTRE).F @ np.diag([1.05, 1.0, 0.97]), np.array([4.0, -3.0, 5.0]), CENTRE)
FLAT_SHAPE = (80, 91)
FLAT_FIELD = Affine(np.eye(2) + [[0.01, -0.02], [0.015, -0.008]], np.array([1.7, -2.3]), np.array([39.5, 45.0]))
#: So many blocks that the first iterations of order 1 are on a sample of them.
TALL_SHAPE = (276, 44, 24)
TALL_FIELD = Affine(FIELD.F, np.array([3.7, -2.6, 2.4]), (np.array(TALL_SHAPE) - 1) / 2)
MOTIONS = {
    "small": (FIELD, SHAPE),
    "large": (LARGE, SHAPE),
    "flat": (FLAT_FIELD, FLAT_SHAPE),
    "tall": (TALL_FIELD, TALL_SHAPE),
}
RESULT = {"im1-im2-registration.hdf", "im1-im2-registration.tsv", "im1-im2-registration.run.json"}


@cache
def _textures(motion: str) -> tuple[np.ndarray, np.ndarray]:
    field, shape = MOTIONS[motion]
    return pair(lattice_texture(1, dimensions=len(shape)), shape, field, Grey(0, 1, dtype="f8"))


def pair_of(motion: str = "small", grey1: Grey = Grey(), grey2: Grey | None = None) -> list[np.ndarray]:  # noqa: B008
    """[im1, im2] of a motion, without noise."""
    return [grey(texture) for grey, texture in zip((grey1, grey2 or grey1), _textures(motion), strict=True)]


def save_motion(motion: str, **greys: Grey) -> None:
    """Write the images of a motion as im1.tif and im2.tif."""
    save_pair(*pair_of(motion, **greys))


def run_here(*words: object) -> list[str]:
    """Run hpcdvc-reg in this process, on one rank; the paths written."""
    return reg.run(parse(reg.Options, [str(word) for word in words]), Team())


def measure(*words: object) -> Field:
    """The one row that hpcdvc-reg finds for im1.tif and im2.tif, with these further words; overwrites."""
    return read_field(run_here("im1.tif", "im2.tif", "--force", *words)[0])


def corners(shape: tuple[int, ...]) -> np.ndarray:
    """(4 or 8, d) corners of an image."""
    return np.array(list(product(*((0.0, n - 1.0) for n in shape))))


def displacements(phi: np.ndarray, centre: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n, d) displacements of a (4, 4) Phi about a point at (n, d) points of an image."""
    d = points.shape[1]
    at = np.zeros((len(points), 3))
    at[:, 3 - d :] = points
    return displacement_at(np.repeat(phi[None], len(at), axis=0), centre, at)[:, 3 - d :]


def worst_corner(phi: np.ndarray, centre: np.ndarray, field: Affine, shape: tuple[int, ...]) -> float:
    """Largest length of the error of a displacement at the corners of an image, voxels; inf if there is none."""
    points = corners(shape)
    error = np.linalg.norm(displacements(phi, centre, points) - field.displacement(points), axis=1).max()
    return float(np.nan_to_num(error, nan=np.inf))


def error_of(found: Field, field: Affine = FIELD, shape: tuple[int, ...] = SHAPE) -> float:
    """The same of the row of a registration."""
    return worst_corner(found.phi[0], found.positions[0], field, shape)


def apart(one: Field, other: Field, shape: tuple[int, ...] = SHAPE) -> float:
    """Largest distance between where two registrations bring the corners of im1, voxels."""
    ends = [displacements(found.phi[0], found.positions[0], corners(shape)) for found in (one, other)]
    return float(np.linalg.norm(ends[0] - ends[1], axis=1).max())
