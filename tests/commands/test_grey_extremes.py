"""Images of huge grey values, or of infinite ones: no warning of numpy reaches the user, and no result suffers."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import FIELD, images, save_registration
from reg_ends import own_folder

from hpcdvc.cli import main
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import read_tsv

pytestmark = pytest.mark.filterwarnings("error")
LINES = {
    "reg": (),
    "reg --auto": (),
    "ldic": ("-ns", "12", "-hws", "5", "-tif", "-vtk"),
    "pixelSearch": ("-ns", "12", "-hws", "6", "-tif", "-vtk"),
    "guidingPoints": ("-hws", "4"),
    "deformImage": ("-pf", "reg.tsv", "-o", "3"),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_registration("reg.tsv", FIELD)
        yield


def huge() -> tuple[np.ndarray, ...]:
    return tuple(image.astype("f4") * np.float32(1e26) for image in images())


def infinite() -> tuple[np.ndarray, ...]:
    im1, im2 = (image.astype("f4") for image in images())
    im1[5:9, 5:9, 5:9], im2[20, 20, 20] = np.inf, -np.inf
    return im1, im2


def beyond_float32() -> tuple[np.ndarray, ...]:
    return tuple(image * 1e196 for image in images())


def single_voxels_beyond_float32() -> tuple[np.ndarray, ...]:
    im1, im2 = (image.astype("f8") for image in images())
    im1[10, 10, 10], im2[20, 20, 20] = 1e200, -1e200
    return im1, im2


def run(made, line: str, capfd) -> tuple[int, str]:
    """Exit code of a line on such images, and what it has said."""
    for name, image in zip(("im1", "im2"), made(), strict=True):
        tifffile.imwrite(f"{name}.tif", image, photometric="minisblack")
    name, *more = line.split()
    alone = {"deformImage": ("im1.tif", "--residual", "im2.tif"), "guidingPoints": ("im1.tif",)}
    pair = alone.get(name, ("im1.tif", "im2.tif"))
    capfd.readouterr()
    code = main(name, [*pair, *more, *LINES[line], "-q"])
    stderr = capfd.readouterr().err
    assert "Warning" not in stderr and "Traceback" not in stderr, stderr
    return code, stderr


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("made", [huge, infinite, single_voxels_beyond_float32])
def test_no_warning(made, line, capfd):
    code, stderr = run(made, line, capfd)
    assert code == 0, stderr


@pytest.mark.parametrize("line", LINES)
def test_nothing_that_float32_holds(line, capfd):
    """Such images have no voxel that counts."""
    code, stderr = run(beyond_float32, line, capfd)
    expected = {
        "reg": (2, "no finite value in float32"),
        "ldic": (1, "status -6"),
        "pixelSearch": (1, "status -6"),
        "guidingPoints": (2, "no texture"),
        "deformImage": (0, "it is empty"),
    }
    assert code == expected[line.split()[0]][0] and expected[line.split()[0]][1] in stderr


def test_views_of_huge_values(capfd):
    """Tables, images and legacy VTK files say what the result says."""
    code, stderr = run(huge, "ldic", capfd)
    assert code == 0, stderr
    field = read_field("im1-im2-ldic.hdf")
    assert field.error[field.measured].min() > 1e20 and not field.measured.all()
    image, table = tifffile.imread("im1-im2-ldic-error.tif"), read_tsv("im1-im2-ldic.tsv")
    np.testing.assert_allclose(image.ravel(), field.error, rtol=1e-6)
    np.testing.assert_allclose(table.error, field.error, rtol=5e-9)
    text = Path("im1-im2-ldic.vtk").read_text().split("SCALARS error double\nLOOKUP_TABLE default\n")[1]
    np.testing.assert_allclose([float(word) for word in text.split("\n\n")[0].split()], field.error, rtol=5e-9)
