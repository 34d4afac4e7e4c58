"""An image that is written while it is measured: exit code 1 with its name, and no result."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from deform_cases import run_here as deform_here
from ldic_cases import run_here
from rank_scripts import finish, start
from reg_cases import run_here as register_here
from reg_ends import is_one_sentence
from search_cases import points_here, search_here, spread_here

from hpcdvc.errors import RunError, Unfinished, UserError
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.search import texture
from hpcdvc.steps import start as start_field

GRID = ("-hws", 5, "-ns", 6)


def points_of_small_blocks(*words):
    """Of several blocks: of one nothing is left to go on with."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(texture, "EDGE", 8)
        return points_here(*words)


COMMANDS = {
    "ldic": (run_here, ("im1.tif", "im2.tif", *GRID)),
    "reg": (register_here, ("im1.tif", "im2.tif", "-def")),
    "pixelSearch": (search_here, ("im1.tif", "im2.tif", *GRID, "-sr", *(-1, 1) * 3)),
    "pixelSearchPropagate": (spread_here, ("im1.tif", "im2.tif", *GRID, "-cct", 0, "-sp", 20, 20, 20, 0, 0, 0)),
    "guidingPoints": (points_of_small_blocks, ("im2.tif", "-hws", 3)),
    "deformImage": (deform_here, ("im1.tif", "-pf", "reg.tsv", "--residual", "im2.tif")),
}


pytestmark = pytest.mark.usefixtures("measured_folder")


def overwritten(name: str) -> None:
    """In place, by an image of the same size."""
    with open(name, "r+b") as file, open("im1.tif", "rb") as other:
        file.write(other.read())


def replaced(name: str) -> None:
    """By one of another type, which gets its name."""
    tifffile.imwrite("x.tif", tifffile.imread(name).astype("f4"))
    os.replace("x.tif", name)


def back_dated(name: str) -> None:
    """Overwritten, and the time set as it was."""
    before = os.stat(name)
    overwritten(name)
    os.utime(name, ns=(before.st_atime_ns, before.st_mtime_ns))


def touched(name: str) -> None:
    """A few bytes that no sample shows would leave no other trace than the time."""
    os.utime(name, ns=(0, os.stat(name).st_mtime_ns + 1))


def during(monkeypatch, change, *words) -> None:
    """Let something happen once, when the first rows are kept."""
    append, left = Checkpoint.append, [words]

    def changing(self, rows):
        append(self, rows)
        if left:
            change(*left.pop())

    monkeypatch.setattr(Checkpoint, "append", changing)


def results() -> list[str]:
    return [name for name in os.listdir("o") if not name.endswith((".parts", ".tmp"))]


@pytest.mark.parametrize("change", [overwritten, replaced, back_dated, touched, os.unlink])
@pytest.mark.parametrize("command", COMMANDS)
def test_changed_image(monkeypatch, command, change):
    run_it, words = COMMANDS[command]
    during(monkeypatch, change, "im2.tif")
    with pytest.raises(RunError, match=r"^im2\.tif (changed during|has gone or cannot be read any more)"):
        run_it(*words, "-od", "o")
    assert results() == []
    if change in (overwritten, back_dated):
        with pytest.raises(UserError, match="other parameters .*other contents|was measured with other"):
            run_it(*words, "-od", "o", "--resume")


def test_mask_that_changes(monkeypatch):
    tifffile.imwrite("mask.tif", np.ones(tifffile.imread("im1.tif").shape, "u1"))
    during(monkeypatch, touched, "mask.tif")
    with pytest.raises(RunError, match=r"^mask\.tif changed during the run"):
        run_here(*COMMANDS["ldic"][1], "-mf1", "mask.tif", "-od", "o")


@pytest.mark.parametrize("change", [overwritten, back_dated, touched, os.unlink])
@pytest.mark.parametrize("command", ["ldic", "deformImage"])
def test_table_that_changes(monkeypatch, command, change):
    """It is read before anything is measured, and said in the result to be what the start was."""
    run_it, words = COMMANDS[command]
    with monkeypatch.context() as patched:
        during(patched, change, "reg.tsv")
        with pytest.raises(RunError, match=r"^reg\.tsv (changed during the run: .* two tables,|has gone or cannot be)"):
            run_it(*words, "-pf", "reg.tsv", "-od", "o")
    assert results() == []
    if change is touched:
        run_it(*words, "-pf", "reg.tsv", "-od", "o", "--resume")


def test_table_that_is_written_after_it_was_read(monkeypatch):
    def reading(path):
        field = read(path)
        back_dated("reg.tsv")
        return field

    read = start_field.read_tsv
    monkeypatch.setattr(start_field, "read_tsv", reading)
    with pytest.raises(RunError, match=r"^reg\.tsv changed during the run"):
        run_here(*COMMANDS["ldic"][1], "-pf", "reg.tsv", "-od", "o")
    assert results() == []


def test_images_that_cannot_be_told_apart(monkeypatch):
    """Of one name and with the same voxels: each is looked after."""
    for name in "ab":
        os.mkdir(name)
        shutil.copy("im1.tif", f"{name}/im.tif")
    for name in "ab":
        with monkeypatch.context() as patched:
            during(patched, touched, f"{name}/im.tif")
            with pytest.raises(RunError, match=rf"^{name}/im\.tif changed during the run"):
                run_here("a/im.tif", "b/im.tif", *GRID, "-od", "o", "--force")


def test_slice_that_changes(monkeypatch):
    os.mkdir("slices")
    for z, plane in enumerate(tifffile.imread("im2.tif")):
        tifffile.imwrite(f"slices/{z:03}.tif", plane)
    during(monkeypatch, touched, "slices/017.tif")
    with pytest.raises(RunError, match=r"^slices changed during the run"):
        run_here("im1.tif", "slices", *GRID, "-od", "o")


def test_step_whose_image_changes_before_its_turn(monkeypatch):
    """What the file says that it was made from is what was measured; the steps before stay."""
    os.link("im2.tif", "im3.tif")
    tifffile.imwrite("im4.tif", tifffile.imread("im2.tif"))
    during(monkeypatch, replaced, "im4.tif")
    with pytest.raises(RunError, match=r"^im4\.tif changed during the run"):
        run_here("im1.tif", "im3.tif", "im4.tif", *GRID, "-od", "o", "-notsv")
    assert sorted(results()) == ["im1-im3-ldic.hdf", "im1-im3-ldic.run.json"]


def test_changed_image_of_a_run_that_was_asked_to_leave(monkeypatch):
    def leave():
        overwritten("im2.tif")
        raise Unfinished("left")

    during(monkeypatch, leave)
    with pytest.raises(Unfinished):
        run_here(*COMMANDS["ldic"][1], "-od", "o")
    with pytest.raises(UserError, match=r"im2 has other contents"):
        run_here(*COMMANDS["ldic"][1], "-od", "o", "--resume")


@pytest.mark.parametrize("command", COMMANDS)
def test_image_written_since_the_run_began(monkeypatch, caplog, command):
    """Samples of large images miss small changes: --resume says that there may be one, each time, until --force."""
    run_it, words = COMMANDS[command]
    monkeypatch.setattr(logging.getLogger("hpcdvc"), "propagate", True)

    def leave():
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        during(patched, leave)
        with pytest.raises(KeyboardInterrupt):
            run_it(*words, "-od", "o")
    run_it(*words, "-od", "o", "--resume", "--dry-run")
    assert "written after" not in caplog.text
    touched("im2.tif")
    for _ in range(2):
        caplog.clear()
        with monkeypatch.context() as patched:
            during(patched, leave)
            with pytest.raises(KeyboardInterrupt):
                run_it(*words, "-od", "o", "--resume")
        assert caplog.text.count("(im2.tif) was written after o/") == 1 and "--force starts anew" in caplog.text
    caplog.clear()
    run_it(*words, "-od", "o", "--force")
    assert "written after" not in caplog.text


#: hpcdvc-ldic that truncates im2.tif when the first points are measured.
TRUNCATES = """
import os
from hpcdvc import cli
from hpcdvc.ranks.launch import launched_rank
from hpcdvc.runs.checkpoint import Checkpoint
append = Checkpoint.append
def truncate(*words):
    append(*words)
    if launched_rank() == 0:
        os.truncate("im2.tif", 3000)
Checkpoint.append = truncate
raise SystemExit(cli.main("ldic"))
"""


@pytest.mark.parametrize("ranks", [None, 2, 3])
def test_truncated_image(ranks):
    """Its pages are gone: no exception tells that, a signal ends the process."""
    Path("hpcdvc-ldic").write_text(TRUNCATES)
    code, stdout, stderr = finish(start("hpcdvc-ldic", "im1.tif", "im2.tif", *GRID, "-od", "o", "-q", ranks=ranks))
    assert (code, stdout) == (1, "")
    stderr = "".join(line for line in stderr.splitlines(True) if "MPI_Abort" not in line)
    assert is_one_sentence(stderr, "hpcdvc-ldic: im2.tif c", " during the run"), stderr
    assert [name for name in results() if not name.endswith(".lock")] == []
