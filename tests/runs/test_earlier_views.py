"""What an earlier run has left beside a result that is new is named: nobody shall take it for a view of this one."""

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from ldic_cases import save_pair
from reg_ends import play_command

from hpcdvc.cli import main
from hpcdvc.runs.earlier_views import name_earlier_views

LINE = ["im1.tif", "im2.tif", "-ns", "12", "-hws", "5", "-so", "1"]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pair()
    play_command(monkeypatch, "ldic")


def warned(capfd, command, *words):
    """The warning about earlier views of a run; "" where there is none."""
    capfd.readouterr()
    assert main(command, [str(word) for word in words]) == 0
    said = [line for line in capfd.readouterr().err.splitlines() if "of an earlier result" in line]
    assert len(said) < 2
    return said[0] if said else ""


def test_views_of_the_run_before(capfd):
    assert not warned(capfd, "ldic", *LINE, "-vtk", "-tif")
    Path("im1-im2-ldic-report.html").write_text("of the first run")
    before = Path("im1-im2-ldic.vtk").read_bytes()
    said = warned(capfd, "ldic", *LINE, "-dp", 0.01, "--force")
    names = sorted(str(path) for path in Path().glob("im1-im2-ldic[-.]*"))
    stale = [name for name in names if name.endswith((".vtk", ".tif", "-report.html"))]
    assert len(stale) > 6 and f"{', '.join(stale[:4])} and {len(stale) - 4} more are of an earlier result" in said
    assert "not of im1-im2-ldic.hdf" in said and ".tsv" not in said and ".run.json" not in said
    assert Path("im1-im2-ldic.vtk").read_bytes() == before
    assert "im1-im2-ldic-report.html is of" in warned(capfd, "ldic", *LINE, "--force", "-vtk", "-tif")
    # what is there already is completed: the views beside it are of it
    assert not warned(capfd, "ldic", *LINE, "--resume")


def test_one_view_and_strangers(capfd):
    Path("im1-im2-ldic.vti").write_text("of something before")
    for name in ("im1-im2-ldic-notes.txt", "im1-im2-ldic2.vtk", "im1-im2.vtk"):
        Path(name).write_text("no view")
    os.mkdir("im1-im2-ldic-zncc.tif")
    said = warned(capfd, "ldic", *LINE)
    assert said.endswith(": im1-im2-ldic.vti is of an earlier result, and not of im1-im2-ldic.hdf"), said


def test_reports_that_are_still_to_be_made(caplog):
    done = SimpleNamespace(path="im1-im2-ldic.hdf", view_paths=list)
    job = SimpleNamespace(stem="im1-im2-ldic", files=(done,), paths=[done.path], done=False)
    Path("im1-im2-ldic-report.html").write_text("of the run before")
    for with_report, count in ((True, 0), (False, 1)):
        name_earlier_views([job], with_report)
        assert len(caplog.records) == count


def test_images_of_the_other_format(capfd):
    warned(capfd, "reg", "im1.tif", "im2.tif", "-pre", "motion", "-j")
    words = ("im1.tif", "-pf", "motion-registration.tsv")
    assert not warned(capfd, "deformImage", *words, "--coverage")
    said = warned(capfd, "deformImage", *words, "--format", "hdf")
    (stem,) = (path.stem for path in Path().glob("im1-*.hdf"))
    assert f"{stem}-coverage.tif, {stem}.tif are of an earlier result, and not of {stem}.hdf" in said
    said = warned(capfd, "reg", "im1.tif", "im2.tif", "-pre", "motion", "--force")
    assert ": motion-registration-iterations.npy is of an earlier result" in said


def test_mask_of_a_series_says_whose_it_is(capfd):
    shutil.copy("im2.tif", "im3.tif")
    shutil.copy("im1.tif", "mask.tif")
    capfd.readouterr()
    words = ["im1.tif", "im2.tif", "im3.tif", *LINE[2:], "-mf1", "mask.tif", "--dry-run"]
    for more, told in (([], False), (["-sei"], True)):
        assert main("ldic", words + more) == 0
        said = capfd.readouterr().err
        assert ("mask.tif is the mask of im1.tif: with -sei it is taken at the same voxels of im2.tif" in said) == told
    assert main("shift", [*words[:3], "-sei", "-mf1", "mask.tif", "-mf2", "mask.tif", "--dry-run"]) == 0
    said = capfd.readouterr().err
    assert "-mf1: mask.tif is the mask of im1.tif: with -sei it is taken at the same voxels of im2.tif" in said
    assert "-mf2: mask.tif is the mask of im2.tif: with -sei it is taken at the same voxels of im3.tif" in said
    assert main("ldic", ["im1.tif", "im2.tif", *LINE[2:], "-sei", "-mf1", "mask.tif", "--dry-run"]) == 0
    assert "-sei" not in capfd.readouterr().err
