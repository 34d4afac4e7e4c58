"""hpcdvc-noise as a whole: what it finds in scans whose noise is known, and what it refuses to call noise."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import digest
from reg_ends import own_folder
from synthetic import lattice_texture, pair, translation

from hpcdvc.cli import main
from hpcdvc.workflows import noise

SHAPE, NOISE = (46, 48, 50), 250.0
#: Bound on the standard deviation for windows of 11 voxels and this noise: the slope of the texture is 0.44 a voxel.
BOUND_OF_11 = np.sqrt(2) * 0.05 / (0.44 * 11**1.5)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@cache
def texture(seed: int = 1, shift: float = 0.0, shape: tuple = SHAPE) -> np.ndarray:
    """A texture that has moved, without noise."""
    d = len(shape)
    return pair(lattice_texture(seed, dimensions=d), shape, translation(np.full(d, shift)))[1].astype(float)


def save(name: str, image: np.ndarray, noise: float = NOISE, seed: int = 0) -> None:
    image = image + noise * np.random.default_rng(seed).standard_normal(image.shape)
    tifffile.imwrite(name, np.rint(image).astype("u2"), photometric="minisblack")


def run(*words, code: int = 0) -> np.ndarray | None:
    """The table of a run, by column; overwrites."""
    assert main("noise", [*map(str, words), "--force", "-od", "out"]) == code
    if code:
        assert not list(Path("out").glob("*-noise.*"))
        return None
    newest = max(Path("out").glob("*.tsv"), key=lambda path: path.stat().st_mtime_ns)
    return np.atleast_1d(np.genfromtxt(newest, names=True, skip_header=1))


def draw_nothing(monkeypatch):
    """A picture takes longer than the windows of these images."""
    monkeypatch.setattr(noise, "noise_picture", lambda *_: b"picture")


def test_two_scans_and_one_say_the_same(monkeypatch):
    """The scatter is that of the bound for independent noise in both images."""
    save("a.tif", texture(), seed=1)
    save("b.tif", texture(), seed=2)
    two = run("a.tif", "b.tif", "-hws", 5, 3)
    text = Path("out/a-b-noise.md").read_text()
    assert "subset (window) 11 x 11 x 11 voxels; step 5 voxels" in text and "-hws 5 -ns 5" in text
    assert all(word in text for word in ("noise-floor", "interpolant cubic", "filtering none", "shape function affine"))
    assert Path("out/a-b-noise.png").read_bytes()[1:4] == b"PNG"
    draw_nothing(monkeypatch)
    one = run("a.tif", "-hws", 3, 5, "-nw", 40)
    assert two["halfWindow"].tolist() == one["halfWindow"].tolist() == [3, 5]
    for name in ("Zrandom", "Yrandom", "Xrandom"):
        assert one[name] == pytest.approx(two[name], rel=0.35)
    assert two["Zrandom"][1] == pytest.approx(BOUND_OF_11, rel=0.35)
    assert (np.abs(one["Zbias"]) < 0.003 + 4 * one["Zbias_std"]).all()
    assert (np.abs(two["Zbias"]) < 5 * two["Zbias_std"]).all()


def test_windows_stand_in_the_box(capfd, monkeypatch):
    """What is said of a part of the image is said of its cut-out; outside there is no texture, nor is it looked at."""
    for name, seed in (("a.tif", 1), ("b.tif", 2)):
        image = texture(shape=(80, 90))
        image[:, 60:] = 700.0
        save(name, image, seed=seed)
        tifffile.imwrite(f"cut-{name}", tifffile.imread(name)[5:, :60], photometric="minisblack")
    draw_nothing(monkeypatch)
    roi = ("--roi", 0, 1, 5, 80, 0, 60)
    run("a.tif", "b.tif", "-hws", 9, *roi[:4], 20, 0, 60, code=2)
    assert "--roi 0 1 5 20 0 60 of a.tif has 15 pixels along its shortest axis" in capfd.readouterr().err
    for images, words in (((1, 2), ("-hws", 4)), ((1,), ("-hws", 5, "-nw", 20, "-noise", NOISE))):
        cut, part = (
            run(*[f"{beginning}{'ab'[k - 1]}.tif" for k in images], *words, *box, "-pre", beginning or "whole")
            for beginning, box in (("cut-", ()), ("", roi))
        )
        assert part["windows"] == part["converged"] == cut["windows"]
        assert part["Yrandom"] == pytest.approx(cut["Yrandom"], rel=0.03)
        assert "voxel" not in capfd.readouterr().out


def test_the_same_bytes_on_any_number_of_ranks(run_command):
    save("a.tif", texture(shape=(80, 90)), seed=1)
    words = ("a.tif", "-hws", 3, 5, "-nw", 20, "-od")
    assert main("noise", [*map(str, words), "on1"]) == 0
    done = run_command("noise", *words, "on2", ranks=2)
    assert done.returncode == 0, done.stderr
    for end in ("tsv", "md", "png"):
        assert digest(f"on1/a-noise.{end}") == digest(f"on2/a-noise.{end}")


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (lambda: texture(shift=4.0), "not two scans at rest: they have moved by up to"),
        (lambda: texture(shift=1.4), "not two scans at rest: they have moved by 1.4"),
        (lambda: texture(seed=9), "do not show the same at rest"),
        (lambda: np.full(SHAPE, 700.0), "no texture"),
        (None, "one and the same image"),
    ],
    ids=["moved far", "moved", "unrelated", "constant", "same"],
)
def test_no_noise_where_there_is_none(other, told, capfd):
    save("a.tif", texture(), seed=1)
    save("b.tif", texture() if other is None else other(), 0 if told == "no texture" else NOISE, 2 if other else 1)
    run("a.tif", "b.tif", "-hws", 5, code=1)
    assert told in capfd.readouterr().err


def test_one_scan_without_texture(capfd):
    for image, of_grey in ((np.full(SHAPE, 700.0), 0.0), (np.full(SHAPE, 700.0), 50.0)):
        save("a.tif", image, of_grey)
        run("a.tif", "-hws", 4, code=1)
        assert "a.tif has no texture that could be told from noise" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("a.tif", "a.tif"), "given twice"),
        (("a.tif", "b.tif", "c.tif"), "one image or two"),
        (("a.tif", "-hws", 20), "does not fit"),
        (("a.tif", "b.tif", "-noise", 3), "-noise is for one scan"),
        (("a.tif", "-hws", 4, 4), "names a size twice"),
        (("a.tif", "small.tif"), "differ in size"),
    ],
)
def test_mistakes(words, told, capfd):
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(name, np.zeros(SHAPE, "u1"), photometric="minisblack")
    tifffile.imwrite("small.tif", np.zeros((9, 9, 9), "u1"), photometric="minisblack")
    run(*words, code=2)
    assert told in capfd.readouterr().err
