"""hpcdvc-ldic where no node converges: its last line says so, exit code 1, its files are there; and who counts."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import SHAPE, images, save_pair
from reg_ends import own_folder

from hpcdvc.cli import main
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field, read_metadata

WORDS = ["im1.tif", "im2.tif", "-ns", "12", "-hws", "5"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


def save_mask() -> None:
    mask = np.ones(SHAPE, "u1")
    mask[:, :, 24:] = 0
    tifffile.imwrite("mask.tif", mask)


@pytest.mark.parametrize("ranks", [None, 2])
def test_no_node_converges(run_command, ranks):
    save_pair(np.full(SHAPE, 7, "u1"), np.full(SHAPE, 7, "u1"))
    for more in ((), ("--resume",)):
        done = run_command("ldic", *WORDS, *more, ranks=ranks)
        assert done.returncode == 1
        said = [line for line in done.stderr.splitlines() if line.startswith("hpcdvc-ldic: ")]
        assert said == [
            line for line in said if "im1-im2-ldic.hdf: no node has converged, most end with status -2" in line
        ]
        assert len(said) == 1 and "wrote ./im1-im2-ldic.hdf" in done.stdout.replace("wrote im1", "wrote ./im1")
        assert "Traceback" not in done.stderr
    assert set(read_field("im1-im2-ldic.hdf").return_status) == {Status.SINGULAR, Status.FEW_VALID_VOXELS}
    assert Path("im1-im2-ldic.tsv").exists() and Path("im1-im2-ldic.run.json").exists()


def test_the_one_of_a_series_is_named(capfd):
    tifffile.imwrite("im3.tif", np.full(SHAPE, 7, "u2"))
    assert main("ldic", ["im1.tif", "im2.tif", "im3.tif", *WORDS[2:]]) == 1
    last = capfd.readouterr().err.splitlines()[-1]
    assert "im1-im3-ldic.hdf: no node has converged, most" in last and "im1-im2" not in last
    assert Path("im1-series-ldic.hdf.series").exists() and read_field("im1-im2-ldic.hdf").measured.any()


def test_a_node_that_converges_is_enough():
    im1, im2 = images()
    im2[:, :, 24:] = 7
    save_pair(im1, im2)
    assert main("ldic", WORDS) == 0


def test_percentages_are_of_the_specimen(capfd):
    """Half of the nodes are masked: the others are all. Some of these are at the border."""
    save_mask()
    assert main("ldic", [*WORDS, "-mf1", "mask.tif"]) == 0
    field = read_field("im1-im2-ldic.hdf")
    inside = int((field.return_status != Status.NO_SPECIMEN).sum())
    measured = int(field.measured.sum())
    assert 0 < measured < inside < len(field)
    lines = capfd.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines if line.lstrip().startswith(("2 ", "-5 "))] == [
        ["2", str(measured), f"{100 * measured / inside:.2f}"],
        ["-5", str(len(field) - inside), "-"],
    ]
    stored = read_metadata("im1-im2-ldic.hdf")["statuses"]
    assert stored["2"]["percent"] == pytest.approx(100 * measured / inside) and stored["-5"]["percent"] is None
    expected = {"all": len(field), "without_specimen": len(field) - inside, "measured": measured}
    assert json.loads(Path("im1-im2-ldic.run.json").read_text())["points"] == expected


def test_the_mask_before_grey_values_and_the_border():
    """-5 where the mask alone takes too much, or by the grey value; -6 where the border and what is NaN do."""
    save_mask()
    mask = tifffile.imread("mask.tif")
    im1, im2 = (image.astype("f4") for image in images())
    im1[:, :14] = np.nan
    save_pair(im1, im2)
    words = [*WORDS, "-mf1", "mask.tif", "-mc", "0.4"]
    assert main("ldic", words) == 0
    field = read_field("im1-im2-ldic.hdf")
    windows = [tuple(slice(int(x) - 5, int(x) + 6) for x in node) for node in field.positions]
    masked = np.array([np.count_nonzero(mask[window] == 0) for window in windows]) / 11**3
    valid = np.array([np.count_nonzero(mask[w] * np.isfinite(im1[w])) for w in windows]) / 11**3
    without, few = 1 - masked < 0.4, (1 - masked >= 0.4) & (valid < 0.4)
    assert without.any() and few.any() and (without & (valid < 0.4)).any()
    assert ((field.return_status == Status.NO_SPECIMEN) == without).all()
    assert ((field.return_status == Status.FEW_VALID_VOXELS) == few).all()
    assert main("ldic", [*words, "--force", "-ght", "1"]) == 1
    status = read_field("im1-im2-ldic.hdf").return_status
    assert (status == np.where(~without & (valid == 0), Status.FEW_VALID_VOXELS, Status.NO_SPECIMEN)).all()
