"""hpcdvc-ddic -sei --move-labels: labels that are moved along, each image measured against the one before."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ddic_cases import NUMBERS, after, at, ddic_here, eight, save_eight
from reg_ends import own_folder
from search_cases import written

from hpcdvc.cli import main
from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.labels.moved import MovedLabels, moved_labels
from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.output.hdf5 import read_field

IMAGES = ("im1", "im2", "im3", "im4")
STEPS = tuple(f"{im1}-{im2}-ddic" for im1, im2 in zip(IMAGES, IMAGES[1:], strict=False))
LINE = ("im1.tif", "lab.tif", "im2.tif", "im3.tif", "im4.tif", "-sei", "--move-labels")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with images, and what was measured in them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("increments"))
        save_eight()
        tifffile.imwrite("im4.tif", after(3).image(True), photometric="minisblack")
        ddic_here(*LINE)
        yield Path.cwd()


@pytest.fixture
def here(measured, tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        for name in (*IMAGES, "lab"):
            Path(f"{name}.tif").unlink(missing_ok=True)
            Path(f"{name}.tif").symlink_to(measured / f"{name}.tif")
        yield measured


def test_motion_of_each_step(measured):
    for k, step in enumerate(STEPS):
        field, truth = read_field(measured / f"{step}.hdf"), at(k)
        labels = tifffile.imread(measured / f"{STEPS[k - 1]}-labels.tif" if k else measured / "lab.tif")
        centre = [np.mean(np.nonzero(labels == number), axis=1) for number in NUMBERS[1:]]
        assert np.allclose(field.positions, centre) and (field.return_status == 2).all()
        phi = after(1).turns, truth.moves + ((after(1).turns - np.eye(3)) @ (centre - truth.centres)[..., None])[..., 0]
        assert np.abs(field.displacement - phi[1]).max() < 0.01
        turned = decompose_f(field.phi[:, :3, :3] @ np.swapaxes(phi[0], 1, 2)).r
        assert np.median(np.linalg.norm(turned, axis=1)) < 0.03


def test_labels_are_followed(measured):
    """By all steps as one: an image that is moved again and again has lost 0.7 voxel here."""
    labels = eight()[3]
    particles = scan_labels(labels)
    for k, step in enumerate(STEPS, 1):
        moved, gone = tifffile.imread(measured / f"{step}-labels.tif"), after(k)
        centres = centres_of(particles)
        exact = MovedLabels(labels, moved_labels(particles, gone.truth(centres), centres, 0, labels.shape))
        truth, _ = exact.planes(0, len(labels))
        assert moved.dtype == np.uint32 and moved.shape == truth.shape
        assert np.count_nonzero(moved != truth) < 0.002 * np.count_nonzero(truth) * k
        assert np.count_nonzero(labels != truth) > 0.3 * np.count_nonzero(truth)


def test_files(measured):
    ends = (".hdf", ".tsv", ".run.json", "-labels.tif", "-labels.run.json")
    expected = {step + end for step in STEPS for end in ends} | {"im1-series-ddic.hdf.series"}
    assert {path.name for path in measured.glob("*-*")} == expected
    names = [entry["name"] for entry in json.loads((measured / "im1-series-ddic.hdf.series").read_text())["files"]]
    assert names == [f"{step}.hdf" for step in STEPS]
    record = json.loads((measured / f"{STEPS[1]}-labels.run.json").read_text())
    assert record["labels"] == record["moved"] == 8


@pytest.mark.parametrize("ranks", [2, 3])
def test_any_number_of_ranks(here, run_command, ranks):
    done = run_command("ddic", *LINE, "-q", ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert written(".", "ddic") == written(here, "ddic")


class Killed(Exception):
    """The run dies."""


def test_killed_run_goes_on(here, run_command):
    planes, made = MovedLabels.planes, []

    def dies(self, first, last):
        if len(made) == 7:  # of the second image
            raise Killed
        made.append(first)
        return planes(self, first, last)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
        patched.setattr(MovedLabels, "planes", dies)
        ddic_here(*LINE)
    kept = [Path(f"{STEPS[0]}{end}").stat().st_mtime_ns for end in (".hdf", "-labels.tif")]
    assert Path(f"{STEPS[1]}.hdf").exists() and not Path(f"{STEPS[1]}-labels.tif").exists()
    done = run_command("ddic", *LINE, "--resume", ranks=2)
    assert done.returncode == 0, done.stderr
    assert [Path(f"{STEPS[0]}{end}").stat().st_mtime_ns for end in (".hdf", "-labels.tif")] == kept
    assert written(".", "ddic") == written(here, "ddic")
    assert main("ddic", list(LINE)) == 2


def test_labels_that_fail_are_left_out(here, capfd):
    im2 = tifffile.imread("im2.tif")
    box, _ = eight()[0].values(2, True)
    im2[box] = np.random.default_rng(1).normal(12000, 3000, im2[box].shape).astype("u2")
    tifffile.imwrite("gone.tif", im2, photometric="minisblack")
    assert main("ddic", ["im1.tif", "lab.tif", "gone.tif", "im3.tif", "-sei", "--move-labels"]) == 0
    first, second = (read_field(f"{name}-ddic.hdf") for name in ("im1-gone", "gone-im3"))
    failed = first.return_status != 2
    assert failed[2] and failed.sum() < 4
    assert f"{failed.sum()} labels are left out: {failed.sum()} whose row is not measured" in capfd.readouterr().err
    assert np.array_equal(second.extra["label"], first.extra["label"][~failed])
    assert np.array_equal(np.unique(tifffile.imread("im1-gone-ddic-labels.tif"))[1:], second.extra["label"])


def test_series_that_loses_all_labels_ends(here, capfd):
    noise = np.random.default_rng(1).normal(12000, 3000, eight()[1].shape).astype("u2")
    tifffile.imwrite("noise.tif", noise, photometric="minisblack")
    assert main("ddic", ["im1.tif", "lab.tif", "noise.tif", "im3.tif", "-sei", "--move-labels", "--no-search"]) == 1
    assert "no label has converged, so none can be moved" in capfd.readouterr().err
    assert Path("im1-noise-ddic.hdf").exists() and not list(Path().glob("noise-*"))


def test_labels_moved_by_one_step_as_by_the_command(here):
    ddic_here("im1.tif", "lab.tif", "im2.tif", "--move-labels", "-pre", "one")
    assert main("moveLabels", ["lab.tif", "-pf", "one-ddic.hdf"]) == 0
    moved = tifffile.imread("one-ddic-labels.tif")
    assert (moved == tifffile.imread("lab-displaced.tif")).all()
    assert (moved == tifffile.imread(here / f"{STEPS[0]}-labels.tif")).all()


def test_starts(here):
    """A start of the labels of the first image is one of the first step; a registration is one of every step."""
    ddic_here(*LINE, "-pf", here / f"{STEPS[0]}.hdf", "-od", "labels")
    ddic_here(*LINE, "--register", "-od", "first")
    for folder in ("labels", "first"):
        for step in STEPS:
            field, other = read_field(f"{folder}/{step}.hdf"), read_field(here / f"{step}.hdf")
            assert np.allclose(field.displacement, other.displacement, atol=2e-3)
