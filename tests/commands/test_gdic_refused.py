"""hpcdvc-gdic refuses what it cannot use: one sentence that names it, exit code 2, no file."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from gdic_cases import box, save_case, save_mesh
from reg_ends import is_one_sentence, play_command

from hpcdvc.cli import main

PAIR = ("im1.tif", "im2.tif", "box.h5")
GOOD = "young: 10\npoisson: 0.25\nxiBulk: 12\nperiods: 1\n"
#: Parameters of the regularisation that are wrong, and what is said about them.
PARAMETERS = {
    "unknown key": (GOOD + "youngs: 3\n", ("youngs", "line 5")),
    "no young": ("poisson: 0.25\n", ("young",)),
    "unknown surface": (GOOD + "dirichlet:\n  top:\n    dof: [0]\n", ("top",)),
    "surface not found": (GOOD + "dirichlet:\n  z_lateral:\n    dof: [0]\n", ("bad.yaml", "z_lateral")),
    "dof out of range": (GOOD + "dirichlet:\n  z_start:\n    dof: [0, 3]\n", ("dof", "3")),
    "no mapping": ("- 3\n", ("bad.yaml",)),
    "no YAML": ("young: [\n", ("bad.yaml",)),
    "poisson": (GOOD.replace("0.25", "0.6"), ("poisson", "0.6")),
}


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        save_case()
    return folder


@pytest.fixture
def refused(case, monkeypatch, capfd):
    """refused(words, *expected): the command ends so."""
    monkeypatch.chdir(case)
    play_command(monkeypatch, "gdic")

    def check(words, *expected):
        before = {path.name for path in Path().iterdir()}
        capfd.readouterr()
        assert main("gdic", [*map(str, words), "-q"]) == 2
        err = capfd.readouterr().err
        assert is_one_sentence(err, *expected), err
        assert {path.name for path in Path().iterdir()} == before

    return check


@pytest.mark.parametrize("what", PARAMETERS)
def test_parameters(refused, what):
    text, expected = PARAMETERS[what]
    Path("bad.yaml").write_text(text)
    refused((*PAIR, "-r", "bad.yaml"), *expected)


def test_mesh(refused):
    points, connectivity = box()
    save_mesh("outside.h5", points + [0, 0, 20], connectivity)
    refused((*PAIR[:2], "outside.h5"), "outside.h5", "does not lie in the image")
    save_mesh("metres.h5", points * 1e-5, connectivity)
    refused((*PAIR[:2], "metres.h5"), "metres.h5", "must be in voxels")
    save_mesh("unknown.h5", points, connectivity + 10)
    refused((*PAIR[:2], "unknown.h5"), "unknown.h5")
    flat = points.copy()
    flat[:, 0] = 10
    save_mesh("flat.h5", flat, connectivity)
    refused((*PAIR[:2], "flat.h5"), "flat.h5")
    save_mesh("nan.h5", np.where(np.arange(len(points))[:, None] == 3, np.nan, points), connectivity)
    refused((*PAIR[:2], "nan.h5"), "nan.h5")
    tip = points.copy()
    tip[-1, 0] += 1
    save_mesh("tip.h5", tip, connectivity)
    Path("tip.yaml").write_text(GOOD + "dirichlet:\n  z_end: {dof: [0]}\n")
    refused((*PAIR[:2], "tip.h5", "-r", "tip.yaml"), "tip.yaml", "z_end is not found", "none of its faces")
    Path("text.vtk").write_text("no mesh")
    refused((*PAIR[:2], "text.vtk"), "text.vtk")
    refused((*PAIR[:2], "missing.hdf"), "missing.hdf")


def test_images(refused):
    image = tifffile.imread("im1.tif")
    tifffile.imwrite("small.tif", image[:-1])
    refused(("im1.tif", "small.tif", "box.h5"), "small.tif", "im1.tif")
    tifffile.imwrite("flat.tif", image[0])
    refused(("flat.tif", "flat.tif", "box.h5"), "flat.tif", "2-D")
    refused(PAIR[:2], "mesh")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("-cc", 0), ("-cc", "greater than 0")),
        (("-it", 0), ("-it", "at least 1")),
        (("-crit", "zncc"), ("-crit", "znssd")),
        (("-solver", "lu"), ("-solver", "pcg")),
        (("--std", -1), ("--std",)),
        (("--register", "-pf", "a.tsv"), ("-pf", "--register")),
        (("-regbb", 1, "-regbe", 2), ("-regbb 1",)),
        (("-pf", "im1.tif"), ("im1.tif",)),
        (("-r", "missing.yaml"), ("missing.yaml",)),
    ],
)
def test_words(refused, words, expected):
    refused((*PAIR, *words), *expected)
