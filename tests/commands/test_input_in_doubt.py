"""Input of which a part is missing or in doubt is refused before anything is computed, by all commands and ranks."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from ldic_cases import images, run_here, same_rows, save_pair
from reg_ends import check_end, is_one_sentence, play_command

from hpcdvc.cli import main
from hpcdvc.output.hdf5 import read_field

GRID = ("-ns", 10, "-hws", 5)
#: Displacement ZYX of all reports.
MOTION = (0.7, -1.3, 2.4)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "ldic")


def slices(name: str, numbers: list[int]) -> None:
    os.mkdir(name)
    for k, page in zip(numbers, images()[1], strict=True):
        tifffile.imwrite(f"{name}/slice_{k}.tif", page)


def partly_written() -> str:
    with h5py.File("part.h5", "w") as file:
        file.create_dataset("d", images()[1].shape, "u2", chunks=(2, 40, 49))[:10] = images()[1][:10]
    return "part.h5"


def with_gap() -> str:
    slices("gap", [*range(20), *range(21, 39)])
    return "gap"


def linked() -> str:
    with h5py.File("master.h5", "w") as file:
        file["d"] = h5py.ExternalLink("gone.h5", "/d")
    return "master.h5:/d"


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
@pytest.mark.parametrize(
    ("make", "words"),
    [
        (partly_written, "part.h5 is not whole: only 5 of the 19 chunks of /d in part.h5 were ever written"),
        (with_gap, "slice_20.tif is missing in gap: --every-slice takes all"),
        (linked, "a link to gone.h5:/d, which is not there"),
    ],
    ids=["chunks", "slices", "link"],
)
def test_all_commands_refuse(run_command, capfd, make, words, dry):
    save_pair()
    doubtful = make()
    before = sorted(os.listdir())
    ended = run_command("ldic", "im1.tif", doubtful, *GRID, *dry, ranks=2)
    assert ended.returncode == 2
    assert is_one_sentence(ended.stderr, words), ended.stderr
    check_end(capfd, ("im1.tif", doubtful, *dry), (words,), 2, "reg")
    check_end(capfd, (doubtful, "-pf", "none.tsv", *dry), (words,), 2, "deformImage")
    assert sorted(os.listdir()) == before


def test_slices_that_are_wanted_as_they_are(caplog):
    save_pair()
    slices("gap", [*range(20), *range(21, 39)])
    slices("long", list(range(38)))
    expected = read_field(run_here("im1.tif", "im2.tif", *GRID)[0])
    assert same_rows(read_field(run_here("im1.tif", "long", *GRID)[0]), expected)
    assert same_rows(read_field(run_here("im1.tif", "gap", *GRID, "--every-slice")[0]), expected)
    paths = run_here("im1.tif", "gap", "long", *GRID, "--every-slice", "-od", "series")
    assert paths[-1] == "series/im1-series-ldic.hdf.series"


def test_what_is_done_is_said_once(run_command):
    im1, im2 = (image // 256 for image in images())
    save_pair(im1.astype("u1"), im2.astype("u1"))
    tifffile.imwrite("im2.tif", im2.astype("u1"), photometric="miniswhite")
    ended = run_command("ldic", "im1.tif", "im2.tif", *GRID, "--dry-run", ranks=2)
    assert ended.returncode == 0
    assert ended.stderr.count("im2.tif: white is stored as 0") == 1
    assert "im1.tif:" not in ended.stderr


def test_results_never_replace_a_source():
    """Files behind a link are input as well."""
    save_pair()
    with h5py.File("im1-x-ldic.hdf", "w") as file:
        file["d"] = images()[1]
    with h5py.File("x.h5", "w") as file:
        file["d"] = h5py.ExternalLink("im1-x-ldic.hdf", "/d")
    with pytest.raises(ValueError, match=r"would replace .*im1-x-ldic\.hdf, from which it is made"):
        run_here("im1.tif", "x.h5:/d", *GRID, "--force", "-pre", "im1-x")


@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["run", "dry run"])
def test_names_that_are_too_long(run_command, capfd, dry):
    save_pair()
    longest = os.pathconf(".", "PC_NAME_MAX")
    long = "y" * (longest - len(".tif"))
    os.rename("im1.tif", f"{long}.tif")
    ended = run_command("ldic", f"{long}.tif", "im2.tif", *GRID, "-od", "out", *dry, ranks=2)
    assert ended.returncode == 2 and is_one_sentence(ended.stderr, "name of a result is too long", "-pre"), ended.stderr
    assert not os.path.exists("out")
    for command, words in (("reg", ()), ("reg", ("-def", "-g")), ("ldic", (*GRID, "-tif"))):
        line = ("im2.tif", "im2.tif", *words, "-pre", "y" * (longest - 20), *dry)
        check_end(capfd, line, ("name of a result is too long",), 2, command)


def test_longest_names_that_do():
    """One byte more is refused, one less leaves all that was asked for."""
    save_pair()
    room = os.pathconf(".", "PC_NAME_MAX") - len("-ldic-returnStatus.tif.0123456789abcdef.tmp")
    for length, code in ((room + 1, 2), (room, 0)):
        words = ("im1.tif", "im2.tif", *map(str, GRID), "-tif", "-vtk", "-od", "o", "-pre", "y" * length)
        assert main("ldic", [*words]) == code
    assert len(list(Path("o").glob("*"))) > 8


def test_name_of_a_series_that_is_too_long():
    save_pair()
    for name in ("a", "b"):
        os.link("im2.tif", f"{name}.tif")
    length = os.pathconf(".", "PC_NAME_MAX") - len("-ldic.hdf.series.0123456789abcdef.tmp") + 1
    words = ("im1.tif", "a.tif", "b.tif", *map(str, GRID), "-od", "o", "--dry-run", "-pre")
    assert main("ldic", [*words, "y" * length]) == 2
    assert main("ldic", [*words, "y" * (length - 1)]) == 0


REFUSED = {
    "hdf5-partly-written": ("part_a.h5", "part_b.h5", "only 12 of the 24 chunks"),
    "hdf5-virtual-dataset-source-missing": ("vds_a.h5", "vds_b.h5", "is not whole, a virtual dataset", "missing"),
    "slices-missing-number": ("a", "b", "slice_0005.tif, slice_0018.tif are missing in"),
}
MEASURED = {
    "hdf5-external-link": [
        *((f"{name}_a.nxs:/entry/data/data", f"{name}_b.nxs:/entry/data/data") for name in ("master", "plain", "gzip")),
        ("nexus_a.nxs", "nexus_b.nxs"),
    ],
    "slices-numbers-without-zeros": [("a", "b")],
    "tiff-micromanager-stack": [("a_MMStack_Pos0.tif", "b_MMStack_Pos0.tif")],
}


def report(shared, name: str) -> Path:
    folder = shared / "oracle" / "reports" / name
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    return folder


@pytest.mark.parametrize("name", REFUSED)
def test_reports_that_are_refused(shared, name, capfd):
    first, second, *words = REFUSED[name]
    folder = report(shared, name)
    pair = (str(folder / first), str(folder / second))
    check_end(capfd, (*pair, "-ns", 6, "-hws", 5, "-od", "out", "--dry-run"), words, 2, "ldic")


@pytest.mark.parametrize("name", MEASURED)
def test_reports_that_are_measured(shared, name):
    folder = report(shared, name)
    for number, (first, second) in enumerate(MEASURED[name]):
        words = (str(folder / first), str(folder / second), "-ns", 6, "-hws", 5, "-od", f"out{number}")
        field = read_field(run_here(*words)[0])
        assert (field.positions[~field.measured, 1:] == 30).all(), "only windows along one edge leave im2"
        assert np.abs(field.displacement - MOTION)[field.measured].max() < 0.1
