"""Fields from the images that were made of them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from affine_field import GRID, GRID_2D, affine_rows, field_of_rows

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.fields.status import Family
from hpcdvc.output.tiff import write_tiffs
from hpcdvc.output.tiff_reader import read_tiffs


def written(stem, grid, family=Family.REGISTRATION, **extra):
    """Images of a field two of whose rows are not measured, and the field."""
    field = field_of_rows(affine_rows(grid.positions(), [0, 7]), grid, grid.positions(), extra)
    field.family = family
    write_tiffs(stem, field)
    return field


@pytest.mark.parametrize("grid", [GRID, GRID_2D], ids=["volume", "flat"])
@pytest.mark.parametrize("family", [Family.REGISTRATION, Family.SEARCH])
def test_images_come_back(tmp_path, grid, family):
    extra = {"CC": np.arange(grid.size) / 128} if family is Family.SEARCH else {}
    field = written(tmp_path / "a", grid, family, **extra)
    spacing = tuple(map(int, grid.spacing))
    found = hpcdvc.read(tmp_path / "a-Xdisp.tif", spacing=spacing)
    origin = (0.0 if grid.shape[0] == 1 else spacing[0], *spacing[1:])
    assert (found.grid.shape, found.grid.spacing, found.grid.origin) == (grid.shape, grid.spacing, origin)
    assert found.family is family
    np.testing.assert_array_equal(found.return_status, field.return_status)
    np.testing.assert_array_equal(found.measured, field.measured)
    wanted = np.where(field.measured[:, None], field.displacement, np.nan)[:, grid.shape[0] == 1 :]
    np.testing.assert_array_equal(found.displacement[:, grid.shape[0] == 1 :], wanted.astype("f4"))
    np.testing.assert_array_equal(found.error, np.float32(field.error))


def test_displacements_alone(tmp_path):
    field = written(tmp_path / "a", GRID)
    for name in ("returnStatus", "error", "iterations", "deltaPhiNorm"):
        (tmp_path / f"a-{name}.tif").unlink()
    found = read_tiffs(tmp_path / "a-Ydisp.tif", (2, 3, 4))
    np.testing.assert_array_equal(found.measured, field.measured)
    assert found.grid.spacing == (2.0, 3.0, 4.0)


@pytest.mark.parametrize(
    ("spoil", "path", "words"),
    [
        (lambda f: None, "a-error.tif", "name an image of the displacement"),
        (lambda f: (f / "a-Ydisp.tif").unlink(), "a-Xdisp.tif", "a-Ydisp.tif: no such file"),
        (lambda f: (f / "a-Zdisp.tif").unlink(), "a-Xdisp.tif", "a-Zdisp.tif is missing"),
        (lambda f: tifffile.imwrite(f / "a-error.tif", np.zeros((2, 2), "f4")), "a-Xdisp.tif", "a-error.tif has 1 x 2"),
        (lambda f: shutil.copy(f / "a-Xdisp.tif", f / "a-returnStatus.tif"), "a-Xdisp.tif", "not a whole number"),
    ],
    ids=["no displacement", "no y", "no z", "another size", "status"],
)
def test_images_that_do_not_fit(tmp_path, spoil, path, words):
    written(tmp_path / "a", GRID)
    spoil(tmp_path)
    with pytest.raises(UserError, match=words):
        read_tiffs(tmp_path / path, (5, 5, 5))


def test_the_spacing_is_needed(tmp_path):
    written(tmp_path / "a", GRID)
    with pytest.raises(UserError, match="give the node spacing"):
        hpcdvc.read(Path(tmp_path / "a-Xdisp.tif"))
