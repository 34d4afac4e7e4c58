"""Images of huge grey values, or of infinite ones: no warning of numpy reaches the user, and no result suffers."""

import numpy as np
import pytest
import tifffile
from ldic_cases import FIELD, images, save_registration
from reg_ends import own_folder

from hpcdvc.cli import main

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


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("made", [huge, infinite])
def test_no_warning(made, line, capfd):
    for name, image in zip(("im1", "im2"), made(), strict=True):
        tifffile.imwrite(f"{name}.tif", image, photometric="minisblack")
    name, *more = line.split()
    alone = {"deformImage": ("im1.tif", "--residual", "im2.tif"), "guidingPoints": ("im1.tif",)}
    pair = alone.get(name, ("im1.tif", "im2.tif"))
    code = main(name, [*pair, *more, *LINES[line], "-q"])
    stderr = capfd.readouterr().err
    assert code == 0 and "Warning" not in stderr and "Traceback" not in stderr, stderr
