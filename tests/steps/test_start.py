"""A start that was measured in other dimensions is no start."""

import numpy as np
import pytest
from ldic_cases import FIELD, FLAT_FIELD, save_field, save_registration
from synthetic import Affine

from hpcdvc.errors import UserError
from hpcdvc.fields.grid import Grid
from hpcdvc.images import describe
from hpcdvc.steps.start import read_start

NODES = {True: Grid((0, 10, 10), (1, 10, 10), (1, 4, 5)), False: Grid((10, 10, 10), (10, 10, 10), (2, 3, 3))}


@pytest.fixture(autouse=True)
def image(tmp_path, monkeypatch):
    """image(flat): header of a 2-D image or of a volume."""
    monkeypatch.chdir(tmp_path)
    np.save("flat.npy", np.zeros((60, 70), "u1"))
    np.save("volume.npy", np.zeros((38, 40, 49), "u1"))
    return lambda flat: describe("flat.npy" if flat else "volume.npy")


def flat_affine() -> Affine:
    """FLAT_FIELD as a motion of points in space that stay at z = 0."""
    f = np.eye(3)
    f[1:, 1:] = FLAT_FIELD.F
    return Affine(f, np.array([0, *FLAT_FIELD.shift]), np.array([0, *FLAT_FIELD.centre]))


def save(kind: str, flat: bool) -> str:
    field = flat_affine() if flat else FIELD
    if kind == "registration":
        save_registration("start.tsv", field)
    else:
        save_field("start.tsv", field, NODES[flat].positions())
    return "start.tsv"


@pytest.mark.parametrize("kind", ["registration", "field"])
@pytest.mark.parametrize("flat", [True, False])
def test_other_dimensions_are_refused(kind, flat, image):
    assert len(read_start(save(kind, flat), 2.0, image(flat))) >= 1
    words = "measured on images in two dimensions, and volume.npy is a volume"
    with pytest.raises(UserError, match=words if flat else r"measured on volumes, and flat\.npy is a 2-D image"):
        read_start("start.tsv", 1.0, image(not flat))


def test_translation_that_is_typed(image):
    """One row at 0 0 0 goes with any image."""
    header = "Zpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\n"
    for z, flat in ((0, True), (0, False), (3, False)):
        with open("typed.tsv", "w") as file:
            file.write(f"{header}0\t0\t0\t{z}\t4\t-5\n")
        np.testing.assert_array_equal(read_start("typed.tsv", 1.0, image(flat)).displacement, [[z, 4, -5]])
    with pytest.raises(UserError, match="measured on volumes"):
        read_start("typed.tsv", 1.0, image(True))


def test_points_that_have_no_result(image):
    """What failed says nothing about dimensions."""
    positions = NODES[True].positions()
    phi = np.tile(np.eye(4), (len(positions), 1, 1))
    phi[3, 0] = np.nan
    save_field("start.tsv", flat_affine(), positions, phi=phi)
    assert len(read_start("start.tsv", 1.0, image(True))) == len(positions)
    with pytest.raises(UserError, match="in two dimensions"):
        read_start("start.tsv", 1.0, image(False))
