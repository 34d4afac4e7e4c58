"""hpcdvc-view as a command: what it refuses, what it serves, and that it writes nothing."""

import signal
import sys
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import tifffile
import view_cases as cases
from ldic_cases import save_pair
from reg_ends import is_one_sentence, own_folder
from running import BIN
from view_cases import GRID, RESULTS

from hpcdvc.cli import main
from hpcdvc.fields.status import Status
from hpcdvc.output import hdf5
from hpcdvc.pages.view_images import check_fit, given_images
from hpcdvc.workflows.view import COMMANDS, advice_of


@pytest.fixture
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


def save_grid(folder: Path) -> None:
    """A result without images."""
    rows = cases.rows_at(GRID.positions(), cases.FIELD)
    hdf5.write_field(folder / RESULTS["grid"], rows, 0, GRID, {"key": "0"})


def refused(capfd, words: list[str], *told: str) -> None:
    before = set(Path().rglob("*"))
    assert main("view", [*words, "--no-browser"]) == 2
    assert is_one_sentence(capfd.readouterr().err, *told) and set(Path().rglob("*")) == before


def test_refused(here, capfd):
    """One sentence, exit code 2, no file, no server."""
    save_grid(Path())
    save_pair()
    Path("text.hdf").write_text("no HDF5\n")
    Path("text.tsv").write_text("no table\n")
    Path("empty.parts").mkdir()
    Path("list.series").write_text('{"files": []}')
    cut = Path("cut.hdf")
    cut.write_bytes(Path(RESULTS["grid"]).read_bytes()[:9000])
    refused(capfd, ["missing.hdf"], "missing.hdf", "no such file")
    refused(capfd, ["text.hdf"], "text.hdf", "not an HDF5 file")
    refused(capfd, ["text.tsv"], "text.tsv")
    refused(capfd, ["cut.hdf"], "cut.hdf")
    refused(capfd, ["empty.hdf"], "empty.parts")
    refused(capfd, ["list.series"], "list.series")
    refused(capfd, ["im1.tif"], "im1.tif", ".hdf")
    refused(capfd, [RESULTS["grid"], "missing.hdf"], "missing.hdf")
    refused(capfd, [RESULTS["grid"], "--images", "im1.tif", "none.tif"], "none.tif")
    refused(capfd, [RESULTS["grid"], "--images", "im1.tif"], "--images")
    refused(capfd, [RESULTS["grid"], "--bind", "0.0.0.0"], "--bind")


def test_images_of_another_size(here, capfd):
    """Images and labels that a result cannot be of are refused; what does not tell its images is shown over any."""
    save_pair()
    rows = cases.rows_at(GRID.positions(), cases.FIELD)
    made_from = {"key": "0", "provenance": {"im1": {"name": "im1.tif", "shape": [9, 10, 11]}}}
    hdf5.write_field(Path("other.hdf"), rows, 0, GRID, made_from)
    refused(capfd, ["other.hdf", "--images", "im1.tif", "im2.tif"], "im1.tif", "other.hdf", "(9, 10, 11)")
    tifffile.imwrite("lab.tif", np.ones((3, 4, 5), "u1"), photometric="minisblack")
    refused(capfd, ["other.hdf", "--labels", "lab.tif"], "lab.tif", "other.hdf")
    save_grid(Path())
    check_fit(given_images(("im1.tif", "im2.tif"), 1, None)[0], RESULTS["grid"])


def test_served(here):
    """The page has the result at once; the command ends with 0 and has written nothing."""
    pytest.importorskip("tornado")
    from served import Served, Talk

    folder = Path.cwd()
    save_grid(folder)
    line = [sys.executable, str(BIN / "hpcdvc-view"), RESULTS["grid"], "--no-browser"]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with Served(line, env={"XDG_CACHE_HOME": str(folder / "cache")}, cwd=folder) as served:
        with Talk(served.port, served.token) as talk:
            state = talk.hear("hello")["state"]
            while not state["steps"]:
                state = talk.hear("state")["state"]
            assert state["steps"] == [RESULTS["grid"]] and state["paths"] == [str(folder / RESULTS["grid"])]
            told = talk.ask({"type": "step", "step": 0})
            assert {one["code"]: one["count"] for one in told["statuses"]} == cases.counts_of(folder / RESULTS["grid"])
            advice = {one["code"]: one["advice"] for one in told["statuses"]}
            assert advice[-1] == "larger -hws, or a better start with -pf"  # of the command that the name is of
        code, said = served.end(signal.SIGINT)
        assert code == 0 and "Traceback" not in said
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_advice_is_that_of_the_command():
    """Where a result does not say what to try, its name tells the command that does."""
    for end, command in COMMANDS.items():
        known = import_module(f"hpcdvc.workflows.{command}").ADVICE
        for code in Status:
            assert advice_of(f"out/im1-im2{end}.tsv", int(code)) == known.get(code, "")
    assert advice_of("out/table.tsv", -1) == ""
