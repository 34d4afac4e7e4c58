"""hpcdvc-labelField as a whole: every voxel has the value of its label, on any number of ranks, after a kill."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from label_cases import LABELS, SHAPE, balls, field_of, made_by_any_ranks, save_case
from reg_ends import check_end, files, own_folder
from search_cases import particles, save_pair, search_here, written

from hpcdvc.cli import main
from hpcdvc.fields.rows import some_rows
from hpcdvc.images import describe, open_volume
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import write_tsv
from hpcdvc.ranks.team import Team
from hpcdvc.workflows import labelField as workflow


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        yield tmp_path


def shown(column, *words):
    """The volume of a column of motion.tsv; overwrites."""
    assert main("labelField", ["lab.tif", "-pf", "motion.tsv", "-col", column, "--force", *map(str, words)]) == 0
    return tifffile.imread(f"motion-{column}.tif")


def painted(image, values):
    """Values by label over an image; NaN elsewhere."""
    expected = np.full(image.shape, np.nan, "f4")
    for label, value in values.items():
        expected[image == label] = value
    return expected


def same(one, other):
    return one.dtype == other.dtype and np.array_equal(one, other.reshape(one.shape), equal_nan=True)


@pytest.mark.parametrize("shape", [SHAPE, (1, *SHAPE[1:])])
def test_columns_of_a_table(shape):
    image, field = save_case(shape=shape)
    field.return_status[1] = -9
    write_tsv("motion.tsv", field)
    measured = np.where(field.measured, 1.0, np.nan)
    columns = {
        "Ydisp": field.phi[:, 1, 3] * measured,
        "Fyx": field.phi[:, 1, 2] * measured,
        "returnStatus": field.return_status,
        "zncc": field.extra["zncc"],
        "error": field.error,
        "Xpos": field.positions[:, 2],
    }
    for name, values in columns.items():
        wanted = {label: np.float32(f"{value:.9g}") for label, value in zip(LABELS, values, strict=True)}
        assert same(shown(name), painted(image, wanted)), name


def test_labels_without_a_row():
    image, field = save_case()
    image[image == 7] = 8
    tifffile.imwrite("lab.tif", image)
    field.return_status[2] = -1  # 7 is not measured, and may be missing
    write_tsv("motion.tsv", field)
    assert same(shown("iterations"), painted(image, {1: 4, 2: 4, 65000: 4}))


def test_correlation_by_the_name_in_tables_of_particles():
    image, field = save_case()
    field.extra["CC"] = np.linspace(0.8, 0.9, 4)
    write_tsv("motion.tsv", field)
    assert "\tPSCC\t" in Path("motion.tsv").read_text()
    wanted = dict(zip(LABELS, np.float32([f"{value:.9g}" for value in field.extra["CC"]]), strict=True))
    assert same(shown("PSCC"), painted(image, wanted))


def test_columns_of_a_result():
    """Also of those that no start needs: the peak beside the best of a search."""
    labels, im2, moves = particles()
    save_pair(im2=im2)
    tifffile.imwrite("lab.tif", labels)
    search_here("im1.tif", "im2.tif", "-lab1", "lab.tif", "-sr", *(-3, 3) * 3)
    field = read_field("im1-im2-pixelSearch.hdf")
    for name, values in (("Zdisp", field.phi[:, 0, 3]), ("secondCC", field.extra["second_CC"])):
        assert main("labelField", ["lab.tif", "-pf", "im1-im2-pixelSearch.hdf", "-col", name]) == 0
        image = tifffile.imread(f"im1-im2-pixelSearch-{name}.tif")
        assert same(image, painted(labels, dict(zip(moves, values, strict=True))))


def test_a_result_of_particles_is_a_start():
    labels, im2, moves = particles()
    save_pair(im2=im2)
    tifffile.imwrite("lab.tif", labels)
    words = ("im1.tif", "im2.tif", "-lab1", "lab.tif")
    search_here(*words, "-sr", *(-3, 3) * 3)
    search_here(*words, "-pf", "im1-im2-pixelSearch.hdf", "-sr", *(0, 0) * 3, "-pre", "again")
    again = read_field("again-pixelSearch.hdf")
    assert (again.displacement == list(moves.values())).all()


def test_unknown_columns_of_a_table():
    image, _ = save_case()
    lines = Path("motion.tsv").read_text().splitlines()
    extra = ["coordination", "3", "5", "nan", "7"]
    Path("motion.tsv").write_text("\n".join(f"{line}\t{word}" for line, word in zip(lines, extra, strict=True)))
    assert same(shown("coordination"), painted(image, {1: 3, 2: 5, 65000: 7}))


def test_the_same_bytes_on_any_number_of_ranks(run_command):
    image, _ = save_case("u4")
    made_by_any_ranks(run_command, "labelField", "zncc", "-col", "zncc")
    assert same(open_volume(describe("on3/motion-zncc.hdf")), shown("zncc").reshape(image.shape))


def test_left_on_request_and_resumed(monkeypatch):
    save_case()
    words = ["lab.tif", "-pf", "motion.tsv", "-col", "Zdisp"]
    assert main("labelField", [*words, "-od", "whole"]) == 0
    paint, made, team = workflow.paint, [], Team()

    def stopping(labels, known, values, first, last):
        made.append(first)
        team.stop_requested = len(made) == 2
        return paint(labels, known, values, first, last)

    with monkeypatch.context() as patch:
        patch.setattr(workflow, "paint", stopping)
        patch.setattr("hpcdvc.ranks.team.connect", lambda: team)
        assert main("labelField", [*words, "-od", "parts"]) == 75
        team.stop_requested = False
        assert main("labelField", [*words, "-od", "parts", "--resume"]) == 0
    assert made == [0, 8, 16, 24]
    assert written("parts", "Zdisp") == written("whole", "Zdisp")


@pytest.mark.parametrize(
    ("image", "words", "expected"),
    [
        (balls().astype("f4"), (), "lab.tif holds float32 voxels: labels are whole numbers"),
        (-balls("i4"), (), "lab.tif holds the label -65000: labels are positive"),
        (np.zeros(SHAPE, "u1"), (), "lab.tif holds no particle"),
        (balls()[:28, 3:, 2:], (), "has the particle 1 more than 1 voxel from where lab.tif has it"),
        (np.where(balls() == 7, 0, balls()), (), "has the label 7, and lab.tif has not"),
        (balls(), ("-col", "zdisp"), "motion.tsv has no column 'zdisp': it has Zpos, Ypos, Xpos, Fzz"),
        (balls(), ("-col", "a/b"), "-col 'a/b' cannot be the end of a file name"),
        (
            balls(),
            ("-pf", "grid.tsv"),
            "grid.tsv holds 4 points that are no particles: hpcdvc-passPhiField -lab1",
        ),
        (balls(), ("-pf", "reg.tsv"), "reg.tsv holds a registration: hpcdvc-passPhiField -lab1 takes it to them"),
    ],
)
def test_refused(image, words, expected, capfd):
    save_case()
    field = field_of(balls())
    field.extra = {}
    write_tsv("grid.tsv", field)
    write_tsv("reg.tsv", some_rows(field, np.array([0])))
    tifffile.imwrite("lab.tif", image, photometric="minisblack")
    before = files()
    given = ["lab.tif", "-pf", "motion.tsv", "-col", "Zdisp"]
    for flag, value in zip(words[::2], words[1::2], strict=True):
        given[given.index(flag) + 1] = value
    check_end(capfd, given, [expected], 2, "labelField")
    assert files() == before


def test_column_is_needed(capfd):
    save_case()
    check_end(capfd, ["lab.tif", "-pf", "motion.tsv"], ["missing: -col"], 2, "labelField")
