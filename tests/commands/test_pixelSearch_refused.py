"""hpcdvc-pixelSearch refuses what it cannot use: one sentence that names it, exit code 2, no file."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from reg_ends import own_folder
from search_cases import SHAPE, particles, save_pair

from hpcdvc.cli import main

GRID = ("-ns", "10", "-hws", "6")
LABELS = ("-lab1", "lab.tif")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["hpcdvc-pixelSearch"])
        save_pair()
        labels = particles()[0]
        tifffile.imwrite("lab.tif", labels)
        tifffile.imwrite("float.tif", labels.astype("f4"), photometric="minisblack")
        tifffile.imwrite("negative.tif", np.full(SHAPE, -3, "i4"), photometric="minisblack")
        tifffile.imwrite("none.tif", np.zeros(SHAPE, "u1"))
        tifffile.imwrite("small.tif", labels[:-1])
        tifffile.imwrite("flat.tif", labels[3].astype("u2"))
        head = "Label\tZpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\n"
        Path("other.tsv").write_text(head + "99\t5\t5\t5\t0\t0\t0\n3\t12\t12\t12\t0\t0\t0\n")
        Path("moved.tsv").write_text(head + "4\t5\t5\t5\t0\t0\t0\n3\t12\t12\t12\t0\t0\t0\n")
        Path("points.tsv").write_text(head.replace("Label\t", "") + "5\t5\t5\t0\t0\t0\n9\t9\t5\t0\t0\t0\n")
        yield


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "-hws"),
        (("-hws", "6"), "-ns is missing"),
        ((*GRID, "-sr", "1", "-1", "0", "0", "0", "0"), "the range in Z begins with 1 and ends with -1"),
        ((*GRID, "-sr", "0", "0", "0", "0", "0", "3000"), "more than 2000 voxels"),
        ((*GRID, "-sr", "0", "0", "0"), "-sr"),
        ((*GRID, "-sr", "0.5", "1", "0", "0", "0", "0"), "whole number"),
        ((*GRID, "-crit", "ssd"), "zncc or ncc"),
        ((*GRID, "-F", "some"), "-F must be"),
        ((*GRID, "-mc", "1.5"), "-mc"),
        ((*GRID, "-mf1", "small.tif"), "small.tif"),
        ((*GRID, "-mf2", "small.tif"), "small.tif"),
        ((*GRID, "-mf2", "nowhere.tif"), "nowhere.tif"),
        (("-ns", "10", "-hws", "30"), "larger than im1.tif"),
        (("-ns", "100", "-hws", "6"), "no node inside"),
        ((*GRID, "-pf", "points.tsv"), "points.tsv"),
        (("-lab1", "small.tif"), "the label image does not fit the image (ZYX): small.tif"),
        (("-lab1", "float.tif"), "float.tif holds float32 voxels: labels are whole numbers"),
        (("-lab1", "negative.tif"), "negative.tif holds the label -3"),
        (("-lab1", "none.tif"), "none.tif holds no particle"),
        ((*LABELS, "-pf", "other.tsv"), "other.tsv has the label 99"),
        ((*LABELS, "-pf", "moved.tsv"), "moved.tsv has the particle 4 more than 1 voxel"),
        ((*LABELS, "-pf", "points.tsv"), "points.tsv holds 2 points that are no particles"),
        ((*LABELS, "-lvt", "-4"), "-lvt"),
    ],
)
def test_refused(words, told, capfd):
    before = {path.name for path in Path().iterdir()}
    assert (
        main("pixelSearch", ["im1.tif", "im2.tif", *words, *("-sr", *"-1 1 -1 1 -1 1".split()) * ("-sr" not in words)])
        == 2
    )
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("hpcdvc-pixelSearch: ")]
    assert len(said) == 1 and told in said[0]
    assert {path.name for path in Path().iterdir()} - before <= {"im1-im2-pixelSearch.parts"}


@pytest.mark.parametrize("second", ["small.tif", "flat.tif"])
def test_other_image(second, capfd):
    assert main("pixelSearch", ["im1.tif", second, *GRID]) == 2
    assert second in capfd.readouterr().err


def test_range_of_an_image_has_no_z(capfd):
    assert main("pixelSearch", ["flat.tif", "flat.tif", *GRID, "-sr", "-1", "1", "0", "0", "0", "0"]) == 2
    assert "the range of -sr in Z is 0 0" in capfd.readouterr().err


def test_result_that_is_there(capfd):
    words = ["im1.tif", "im2.tif", *GRID, "-sr", *"-3 4 -3 4 -3 4".split()]
    assert main("pixelSearch", words) == 0 and main("pixelSearch", words) == 2
    assert "exists" in capfd.readouterr().err
    assert main("pixelSearch", [*words, "--resume"]) == 0
    assert main("pixelSearch", [*words, "--resume", "-crit", "ncc"]) == 2


def test_what_does_not_go_with_particles_is_said(capfd):
    words = ["im1.tif", "im2.tif", *LABELS, *GRID, "-tif", "-sr", *"-1 1 -1 1 -1 1".split()]
    assert main("pixelSearch", words) in (0, 1)
    told = capfd.readouterr().err
    assert "-ns and -hws are ignored" in told and "-tif is ignored" in told


def test_advice_for_particles_is_of_their_dilation(capfd):
    """They have no windows that could be larger."""
    tifffile.imwrite("constant.tif", np.full(SHAPE, 7, "u1"))
    assert main("pixelSearch", ["im1.tif", "constant.tif", *LABELS]) == 1
    told = capfd.readouterr().out
    assert "larger -ld" in told and "-hws" not in told
