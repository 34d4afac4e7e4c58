"""hpcdvc-report on results of hpcdvc-mmr and hpcdvc-align, which hold more than values of voxels."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from align_cases import save_scan
from mmr_cases import flat_images
from reg_ends import own_folder
from tifffile import imwrite

from hpcdvc.cli import main
from hpcdvc.pages.figures import pictures_of
from hpcdvc.pages.report import write_report
from hpcdvc.pages.result_file import open_result


@pytest.fixture
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


def told(result: str) -> tuple[dict, dict, set[str]]:
    """What the report of a result says, its numbers by column, and the names of its pictures."""
    write_report(result, "a.html")
    with open_result(result) as opened:
        names = {one.name for one in pictures_of(opened, "not here")}
    facts = json.loads(Path("a.json").read_text())
    return facts, {one["column"]: one for one in facts["numbers"]}, names


def test_series_of_shifts(here):
    """Pairs stand at one place: they are drawn by their number, and have no residual together."""
    for name, shift in (("a.tif", 0), ("b.tif", 2), ("c.tif", 3)):
        imwrite(name, np.roll(flat_images()[0], shift, 1), photometric="minisblack")
    assert main("shift", "a.tif b.tif c.tif -pre P -q".split()) == 0
    facts, numbers, names = told("P-shift.hdf")
    assert facts["residual"] == "the result holds 2 pairs of images"
    assert numbers["displacement x"]["greatest"] == pytest.approx(3, abs=0.1)
    assert "steps" in names and not {"displacement", "returnStatus"} & names
    assert main("shift", "a.tif b.tif -pre one -q".split()) == 0
    assert told("one-shift.hdf")[0]["residual"]["rms_after"] < told("one-shift.hdf")[0]["residual"]["rms_before"] / 2


def test_modal(here):
    """The displacement, its standard deviation, the unit of the residual, and the pictures to look at."""
    images = (r"$\foo$.tif", "im2.tif")  # to matplotlib a formula, and a wrong one
    for name, image in zip(images, flat_images(), strict=True):
        imwrite(name, image, photometric="minisblack")
    assert main("mmr", [*images, *"-ph 2 -pre P -q".split()]) == 0
    _, numbers, names = told("P-mmr.hdf")
    with h5py.File("P-mmr.hdf") as file:
        phi, std = file["hpcdvc/Phi"][...], file["hpcdvc/Phi_std"][...]
    for k, axis in enumerate("zyx"):
        assert numbers[f"displacement {axis}"]["mean"] == pytest.approx(phi[k, 3], rel=1e-5, abs=1e-9)
    assert numbers["displacement_std x"]["mean"] == pytest.approx(std[2, 3], rel=1e-5)
    assert numbers["F yx"]["mean"] == pytest.approx(phi[1, 2], rel=1e-5)
    assert numbers["residual"]["unit"] == "standard deviation"
    assert {"histogram", "phases", "checkerboard", "iterations", "residual"} <= names


def test_alignment(here):
    """How the views ended, their offsets, and the picture of both."""
    save_scan("scan.h5", 9, 12, 10)
    assert main("align", ["scan.h5", "-pre", "P", "-maxiter", "2", "-q"]) in (0, 1)
    facts, numbers, names = told("P-align.hdf")
    with h5py.File("P-align.hdf") as file:
        offsets, status = file["hpcdvc/history/offsets"][-1], file["hpcdvc/views/returnStatus"][...]
    assert {int(code): one["count"] for code, one in facts["statuses"].items()} == {
        code: np.count_nonzero(status == code) for code in set(status.tolist())
    }
    for axis, values in zip("jk", offsets, strict=True):
        one = numbers[f"offset {axis}"]
        assert (one["points"], one["unit"]) == (9, "pixel")
        assert (one["least"], one["greatest"]) == pytest.approx((values.min(), values.max()), rel=1e-5)
    assert {"alignment", "iterations", "reconstruction"} <= names
