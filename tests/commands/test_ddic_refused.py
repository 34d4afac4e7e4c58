"""hpcdvc-ddic refuses what it cannot use: one sentence that names it, exit code 2, no file."""

import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ddic_cases import eight, save_eight
from reg_ends import own_folder

from hpcdvc.cli import main

MOVED = ("-sei", "--move-labels")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["hpcdvc-ddic"])
        save_eight()
        labels = eight()[3]
        for name, image in {
            "float": labels.astype("f4"),
            "negative": -labels.astype("i4"),
            "none": np.zeros_like(labels),
            "small": labels[:-1],
            "flat": labels[3],
        }.items():
            tifffile.imwrite(f"{name}.tif", image, photometric="minisblack")
        head = "Label\tZpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\n"
        Path("other.tsv").write_text(head + "99\t5\t5\t5\t0\t0\t0\n")
        Path("moved.tsv").write_text(head + "2\t1\t1\t1\t0\t0\t0\n")
        Path("points.tsv").write_text(head.replace("Label\t", "") + "5\t5\t5\t0\t0\t0\n9\t9\t5\t0\t0\t0\n")
        yield


@pytest.mark.parametrize(
    ("labels", "words", "told"),
    [
        ("float", (), "float.tif holds float32 voxels: labels are whole numbers"),
        ("negative", (), "labels are positive"),
        ("none", (), "none.tif holds no particle: it is 0 everywhere"),
        ("small", (), "the label image does not fit the image (ZYX): small.tif"),
        ("flat", (), "the label image does not fit the image (ZYX): flat.tif"),
        ("nowhere", (), "nowhere.tif"),
        ("lab", ("-pf", "other.tsv"), "other.tsv has the label 99"),
        ("lab", ("-pf", "moved.tsv"), "moved.tsv has the particle 2 more than 1 voxel"),
        ("lab", ("-pf", "points.tsv"), "points.tsv holds 2 points that are no labels"),
        ("lab", ("-pf", "points.tsv", "-skp"), "-skp completes a result of labels"),
        ("lab", ("-skp",), "-skp needs the earlier result"),
        ("lab", ("-pf", "moved.tsv", "-skp=a"), "-skp= takes return statuses"),
        ("lab", ("im3.tif", "-sei"), "-sei needs the labels of each image"),
        ("lab", ("im3.tif", *MOVED, "-pf", "moved.tsv", "--start-from", "file"), "-sei moves the labels"),
        ("lab", ("-pf", "moved.tsv", "--register"), "give only one of --register and -pf"),
        ("lab", ("-F", "some"), "-F must be"),
        ("lab", ("-vt", "-4"), "must be at least 0, not -4"),
        ("lab", ("-ld", "1000"), "-ld"),
    ],
)
def test_refused(labels, words, told, capfd):
    before = {path.name for path in Path().iterdir()}
    assert main("ddic", ["im1.tif", f"{labels}.tif", "im2.tif", *words]) == 2
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("hpcdvc-ddic: ")]
    assert len(said) == 1 and told in said[0]
    assert {path.name for path in Path().iterdir()} - before <= {"im1-im2-ddic.parts"}


def test_result_that_is_there(capfd):
    line = ["im1.tif", "lab.tif", "im2.tif"]
    assert main("ddic", line) == 0 and main("ddic", line) == 2
    assert "exists" in capfd.readouterr().err
    assert main("ddic", [*line, "--resume"]) == 0
    assert main("ddic", [*line, "--resume", "-ld", "2"]) == 2
    assert main("ddic", [*line, "--force", "-ld", "2"]) == 0
