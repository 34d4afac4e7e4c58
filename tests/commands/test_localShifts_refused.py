"""hpcdvc-localShifts on images without a result, and on what it refuses: a status or a sentence, never a number."""

import re
from pathlib import Path

import numpy as np
import pytest
from reg_ends import own_folder
from stack_cases import INSIDE, RESULT, SHAPE, WINDOW, check_whole, measure, pair, save_pair

import hpcdvc
from hpcdvc.cli import main


@pytest.fixture(scope="module")
def stacks():
    return pair()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, stacks):
    for _ in own_folder(tmp_path, monkeypatch):
        save_pair(stacks)
        yield tmp_path


@pytest.mark.parametrize("what", ["constant", "unrelated", "nothing"])
def test_nothing_is_measured(what, stacks, capfd):
    other = {
        "constant": np.full(SHAPE, 700, "u2"),
        "unrelated": np.random.default_rng(1).integers(0, 60000, SHAPE).astype("u2"),
        "nothing": np.full(SHAPE, np.nan, "f4"),
    }[what]
    np.save("other.npy", other)
    for im1, im2 in (("im1.tif", "other.npy"), ("other.npy", "im2.tif")):
        line = [im1, im2, *WINDOW, "-pre", "P", "-q", "--force"]
        code = main("localShifts", line)
        result = hpcdvc.read(f"{RESULT}.hdf")
        check_whole(result)
        # windows of noise alone match by chance in one of a thousand at most
        assert result.measured.mean() < 0.005
        assert code == (1 if not result.measured.any() else 0)
        assert what != "nothing" or (result.return_status == -6).all()
    assert what == "unrelated" or "no window was found, most end with status" in capfd.readouterr().err


def test_dry_run(capfd):
    for more, what in (((), "2288 pixels of 44 x 52, 4 frames"), (("-ns", "4"), "120 nodes (10, 12) (YX), 4 frames")):
        assert main("localShifts", ["im1.tif", "im2.tif", *WINDOW, "--dry-run", *more]) == 0
        said = capfd.readouterr()
        assert what in said.out + said.err and "core time: " in said.out + said.err
    assert {path.name for path in Path().iterdir()} == {"im1.tif", "im2.tif"}


def test_motion_beyond_the_range():
    far = measure(window=("-hws", "3", "-sr", "0", "0", "-3", "0", "-3", "3"), code=1)
    check_whole(far)
    assert not far.measured.any() and (far.return_status[INSIDE] == -11).mean() > 0.5


@pytest.mark.parametrize(
    ("change", "words", "sentence"),
    [
        (lambda stack: stack[:3], (), "the stacks differ in number of frames: im1.tif has 4, other.npy has 3"),
        (
            lambda stack: stack[:, 1:],
            (),
            r"the stacks differ in size \(YX\): im1.tif has 44 x 52, other.npy has 43 x 52",
        ),
        (None, ("-hws", "22"), r"windows of 45 x 45 pixels \(-hws 22\) do not fit im1.tif, 44 x 52"),
        (None, ("-sr", *"0 0 40 50 0 0".split()), r"moved by 40 to 50 along y \(-sr\) leave im1.tif, of 44"),
        (None, ("-sr", *"1 1 0 0 0 0".split()), "-sr: images have no z"),
        (None, ("-mf1", "im2.tif"), "the mask im2.tif is 4 x 44 x 52: one image is needed, 44 x 52 pixels as im1.tif"),
        (None, ("-dim", "1", "-pm", "gn"), "-pm gn needs windows, -dim 2"),
        (None, ("-ns", "60"), "the node spacing of 60 in Y is not smaller than the image"),
        (None, ("-device", "cuda"), "device cuda"),
    ],
)
def test_refused(change, words, sentence, stacks, capfd):
    if words == ("-device", "cuda") and _has_card():
        pytest.skip("there is a graphics card here")
    if change:
        np.save("other.npy", change(stacks[1]))
    line = ["im1.tif", "other.npy" if change else "im2.tif", *WINDOW, "-pre", "P", *words]
    assert main("localShifts", line) == 2
    error = capfd.readouterr().err
    assert re.search(sentence, error) and error.count("\n") == 1, error
    assert not list(Path().glob("P-*"))


def _has_card() -> bool:
    try:
        import cupy

        return cupy.cuda.runtime.getDeviceCount() > 0
    except Exception:
        return False


@pytest.mark.parametrize(
    "words, sentence",
    [
        (("-mc", "0.9"), "-mc is ignored"),
        (("-convention", "algotom"), "-convention is ignored"),
        (("-convention", "algotom", "-tif", "-ns", "4"), "-convention is ignored"),
        (("-convention", "algotom", "-tif"), ""),
    ],
)
def test_what_changes_nothing_is_said(words, sentence, capfd):
    assert main("localShifts", ["im1.tif", "im2.tif", *WINDOW, *words, "-q"]) == 0
    said = capfd.readouterr().err
    assert sentence in said and bool(said) == bool(sentence)
