"""hpcdvc-mask as a whole: each option against scipy, bad input, pictures, results that other commands take."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from ldic_cases import save_pair
from reg_ends import check_end, files, own_folder, play_command, save
from scipy import ndimage
from search_cases import written
from skimage.filters import threshold_otsu

from hpcdvc.cli import main
from hpcdvc.images import describe, read_planes
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.outlines import draw_outline
from hpcdvc.steps import segments

RESULT = "grey-mask.tif"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        play_command(monkeypatch, "mask")
        save("grey.tif", grey())
        # half a second each
        monkeypatch.setattr(segments, "draw_outline", lambda path, *_: Path(path).touch())
        yield tmp_path


def grey(dtype="u2"):
    """A ball with a hole, a speck, and noise."""
    rng, grid = np.random.default_rng(2), np.indices((26, 30, 34))
    far = np.sqrt(sum((axis - c) ** 2 for axis, c in zip(grid, (13, 14, 16), strict=True)))
    image = 50 + 100.0 * ((far < 11) & (far > 3)) + rng.normal(0, 8, far.shape)
    image[2:5, 2:5, 2:5] = 150
    return image.astype(dtype)


def ball(radius):
    grid = np.indices([2 * radius + 1] * 3) - radius
    return (grid**2).sum(axis=0) <= radius**2


def mask(*words, image="grey.tif", code=0):
    """The mask; overwrites."""
    assert main("mask", [image, "--force", *map(str, words)]) == code
    return tifffile.imread(f"{Path(image).stem}-mask.tif")


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2", "f4"])
def test_otsu(dtype):
    image = grey(dtype)
    if dtype == "f4":
        image[20] = np.nan
    save("grey.tif", image)
    found = mask()
    assert found.dtype == np.uint8
    assert (found == (image > threshold_otsu(image[np.isfinite(image)], nbins=2**16))).mean() > 0.9999


def test_above_and_below():
    image = grey()
    assert (mask("-thr", 60) == (image > 60)).all()
    assert (mask("-thr", 60, 140) == ((image > 60) & (image < 140))).all()
    assert main("mask", ["-thr", "60", "140", "grey.tif", "-od", "first"]) == 0  # in another order
    assert (tifffile.imread("first/grey-mask.tif") == mask("-thr", 60, 140)).all()


def test_in_this_order():
    start = grey() > 100
    opening = ndimage.binary_opening(start, ball(1))
    wide = ndimage.binary_dilation(opening, ball(2))
    closing = ndimage.binary_erosion(wide, ball(2), border_value=1)
    labels, _ = ndimage.label(closing)
    largest = labels == 1 + np.bincount(labels.ravel())[1:].argmax()
    filled = ndimage.binary_fill_holes(largest)
    expected = ndimage.binary_erosion(filled, ball(2), border_value=1)
    assert opening.sum() != closing.sum() != largest.sum() != filled.sum() != expected.sum()
    flags = ["--erode", 2, "--fill", "--largest", "--close", 2, "--open", 1]
    assert (mask("-thr", 100, *flags) == expected).all()
    record = json.loads(Path("grey-mask.run.json").read_text())
    assert record["voxels"] == expected.sum() and record["threshold"] == [100, None]


def test_cylinder():
    z, y, x = np.indices((26, 30, 34))
    assert (mask("-cyl", 10, 12.5, 6) == ((y - 10) ** 2 + (x - 12.5) ** 2 <= 36)).all()
    expected = ((y - 10) ** 2 + (x - 12.5) ** 2 <= 36) & (z >= 3) & (z < 7)
    assert (mask("-cyl", 10, 12.5, 6, 3, 7) == expected).all()
    assert (mask("-cyl", 10, 12.5, 6, 3, 7, "--erode", 1) == ndimage.binary_erosion(expected, ball(1))).all()


def test_found_cylinder(caplog):
    z, y, x = np.indices((26, 30, 34))
    truth = ((y - 14.2) ** 2 + (x - 17.1) ** 2 <= 100) & (z >= 4)
    save("grey.tif", (20 + 90 * truth + np.random.default_rng(0).normal(0, 10, truth.shape)).astype("u1"))
    found = mask("-cyl", "auto")
    assert (found != truth).sum() < 0.03 * truth.sum()
    record = json.loads(Path("grey-mask.run.json").read_text())["cylinder"]
    assert np.allclose(record, [14.2, 17.1, 10, 4, 26], atol=0.25)
    again = mask("-cyl", *record)
    assert (again == found).all()
    mask("-cyl", "auto", "--roi", 2, 24, 1, 29, 3, 33)
    record = json.loads(Path("grey-mask.run.json").read_text())["cylinder"]
    assert np.allclose(record, [14.2, 17.1, 10, 4, 24], atol=0.25)


def test_region():
    """The box is an image of its own, in its place in the whole one."""
    inside = (slice(4, 22), slice(3, 28), slice(0, 30))
    words, image = ("--roi", 4, 22, 3, 28, 0, 30), grey()
    save("part.tif", np.ascontiguousarray(image[inside]))
    for more in (["--open", 1, "--largest", "--erode", 2], ["-thr", 100]):
        expected = np.zeros(image.shape, "u1")
        expected[inside] = mask(*more, image="part.tif")
        assert (mask(*more, *words) == expected).all()
    expected[...] = 0
    expected[inside] = mask("-cyl", 10, 12.5, 6)[inside]
    assert (mask("-cyl", 10, 12.5, 6, *words) == expected).all()


def test_two_dimensions():
    image = grey()[13]
    save("flat.tif", image)
    found = mask("--open", 1, "--largest", "--fill", image="flat.tif")
    assert found.shape == image.shape and found[14, 16] == 1 and 300 < found.sum() < 400
    assert mask("-cyl", 10, 12, 5, image="flat.tif").sum() == ball(5)[5].sum()


def test_pictures_show_the_slices(monkeypatch):
    drawn = []
    monkeypatch.setattr(segments, "draw_outline", lambda path, cuts, title: drawn.append((path, cuts)))
    found, image = mask("-thr", 100, "--largest"), grey()
    (path, cuts), (z, y, x) = drawn[0], (13, 14, 16)
    assert path == "grey-mask.png" and [cut.place for cut in cuts.values()] == [z, y, x]
    for cut, one, other in zip(cuts.values(), (image[z], image[:, y], image[:, :, x]),
                               (found[z], found[:, y], found[:, :, x]), strict=True):  # fmt: skip
        assert (cut.grey == one).all() and (cut.marks == other).all()


def test_pictures_decode_planes_once(monkeypatch):
    """Also where many are stored together: a compressed block is inflated from its beginning."""
    decoded = []
    with h5py.File("grey.h5", "w") as file:
        file.create_dataset("d", data=grey(), chunks=(4, 10, 12))
    monkeypatch.setattr(segments, "block_depth", lambda _: 3)
    monkeypatch.setattr(segments, "read_planes", lambda _, *ends: decoded.append(ends) or read_planes(_, *ends))
    mask("-thr", 100, image="grey.h5")
    assert decoded == [(first, min(first + 4, 26)) for first in range(0, 26, 4)]


@pytest.mark.slow
def test_a_picture_is_written_and_nothing_else_is_left(monkeypatch):
    monkeypatch.setattr(segments, "draw_outline", draw_outline)
    mask()
    assert Path("grey-mask.png").read_bytes()[:4] == b"\x89PNG"
    assert {"grey-mask.tif", "grey-mask.png", "grey-mask.run.json"} == files() - {"grey.tif", "im1.tif", "im2.tif"}


def test_as_hdf_and_by_other_commands():
    save_pair()
    assert main("mask", ["im1.tif", "-cyl", "24", "24", "14", "--format", "hdf"]) == 0
    assert main("mask", ["im1.tif", "-cyl", "24", "24", "14", "--force"]) == 0
    for path in ("im1-mask.tif", "im1-mask.hdf"):
        assert describe(path).dtype == np.uint8
        assert main("ldic", ["im1.tif", "im2.tif", "-hws", "5", "-ns", "9", "-mf1", path, "--force"]) == 0
        statuses = read_field("im1-im2-ldic.hdf").return_status
        assert (statuses == -5).any() and (statuses == 2).any()


@pytest.mark.parametrize("words, said", [
    (["-thr", "9", "3"], "-thr 9 3"),
    (["-thr", "1", "2", "3"], "one or two numbers"),
    (["-thr", "nan"], "-thr"),
    (["-thr", "65535"], "no voxel of grey.tif (uint16) is above 65535"),
    (["-thr", "500"], "the mask of grey.tif is empty: no voxel is above 500"),
    (["-thr", "100", "--erode", "30"], "nothing is left after --erode 30"),
    (["-cyl", "5", "5"], "-cyl takes Y X R"),
    (["-cyl", "5", "auto", "3"], "-cyl takes Y X R"),
    (["-cyl", "5", "5", "0"], "a radius of 0"),
    (["-cyl", "5", "5", "3", "7", "7"], "there is none"),
    (["-cyl", "5", "5", "3", "7", "27"], "planes 0 to 25"),
    (["-cyl", "5", "5", "3", "1.5", "7"], "whole numbers"),
    (["-cyl", "-50", "5", "3"], "holds no voxel of grey.tif"),
    (["-cyl", "5", "5", "3", "-thr", "9"], "-thr and -cyl"),
    (["-cyl", "auto"], "its axis along Z is found in grey.tif"),
    (["--roi", "0", "27", "0", "9", "0", "9"], "--roi"),
    (["--roi", "0", "2", "0", "2", "0", "2", "-cyl", "15", "15", "3"], "holds no voxel of --roi"),
    (["--open", "0"], "--open"),
    (["-od", ".", "-pre", "a/b"], "-pre"),
])  # fmt: skip
def test_bad_input(capfd, words, said):
    if words == ["-cyl", "auto"]:
        save("grey.tif", np.pad(np.full((20, 10, 30), 9, "u1"), 4))
    check_end(capfd, ["grey.tif", *words], [said], 2, "mask")
    assert not [path for path in files() if "mask" in path]


@pytest.mark.parametrize("image", [np.full((5, 6, 7), 3, "u2"), np.full((5, 6, 7), np.nan, "f4")])
def test_no_threshold(capfd, image):
    save("grey.tif", image)
    check_end(capfd, ["grey.tif"], ["there is no threshold to be found"], 2, "mask")


def test_refused_without_the_memory(capfd, monkeypatch):
    monkeypatch.setattr("hpcdvc.steps.segments.node_memory", lambda: 1e8)
    check_end(capfd, ["grey.tif"], ["GB of memory", "there are 0.1 GB"], 2, "mask")


def test_dry_run_force_and_resume(capfd):
    assert main("mask", ["grey.tif", "--dry-run"]) == 0
    said = capfd.readouterr().out
    assert "MB shared" in said and "core time" in said and "grey-mask.tif" in said
    assert main("mask", ["grey.tif"]) == 0
    check_end(capfd, ["grey.tif"], ["grey-mask.tif exists"], 2, "mask")
    check_end(capfd, ["grey.tif", "-thr", "90", "--resume"], ["made with other parameters"], 2, "mask")
    Path("grey-mask.png").unlink()
    assert main("mask", ["grey.tif", "--resume"]) == 0 and Path("grey-mask.png").exists()
    check_end(capfd, ["grey-mask.tif", "-pre", "grey", "--force"], ["would replace"], 2, "mask")


@pytest.mark.slow
def test_any_ranks(run_command, monkeypatch):
    monkeypatch.setattr(segments, "draw_outline", draw_outline)
    words = ["grey.tif", "--open", "1", "--close", "2", "--largest", "--fill", "--erode", "1", "-od"]
    assert main("mask", [*words, "on1"]) == 0
    ranks = 3
    done = run_command("mask", *words, f"on{ranks}", ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert written("on1", "mask") == written(f"on{ranks}", "mask")
    done = run_command("mask", "grey.tif", "-thr", "999", "-od", "empty", ranks=2)
    assert done.returncode == 2 and done.stderr.count("is empty") == 1
