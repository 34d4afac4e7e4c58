"""hpcdvc-align refuses what it cannot use: one sentence that names it, exit code 2, no file."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
from align_cases import save_nxtomo, save_scan
from reg_ends import check_end, files, play_command

from hpcdvc.cli import main

VIEWS, SIZE, HEIGHT = 6, 14, 12


def changed(path: str, change) -> None:
    """A scan of which something is changed."""
    save_scan(path, VIEWS, SIZE, HEIGHT)
    with h5py.File(path, "r+") as file:
        change(file)


def set_pixel(value):
    def change(file):
        file["projections/2/diode"][3, 4] = value

    return change


def dark_view(file):
    file["projections/1/diode"][...] = 0


def without(name):
    def change(file):
        del file[name]

    return change


def sheared(file):
    file["projections/4/rotation_matrix"] = np.triu(np.ones((3, 3)))


def single(file):
    for view in range(1, VIEWS):
        del file[f"projections/{view}"]


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """The folder of what is refused: nothing is ever written there."""
    folder = tmp_path_factory.mktemp("refused")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        save_scan("scan.h5", VIEWS, SIZE, HEIGHT)
        save_scan("tilted.h5", VIEWS, SIZE, HEIGHT, tilted=True)
        save_nxtomo("noflat.nx", VIEWS, SIZE, HEIGHT, flats=0)
        data = Path("scan.h5").read_bytes()
        Path("short.h5").write_bytes(data[: len(data) // 2])
        Path("text.h5").write_text("no scan at all\n")
        Path("file").write_text("no folder\n")
        changed("nan.h5", set_pixel(np.nan))
        changed("inf.h5", set_pixel(np.inf))
        changed("dark.h5", dark_view)
        changed("nodiode.h5", without("projections/3/diode"))
        changed("noangle.h5", without("projections/3/inner_angle"))
        changed("sheared.h5", sheared)
        changed("none.h5", without("projections"))
        changed("single.h5", single)
        stack = np.random.default_rng(1).random((VIEWS, HEIGHT, SIZE)).astype("f4")
        np.save("stack.npy", stack)
        stack[2, 3, 4] = np.nan
        np.save("nan.npy", stack)
        np.save("flat.npy", np.ones((HEIGHT, SIZE + 1), "f4"))
        Path("angles.txt").write_text("".join(f"{30 * k}.5\n" for k in range(VIEWS)))
        Path("few.txt").write_text("0\n90\n")
        Path("words.txt").write_text("0\nninety\n" * (VIEWS // 2))
    return folder


@pytest.fixture(autouse=True)
def here(case, monkeypatch):
    monkeypatch.chdir(case)
    play_command(monkeypatch, "align")


REFUSED = {
    "no.h5": ("no.h5",),
    "short.h5": ("short.h5",),
    "text.h5": ("text.h5",),
    "none.h5": ("none.h5",),
    "single.h5": ("single.h5", "single view"),
    "nodiode.h5": ("view 3", "diode"),
    "noangle.h5": ("view 3", "angle", "matrix"),
    "sheared.h5": ("view 4", "no rotation"),
    "nan.h5": ("nan.h5", "view 2", "NaN"),
    "inf.h5": ("inf.h5", "view 2", "infinity"),
    "dark.h5": ("dark.h5", "view 1", "0"),
    "noflat.nx": ("noflat.nx", "flat"),
    "stack.npy": ("stack.npy", "-angles"),
    "stack.npy -angles few.txt": ("few.txt", 2, VIEWS),
    "stack.npy -angles words.txt": ("words.txt", "ninety"),
    "stack.npy -angles none.txt": ("none.txt",),
    "stack.npy -angles angles.txt -flat flat.npy": ("flat.npy", f"{HEIGHT} x {SIZE + 1}"),
    "nan.npy -angles angles.txt": ("nan.npy", "NaN"),
    "scan.h5 -ignore 0 1 2 3 4 5": ("ignore", "all"),
    "scan.h5 -ignore 6": ("ignore", 6),
    "scan.h5 -ignore -1": ("-ignore", "at least 0"),
    "scan.h5 -noj -nok": ("-noj", "-nok"),
    "scan.h5 -crop 3 3 0 5": ("-crop", 3),
    "scan.h5 -crop 0 15 0 5": ("crop", 15),
    "scan.h5 -us 0": ("-us", 0),
    "scan.h5 -us 1,x": ("-us", "'1,x'"),
    "scan.h5 -us 1,5,20 -met cc,gn": ("-met", 2, 3),
    "scan.h5 -bin 0": ("-bin", 0),
    "scan.h5 -maxiter -1": ("-maxiter", "at least 0"),
    "scan.h5 -sample 0": ("-sample", "greater than 0"),
    "scan.h5 -sample 1.5": ("-sample", "at most 1"),
    "scan.h5 -met best": ("-met", "'best'"),
    "scan.h5 -rec best": ("-rec", "'best'"),
    "scan.h5 -rec no_such_module:run": ("no_such_module",),
    "scan.h5 -rec os.path:no_such_function": ("no_such_function",),
    "scan.h5 -recKwargs {": ("-recKwargs", "JSON"),
    "scan.h5 -recKwargs [1]": ("-recKwargs", "JSON"),
    'scan.h5 -recKwargs {"maxiter":1e3}': ("maxiter", "mitra", "1000.0"),
    'scan.h5 --dry-run -recKwargs {"maxiter":10000000}': ("maxiter", "mitra"),
    "scan.h5 -rec json:dumps -bin 2,1": ("binning",),
    "scan.h5 -bin 32768,1": (f"{SIZE} x {HEIGHT}", 32768, "single pixel"),
    "tilted.h5 -rec fbp": ("fbp",),
    "tilted.h5 -mode slab": ("slab",),
    "scan.h5 -od file/in": ("file",),
    "scan.h5 -geo file": ("-geo", ".geo"),
    "scan.h5 -geo none/a.geo": ("-geo", "folder"),
    "scan.h5 -geo /proc/a.geo": ("/proc", "cannot be written"),
    "scan.h5 -data /projections/0/none -angles angles.txt": ("none",),
}


@pytest.mark.parametrize("line", REFUSED)
def test_refused(line, capfd):
    before = files()
    check_end(capfd, line.split(), REFUSED[line], 2, "align")
    assert files() == before


def test_words_of_a_function_are_its_own(capfd):
    """What hpcdvc makes of them otherwise, a number of steps, is not asked of them."""
    for number in ('"many"', "-3", "[1]", "1e99", 10**400):
        words = ["-rec", "json:dumps", "-recKwargs", f'{{"maxiter":{number}}}', "--dry-run"]
        assert main("align", ["scan.h5", *words]) == 0
        assert "core-hours" in capfd.readouterr().out


def test_a_result_does_not_replace_the_scan(capfd):
    """Nor does the geometry, whatever it is called."""
    save_scan("own-align.hdf", VIEWS, SIZE, HEIGHT)
    before = Path("own-align.hdf").read_bytes()
    check_end(capfd, ["own-align.hdf", "-pre", "own", "--force"], ["own-align.hdf", "replace"], 2, "align")
    assert Path("own-align.hdf").read_bytes() == before
    os.unlink("own-align.hdf")


def test_refused_on_two_ranks(run_command):
    """A view that only one of them reads: all leave, one says why."""
    before = files()
    done = run_command("align", "nan.h5", ranks=2)
    assert done.returncode == 2 and done.stderr.count("hpcdvc-align:") == 1 and "view 2" in done.stderr
    assert files() == before
