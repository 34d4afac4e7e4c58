"""Small pairs of two modalities whose motion is known, as the files of the tests of hpcdvc-mmr.

Names of files are relative: the tests run in a folder of their own.
"""

from functools import cache

import numpy as np
import tifffile
from modal_pairs import THREE, TWO, modal_pair
from synthetic import Affine

from hpcdvc.fields.phi import rotation_matrix

SHAPE = (40, 44, 42)
MIDDLE = (np.array(SHAPE) - 1) / 2
FIELD = Affine(rotation_matrix(np.array([1.5, -1.0, 2.0])), np.array([1.1, -0.7, 0.8]), MIDDLE)
FLAT = (72, 80)
TURN = np.deg2rad(2)
FLAT_FIELD = Affine(
    np.array([[np.cos(TURN), -np.sin(TURN)], [np.sin(TURN), np.cos(TURN)]]), np.array([1.2, -0.8]),
    (np.array(FLAT) - 1) / 2,
)  # fmt: skip
PAIR = ("im1.tif", "im2.tif")
#: Files of a result of the pair on two levels.
ENDS = (
    *("PhiMMR-bin2.tsv", "PhiMMR-bin1.tsv", "mmr.hdf", "mmr.run.json"),
    *("mmr-histogram.png", "mmr-phases.png", "mmr-checkerboard.png", "mmr-phases.json"),
)


@cache
def images() -> tuple[np.ndarray, np.ndarray]:
    """im1 of 8 bits, im2 of 16, of inverted contrast."""
    one, two = modal_pair(SHAPE, FIELD, 3, TWO, feature=5.0)
    return np.clip(200 * one, 0, 255).astype("u1"), np.clip(30000 * two, 0, 65535).astype("u2")


@cache
def flat_images() -> tuple[np.ndarray, np.ndarray]:
    """Two dimensions, three phases, small floating-point numbers."""
    return tuple(1e-4 * image - 3e-5 for image in modal_pair(FLAT, FLAT_FIELD, 5, THREE, feature=7.0))


def unrelated() -> np.ndarray:
    """Another body, as im2 shows such."""
    return np.clip(30000 * modal_pair(SHAPE, FIELD, 11, TWO, feature=5.0)[1], 0, 65535).astype("u2")


def save_case() -> None:
    """Write im1.tif and im2.tif."""
    for name, image in zip(PAIR, images(), strict=True):
        tifffile.imwrite(name, image, photometric="minisblack")
