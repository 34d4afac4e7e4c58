"""hpcdvc-umpa refuses what it cannot use: one sentence that names it, exit code 2, no file."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from reg_ends import check_end, play_command
from umpa_cases import FRAMES, HEIGHT, WIDTH, save_scan, save_tomography


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The folder of what is refused: nothing is ever written there."""
    folder = tmp_path_factory.mktemp("refused")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        save_scan()
        save_tomography("scan.h5", 4, 2, frames=FRAMES)
        sam = tifffile.imread("sam.tif")
        for name, stack in {
            "few": sam[:-1],
            "small": sam[:, :-2],
            "one": sam[:1],
            "flats": np.full((1, HEIGHT, WIDTH), 500, "u2"),
            "darks": np.full((1, HEIGHT, WIDTH), 500, "u2"),
            "masks": np.ones((3, HEIGHT, WIDTH), "u1"),
            "tiny": sam[:, :6, :6],
        }.items():
            tifffile.imwrite(f"{name}.tif", stack, photometric="minisblack")
        Path("pos.txt").write_text("0 0\n" * 3)
        Path("half.txt").write_text("0 0.5\n" * FRAMES)
        with h5py.File("five.h5", "w") as file:
            file["ref"] = np.zeros((3, FRAMES, HEIGHT, WIDTH), "u2")
            file["five"] = np.zeros((1, 2, 3, HEIGHT, WIDTH), "u2")
            file["deep"] = np.zeros((2, 2, 3, HEIGHT, WIDTH), "u2")
    return folder


@pytest.fixture(autouse=True)
def here(case, monkeypatch):
    monkeypatch.chdir(case)
    play_command(monkeypatch, "umpa")


PAIR, SCAN = "ref.tif sam.tif", "scan.h5:/ref scan.h5:/sam"
REFUSED = {
    "ref.tif few.tif": (FRAMES, FRAMES - 1, "few.tif"),
    "ref.tif small.tif": (f"{HEIGHT} x {WIDTH}", f"{HEIGHT - 2} x {WIDTH}", "size"),
    "ref.tif one.tif": ("frames", FRAMES, 1),
    "one.tif sam.tif": ("frames", FRAMES, 1),
    "ref.tif none.tif": ("none.tif", "No such file"),
    "ref.tif scan.h5:/none": ("no dataset", "none"),
    "ref.tif five.h5:/deep": ("shape (2, 2, 3,",),
    "one.tif one.tif -df": ("-df", "two frames"),
    f"{PAIR} -df -steps 3": ("-df", "two frames"),
    f"{PAIR} -steps 0 9": ("-steps", "frame 9", "0 to 8"),
    f"{PAIR} -steps 1 1": ("-steps", "twice"),
    f"{PAIR} -steps -1": ("-steps", "at least 0"),
    f"{PAIR} -hws 30": ("61 x 61", "-hws 30", f"{HEIGHT} x {WIDTH}"),
    f"{PAIR} -sr 0 0 50 60 -3 3": ("-sr", "50", HEIGHT),
    f"{PAIR} -sr 19": ("7 pixels", "-19 to 19", "-sr", HEIGHT),
    f"{PAIR} -sr -3": ("-sr", "-3"),
    f"{PAIR} -sr 1 2": ("-sr", "2"),
    "tiny.tif tiny.tif -hws 3": ("7 x 7", "6 x 6"),
    f"{PAIR} --flats small.tif": ("small.tif", "size"),
    f"{PAIR} --flats flats.tif --darks darks.tif": ("flats.tif", "darks.tif", "brighter"),
    f"{PAIR} -mfs masks.tif": ("masks.tif", 3, FRAMES),
    f"{PAIR} -pos pos.txt": ("pos.txt", 3, FRAMES),
    f"{PAIR} -pos half.txt": ("half.txt", "line 1", "whole"),
    f"{PAIR} -pos sam.tif": ("sam.tif",),
    f"{PAIR} -mean local": ("-mean local", "-df"),
    f"{PAIR} -mean median": ("-mean", "global"),
    f"{PAIR} -win square": ("-win", "hamming"),
    f"{PAIR} -psize 5": ("-psize", "poly"),
    f"{PAIR} --pixel 1": ("--pixel", "-integrate"),
    f"{PAIR} -integrate --pixel 1 --energy 20": ("--distance",),
    f"{PAIR} -integrate -ns 5": ("-integrate", "-ns 1"),
    f"{PAIR} -blocks 0 1": ("-blocks", 2),
    f"{PAIR} -device cuda": ("cupy",),
    "scan.h5:/ref sam.tif": ("scan.h5:/ref has 2 stacks", "sam.tif 1"),
    "scan.h5:/ref scan.h5:/ref -blocks 0 2": ("-blocks", "below 2"),
    f"{SCAN} -blocks 1 2": ("-blocks", "begin with 0"),
    f"{SCAN} -blocks 0 4": ("-blocks", "below 4"),
    f"{SCAN} -ns 4": ("-ns 4", "4 projections"),
    "five.h5:/ref scan.h5:/sam": ("3 stacks", "4 projections", "-blocks"),
    f"{PAIR} -pre sam -od . -tif --force -mfs sam.tif -q -v": ("-q", "-v"),
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line, capfd):
    before = {path.name for path in Path().iterdir()}
    check_end(capfd, [*line.split(), *("-q",) * ("-q" not in line)], REFUSED[line], 2, "umpa")
    assert {path.name for path in Path().iterdir()} == before
