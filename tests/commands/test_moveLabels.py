"""hpcdvc-moveLabels as a whole: against the peer and the truth, on any number of ranks, after a kill, on bad input."""

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile
from label_cases import LABELS, SHAPE, balls, field_of, made_by_any_ranks, moved_by_numpy, save_case
from reg_ends import check_end, files, own_folder
from search_cases import written

from hpcdvc.cli import main
from hpcdvc.images import describe, open_volume
from hpcdvc.output.tsv import read_tsv, write_tsv
from hpcdvc.ranks.team import Team
from hpcdvc.steps import moved_labels

RESULT = "lab-displaced.tif"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        yield tmp_path


def move(*words, code=0):
    """The moved labels; overwrites."""
    assert main("moveLabels", ["lab.tif", "-pf", "motion.tsv", "--force", *map(str, words)]) == code
    return tifffile.imread(RESULT)


def move_case(shared, name, *more):
    """Labels moved by the line of a recorded case, and its folder."""
    folder = shared / "oracle" / "spam" / name
    words = shlex.split((folder / "cmd.txt").read_text())[1:]
    words[0], words[2] = (str((folder / word).resolve()) for word in (words[0], words[2]))
    assert main("moveLabels", [*words[: words.index("-np")], *more]) == 0
    return tifffile.imread("grains1-lab-displaced.tif"), folder


def true_labels(folder, threshold):
    """The label image moved by the true motions."""
    labels = tifffile.imread(folder.parent / "_inputs/grains1-lab.tif")
    truth = json.loads((folder.parent / "_inputs/grains2.truth.json").read_text())
    columns = ([np.array(row[name]) for row in truth] for name in ("label", "Phi", "COM"))
    return moved_by_numpy(labels, *columns, threshold=threshold)[0]


def test_as_the_peer_about_centres_of_mass(shared):
    ours, folder = move_case(shared, "moveLabels")
    assert (ours == tifffile.imread(folder / "grains1-lab-displaced.tif")).all() and ours.dtype == np.uint16


def test_the_middles_of_boxes_where_the_peer_has_measured(shared):
    """Its own boxes are not about their middles: 1183 voxels of it are wrong."""
    ours, folder = move_case(shared, "moveLabels-bbcentre")
    theirs, truth = tifffile.imread(folder / "grains1-lab-displaced.tif"), true_labels(folder, 0.4)
    assert (theirs != truth).sum() == 1183
    assert (ours != truth).sum() == 280
    about_mass, _ = move_case(shared, "moveLabels-bbcentre", "-com", "--force")
    assert (about_mass != truth).sum() == 629


def test_as_the_truth_after_our_own_measurement(shared):
    """644 voxels of the peer's are elsewhere, 271 about the middles of its boxes."""
    inputs = shared / "oracle/spam/_inputs"
    images = [str(inputs / f"{name}.tif") for name in ("grains1", "grains1-lab", "grains2")]
    assert main("ddic", [*images, "-od", "."]) == 0
    assert main("moveLabels", [images[1], "-pf", "grains1-grains2-ddic.hdf", "-od", "."]) == 0
    moved, truth = tifffile.imread("grains1-lab-displaced.tif"), true_labels(inputs, 0.5)
    assert (moved != truth).sum() < 150


def test_dilated_where_the_peer_crashes(shared):
    ours, folder = move_case(shared, "moveLabels-ld")
    field = read_tsv(folder.parent / "ddic-grains/grains1-grains2-ddic.tsv")
    labels = tifffile.imread(folder.parent / "_inputs/grains1-lab.tif")
    boxes = [np.argwhere(labels == label) for label in field.extra["label"][1:]]
    middles = [(box.min(axis=0) + box.max(axis=0)) / 2 for box in boxes]
    assert (ours == moved_by_numpy(labels, field.extra["label"][1:], field.phi[1:], middles, 1)[0]).all()


@pytest.mark.parametrize("words", [(), ("-ld", 1, "-thr", 0.3), ("-ld", -1)])
@pytest.mark.parametrize("shape", [(30, 34, 38), (1, 34, 38)])
def test_our_fields_are_about_centres_of_mass(words, shape):
    image, field = save_case(shape=shape)
    given = dict(zip(map(str, words[::2]), words[1::2], strict=True))
    wanted, _ = moved_by_numpy(image, LABELS, field.phi, field.positions, given.get("-ld", 0), given.get("-thr", 0.5))
    moved = move(*words, "-lm", 1)
    assert (moved == wanted.reshape(moved.shape)).all() and (move(*words, "-com") == moved).all()


def test_binned_field():
    _, field = save_case()
    moved = move()
    field.positions, field.phi[:, :3, 3] = field.positions / 2, field.phi[:, :3, 3] / 2
    write_tsv("motion.tsv", field)
    assert np.count_nonzero(move("-pfb", 2) != moved) <= 1  # nine digits


def test_labels_that_are_left_out(capfd):
    _, field = save_case()
    field.return_status[1] = -1
    field.phi[2, :3, 3] = 200
    for name in ("positions", "phi", "return_status", "error", "iterations", "delta_phi_norm"):
        setattr(field, name, getattr(field, name)[:3])
    field.extra = {name: values[:3] for name, values in field.extra.items()}
    write_tsv("motion.tsv", field)
    assert set(np.unique(move())) == {0, 1}
    out, err = capfd.readouterr()
    assert "1 of 4 labels are moved" in out
    assert (
        "3 labels are left out: 1 whose row is not measured or below -rst, 1 without a row, 1 that leave the image"
        in err
    )
    assert set(np.unique(move("-rst", -1))) == {0, 1, 2}
    record = json.loads(Path("lab-displaced.run.json").read_text())
    assert (record["moved"], record["row_missing"], record["row_not_taken"], record["left_image"]) == (2, 1, 0, 1)


def test_an_image_without_labels_is_no_result(capfd):
    save_case()
    assert main("moveLabels", ["lab.tif", "-pf", "motion.tsv", "-ld", "-50", "-od", "out"]) == 1
    assert "out/lab-displaced.tif: no voxel has a label" in capfd.readouterr().err
    assert {path.name for path in Path("out").iterdir()} == {"lab-displaced.tif", "lab-displaced.run.json"}


def test_the_same_bytes_on_any_number_of_ranks(run_command):
    save_case("u4")
    made_by_any_ranks(run_command, "moveLabels", "displaced", "-ld", "1")
    info = describe("on2/lab-displaced.hdf")
    assert info.shape == SHAPE and (open_volume(info) == move("-ld", 1)).all()


def test_left_on_request_and_resumed(monkeypatch):
    save_case()
    words = ["lab.tif", "-pf", "motion.tsv"]
    assert main("moveLabels", [*words, "-od", "whole"]) == 0
    planes, made = moved_labels.MovedLabels.planes, []

    def stopping(labels, first, last):
        made.append(first)
        team.stop_requested = len(made) == 2
        return planes(labels, first, last)

    team = Team()
    with monkeypatch.context() as patch:
        patch.setattr(moved_labels.MovedLabels, "planes", stopping)
        patch.setattr("hpcdvc.ranks.team.connect", lambda: team)
        assert main("moveLabels", [*words, "-od", "parts"]) == 75
        team.stop_requested = False
        assert main("moveLabels", [*words, "-od", "parts", "--resume"]) == 0
    assert made == [0, 8, 16, 24]
    assert written("parts", "displaced") == written("whole", "displaced")
    assert main("moveLabels", [*words, "-od", "parts", "--resume", "-thr", "0.4"]) == 2


def save(name, image):
    tifffile.imwrite(name, image, photometric="minisblack")


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.ones((9, 9, 9), "f4"), "lab.tif holds float32 voxels: labels are whole numbers"),
        (np.full((9, 9, 9), -1, "i4"), "lab.tif holds the label -1: labels are positive"),
        (np.zeros((9, 9, 9), "u1"), "lab.tif holds no particle: it is 0 everywhere"),
        (balls()[:28, 3:, 2:], "has the particle 1 more than 1 voxel from where lab.tif has it"),
        (np.where(balls() == 7, 0, balls()), "has the label 7, and lab.tif has not"),
        (balls()[10], "was measured on volumes, and lab.tif is a 2-D image"),
    ],
)
def test_label_images_that_do_not_fit(image, expected, capfd):
    save_case()
    save("lab.tif", image)
    before = files()
    check_end(capfd, ["lab.tif", "-pf", "motion.tsv"], [expected], 2, "moveLabels")
    assert files() == before


def grid_field():
    field = field_of(balls())
    field.extra = {}
    return field


def unmeasured_field():
    field = field_of(balls())
    field.return_status[:] = -9
    return field


@pytest.mark.parametrize(
    ("field", "words", "expected"),
    [
        (grid_field, (), "motion.tsv holds 4 points that are no particles"),
        (unmeasured_field, (), "no row of motion.tsv is measured"),
        (unmeasured_field, ("-rst", 2), "no row of motion.tsv has a return status of at least -rst 2"),
        (None, ("-thr", 2), "-thr"),
        (None, ("-thr", 1), "-thr must be less than 1"),
        (None, ("-ld", 1000), "-ld"),
        (None, ("-pf", "nowhere.tsv"), "nowhere.tsv"),
        (None, ("-pre", "a/b"), "-pre"),
    ],
)
def test_refused(field, words, expected, capfd):
    save_case()
    if field:
        write_tsv("motion.tsv", field())
    before = files()
    check_end(capfd, ["lab.tif", "-pf", "motion.tsv", *words], [expected], 2, "moveLabels")
    assert files() == before


def test_field_is_needed(capfd):
    save_case()
    check_end(capfd, ["lab.tif"], ["missing: -pf"], 2, "moveLabels")


def test_dry_run(capfd):
    save_case()
    before = files()
    assert main("moveLabels", ["lab.tif", "-pf", "motion.tsv", "--dry-run"]) == 0
    assert files() == before and "4 slabs of 8 planes" in capfd.readouterr().out
