"""What hpcdvc-reg advises after a failure, tried on the case it is said for."""

from pathlib import Path

import numpy as np
import pytest
from ldic_cases import FIELD, save_pair, save_registration
from reg_cases import CENTRE, SHAPE
from reg_ends import PAIR, own_folder
from synthetic import Affine, lattice_texture, pair, rotation, translation

from hpcdvc.cli import main

TENSILE = [str(Path(__file__).parents[1] / "data" / f"tensile_{number}.tif") for number in (151, 170)]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@pytest.fixture
def reg(capfd):
    """reg(*words): exit code, and what follows "try" in the last line."""

    def run(*words):
        capfd.readouterr()
        code = main("reg", [*map(str, words), "-q", "-od", "."])
        lines = capfd.readouterr().err.splitlines()
        return code, lines[-1].partition("; try ")[2] if code else ""

    return run


def save_moved(field: Affine) -> None:
    save_pair(*pair(lattice_texture(1), SHAPE, field))


@pytest.mark.parametrize("what", ["turned", "shifted", "bar"])
def test_motion_too_large(what, reg):
    """The advice is a start by -pf or --auto, or coarser copies where the image is large enough for these."""
    images = TENSILE if what == "bar" else PAIR
    if what == "turned":
        save_moved(Affine(rotation(30, CENTRE).F, np.array([4.0, -3.0, 5.0]), CENTRE))
    elif what == "shifted":
        save_moved(translation((14, -14, 14)))
    assert reg(*images) == (1, "a start with -pf or --auto, or a larger -bb")
    assert reg(*images, "--auto", "-pre", "auto") == (0, "")
    assert reg(*images, "-pf", "auto-registration.tsv") == (0, "")
    if what == "bar":
        assert reg(*images, "-bb", 8, "-pre", "coarse") == (0, "")


@pytest.mark.parametrize(("words", "better"), [(("-it", 1), ("-it", 20)), (("-dp", 1e-30), ("-dp", 1e-3))])
def test_too_few_iterations(words, better, reg):
    assert reg(*PAIR, *words) == (1, "a higher -it or -dp")
    assert reg(*PAIR, *better) == (0, "")


def test_start_outside_the_image(reg):
    save_registration("start.tsv", Affine(FIELD.F, FIELD.shift + (0, 0, 500), FIELD.centre))
    code, advice = reg(*PAIR, "-pf", "start.tsv")
    assert code == 1 and advice.startswith("a start with -pf or --auto")
    save_registration("start.tsv", FIELD)
    assert reg(*PAIR, "-pf", "start.tsv") == reg(*PAIR, "--auto", "-pre", "auto") == (0, "")


def test_texture_along_one_axis(reg):
    """No mask and no start helps: grey values that change along the others, too, do."""
    y = np.indices(SHAPE)[1]
    stripes = 5000 * np.sin(y / 2)
    save_pair(*((30000 + image).astype("u2") for image in (stripes, np.roll(stripes, 1, axis=1))))
    assert reg(*PAIR) == (1, "images whose grey values change along every axis")
    save_moved(translation((1, -1, 1)))
    assert reg(*PAIR) == (0, "")


def test_what_was_tried_is_not_advised_again(reg):
    save_pair(*(np.random.default_rng(seed).integers(0, 65535, SHAPE).astype("u2") for seed in (1, 2)))
    code, advice = reg(*PAIR, "--auto")
    assert code == 1 and "--auto" not in advice
