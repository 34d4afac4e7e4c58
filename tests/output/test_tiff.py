import numpy as np
import pytest
import tifffile
from affine_field import GRID, GRID_2D, affine_rows, displacement, field_of_rows

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.grid import Grid
from hpcdvc.output import tiff, tsv

NAMES = ["Zdisp", "Ydisp", "Xdisp", "error", "iterations", "returnStatus", "deltaPhiNorm"]


def affine_field(grid):
    return field_of_rows(affine_rows(grid.positions(), failed=[2]), grid)


@pytest.mark.parametrize(
    "grid",
    [
        GRID,
        Grid((2.0,) * 3, (1.0,) * 3, (1, 5, 6)),
        Grid((0.0,) * 3, (1.0,) * 3, (2, 5, 3)),
        Grid((0.0,) * 3, (1.0,) * 3, (3, 2, 4)),
    ],
)
def test_one_image_per_column(tmp_path, grid):
    """Also where the last axis has three or four nodes: they are voxels, not colours."""
    paths = tiff.write_tiffs(tmp_path / "a-ldic", affine_field(grid))
    assert [path.name for path in paths] == [f"a-ldic-{name}.tif" for name in NAMES]
    assert sorted(tmp_path.iterdir()) == sorted(paths)
    for path in paths:
        with tifffile.TiffFile(path) as file:
            assert file.series[0].shape == grid.shape and file.series[0].dtype == np.float32
            assert len(file.pages) == grid.shape[0]
    image = tifffile.imread(tmp_path / "a-ldic-Ydisp.tif").reshape(grid.shape)
    expected = displacement(grid.positions())[:, 1].reshape(grid.shape)
    expected.flat[2] = np.nan  # not measured
    np.testing.assert_array_equal(image, expected.astype("f4"))
    assert tifffile.imread(tmp_path / "a-ldic-returnStatus.tif").ravel()[:4].tolist() == [2, 2, 1, 2]


def test_no_z_in_two_dimensions(tmp_path):
    paths = tiff.write_tiffs(tmp_path / "a", affine_field(GRID_2D))
    assert [path.name for path in paths] == [f"a-{name}.tif" for name in NAMES[1:]]
    assert tiff.image_names(flat=True) == NAMES[1:] and tiff.image_names(flat=False) == NAMES
    assert tifffile.TiffFile(paths[0]).series[0].shape == GRID_2D.shape


def test_free_points_have_no_image(tmp_path):
    positions = GRID.positions()[:5]
    field = field_of_rows(affine_rows(positions), positions=positions)
    with pytest.raises(UserError, match="5 points form none"):
        tiff.write_tiffs(tmp_path / "a", field)


def test_what_float32_cannot_hold(tmp_path):
    field = affine_field(GRID)
    field.error[:6] = 1e40, -1e40, 1e-50, np.inf, np.nan, 1e30
    with np.errstate(over="raise"):
        tiff.write_tiffs(tmp_path / "a", field)
    found = tifffile.imread(tmp_path / "a-error.tif").ravel()[:6]
    np.testing.assert_allclose(found, [np.nan, np.nan, 0, np.inf, np.nan, 1e30], rtol=1e-6)


def test_missing_directory(tmp_path):
    with pytest.raises(RunError, match=r"a-Zdisp\.tif was not written"):
        tiff.write_tiffs(tmp_path / "nowhere" / "a", affine_field(GRID))


@pytest.mark.parametrize("case", ["ldic-tex-field", "ldic-2d", "ldic-snow-reg"])
def test_same_images_as_the_peer(shared, tmp_path, case):
    folder = shared / "oracle" / "spam" / case
    table = next(folder.glob("*-ldic.tsv"))
    field = tsv.read_tsv(table)
    measured = field.measured.reshape(field.grid.shape)
    for path in tiff.write_tiffs(tmp_path / table.stem, field):
        with tifffile.TiffFile(path) as ours, tifffile.TiffFile(folder / path.name) as peer:
            assert ours.series[0].shape == peer.series[0].shape and len(ours.pages) == len(peer.pages)
            hidden = path.stem.endswith("disp") & ~measured
            expected = np.where(hidden.reshape(peer.asarray().shape), np.nan, peer.asarray())
            np.testing.assert_allclose(ours.asarray(), expected, rtol=1e-6, atol=1e-7)
