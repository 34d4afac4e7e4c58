"""Small image pairs whose displacement is known, and short ways to run hpcdvc-ldic on them, for its tests.

Names of files are relative: the tests run in a folder of their own (fixture `here`).
"""

import hashlib
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from synthetic import Affine, DisplacementField, lattice_texture, pair

from hpcdvc.fields.field import Field
from hpcdvc.options.parser import parse
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import write_tsv
from hpcdvc.ranks.team import Team
from hpcdvc.workflows import ldic

#: command lines with files of ../shared/oracle/bad-input -> the file that is refused
SAMPLES = {
    "a.tif b_corrupt.tif": "b_corrupt.tif",
    "a.tif b_empty.tif": "b_empty.tif",
    "a.tif b_small.tif": "b_small.tif",
    "a.tif b_text.tif": "b_text.tif",
    "a.tif b_trunc.tif": "b_trunc.tif",
    "a.tif im2d.tif": "im2d.tif",
    "a.tif b.tif -mf1 mask_small.tif": "mask_small.tif",
    "a.tif b.tif -pf empty.tsv": "empty.tsv",
    "a.tif b.tif -pf garbage.tsv": "garbage.tsv",
    "a.tif b.tif -pf headeronly.tsv": "headeronly.tsv",
}

SHAPE = (38, 40, 49)
#: A small affine motion about the middle of the volume.
FIELD = Affine(
    np.eye(3) + [[0.01, 0.004, 0.0], [0.0, -0.008, 0.003], [0.002, 0.0, 0.006]],
    np.array([0.7, -1.3, 0.4]),
    np.array([18.5, 19.5, 24.0]),
)
#: The same motion for an image.
FLAT_SHAPE = (60, 70)
FLAT_FIELD = Affine(np.eye(2) + [[0.01, -0.004], [0.006, -0.008]], np.array([0.7, -1.3]), np.array([30.0, 35.0]))


def images(field: DisplacementField = FIELD, shape: tuple = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """(im1, im2), u2, of a texture moved by a field."""
    return tuple(image.copy() for image in _default_images()) if field is FIELD else _images(field, shape)


def _images(field: DisplacementField, shape: tuple) -> tuple[np.ndarray, np.ndarray]:
    return pair(lattice_texture(1, dimensions=len(shape)), shape, field)


@cache
def _default_images() -> tuple[np.ndarray, np.ndarray]:
    return _images(FIELD, SHAPE)


def save_pair(im1: np.ndarray | None = None, im2: np.ndarray | None = None, **how) -> None:
    """Write im1.tif and im2.tif, by default the pair of FIELD."""
    default = images() if im1 is None or im2 is None else (None, None)
    for name, image, other in zip(("im1", "im2"), (im1, im2), default, strict=True):
        tifffile.imwrite(f"{name}.tif", other if image is None else image, photometric="minisblack", **how)


def save_damaged(path: str) -> None:
    """Write im2 compressed, with bytes that cannot be decompressed in slice 30."""
    tifffile.imwrite(path, images()[1], compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path) as file:
        place = file.pages[30].dataoffsets[0]
    with open(path, "r+b") as file:
        file.seek(place + 100)
        file.write(bytes(500))


def save_registration(path: str, field: Affine) -> None:
    """Write an affine field as the one-row table that a registration leaves."""
    save_field(path, field, field.centre[None])


def save_field(path: str, field: DisplacementField, positions: np.ndarray, **columns: np.ndarray) -> None:
    """Write a field at positions (n, 3) as a table (T1); `columns` replace attributes of the Field."""
    n = len(positions)
    phi = np.tile(np.eye(4), (n, 1, 1))
    phi[:, :3] = field.phi(positions)
    parts = {"positions": positions, "phi": phi, "return_status": np.full(n, 2, "i4"), "error": np.zeros(n)}
    parts |= {"iterations": np.ones(n, "i4"), "delta_phi_norm": np.zeros(n), "grid": None}
    write_tsv(path, Field(**{**parts, **columns}))


def run_here(*words) -> list[str]:
    """Run hpcdvc-ldic in this process, on one rank; the paths written."""
    return ldic.run(parse(ldic.Options, [str(word) for word in words]), Team())


def measure(*words) -> Field:
    """The field that hpcdvc-ldic measures between im1.tif and im2.tif, with these further words; overwrites."""
    return read_field(run_here("im1.tif", "im2.tif", "--force", *words)[0])


def truth(measured: Field, field: DisplacementField = FIELD) -> np.ndarray:
    """True (n, 3, 4) Phi at the points of a field."""
    d = len(field.centre)
    return field.phi(measured.positions[:, 3 - d :])


def largest_error(measured: Field, field: DisplacementField = FIELD) -> float:
    """Largest error of a displacement component over all points, voxels; inf where one is NaN."""
    error = np.abs(measured.displacement - truth(measured, field)[:, :, 3])
    return float(np.nan_to_num(error, nan=np.inf).max())


def digest(path: str | Path) -> str:
    """What tells one content of a file from another."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def same_rows(a: Field, b: Field, some=slice(None)) -> bool:
    """Whether two fields hold bit for bit the same values (at `some` points)."""
    names = ("positions", "phi", "return_status", "error", "iterations", "delta_phi_norm")
    pairs = [(getattr(a, name), getattr(b, name)) for name in names] + [(a.extra[k], b.extra[k]) for k in a.extra]
    return a.extra.keys() == b.extra.keys() and all(x[some].tobytes() == y[some].tobytes() for x, y in pairs)
