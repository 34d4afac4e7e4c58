"""hpcdvc-fourier as a whole: what the functions of hpcdvc.fourier give, of frames and volumes, on any ranks."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from reg_ends import check_end, files, own_folder

from hpcdvc import fourier
from hpcdvc.cli import main
from hpcdvc.images import describe, open_volume
from hpcdvc.ranks.team import Team
from hpcdvc.steps import fourier as steps

FRAME, SHAPE = (15, 22), (12, 10, 11)


def noise(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 60000, shape).astype(np.uint16)


IMAGES = {
    "a.tif": noise(*FRAME),
    "b.tif": noise(*FRAME, seed=2),
    "c.npy": np.where(noise(*FRAME, seed=3) > 55000, np.nan, noise(*FRAME, seed=3)),
    "s.npy": noise(3, *FRAME, seed=4),
    "k.tif": np.array([[1, 2, 1.5], [0.5, 3, 1]], "f4"),
    "v.npy": noise(*SHAPE),
    "w.npy": np.where(noise(*SHAPE, seed=2) > 58000, np.nan, noise(*SHAPE, seed=2)).astype("f4"),
    "kv.npy": np.random.default_rng(5).random((3, 2, 5)),
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        for name, image in IMAGES.items():
            tifffile.imwrite(name, image) if name.endswith("tif") else np.save(name, image)
        yield tmp_path


def result(path: str) -> np.ndarray:
    image = open_volume(describe(path))
    assert image.dtype == np.float32
    return image


def made(*words: object, name: str = "r-fourier.hdf") -> np.ndarray:
    assert main("fourier", [*map(str, words), "-pre", "r", "--force"]) == 0
    return result(name)


def close(found: np.ndarray, expected: np.ndarray) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * np.nanmax(np.abs(expected)))


#: Words of an operation, the two words of the other image, and the function: of an image and the other one.
CASES = {
    "shift": (("-by", 1.3, -2.6), lambda a, _: fourier.shift(a, (1.3, -2.6))),
    "zoom": (("-us", 4, "-shape", 6, 7, "-at", 3.5, 9), lambda a, _: fourier.zoom(a, 4, (6, 7), coordinates=(3.5, 9))),
    "zoom offset": (("-us", 2, 3, "-offset", 1, -2), lambda a, _: fourier.zoom(a, (2, 3), offsets=(1, -2))),
    "upsample": (("-us", 1.5), lambda a, _: fourier.scale(a, [np.arange(22) / 1.5, np.arange(33) / 1.5])),
    "scale": (
        ("-first", 2, 1, "-spacing", 0.3, "-shape", 5, 8),
        lambda a, _: fourier.scale(a, [2 + 0.3 * np.arange(5), 1 + 0.3 * np.arange(8)]),
    ),
    "downsample": (("-factor", 4), lambda a, _: fourier.downsample(a, 4)),
    "downsample axis": (("-factor", 4, "-axis", 1), lambda a, _: fourier.downsample(a, 4, axis=1)),
    "smooth": (("-width", 1.5), lambda a, _: fourier.smooth(a, 1.5)),
    "smooth kernel": (
        ("-width", 3, "-kernel", "boxcar", "-boundary", "wrap"),
        lambda a, _: fourier.smooth(a, 3, "boxcar", "wrap"),
    ),
    "convolve": (("-with", "k.tif"), lambda a, k: fourier.convolve(a, k)),
    "correlate2d": (("-with", "b.tif", "-boundary", "fill"), lambda a, b: fourier.correlate2d(a, b, "fill")),
}


@pytest.mark.parametrize("case", CASES)
def test_frames(case):
    """2-D images, and with -stack the planes of others, are the frames of one stack, in the order given."""
    words, function = CASES[case]
    other = IMAGES.get(words[1])
    found = made(case.split()[0], "a.tif", "s.npy", "c.npy", *words, "-stack")
    frames = [IMAGES["a.tif"], *IMAGES["s.npy"], IMAGES["c.npy"]]
    close(found, np.array([function(frame, other) for frame in frames]))


def test_one_image_and_its_picture():
    found = made("shift", "a.tif", "-by", 0.5, 0, "-tif", "-notsv")
    assert found.shape == (1, *FRAME)
    np.testing.assert_array_equal(found[0], tifffile.imread("r-fourier.tif"))
    close(found[0], fourier.shift(IMAGES["a.tif"], (0.5, 0)))
    with h5py.File("r-fourier.hdf") as file:
        assert set(file["VTKHDF/CellData"]) == {"grey"}


VOLUMES = {
    "shift": (("-by", 0.5, 1.3, -2.6), lambda a, _: fourier.shift(a, (0.5, 1.3, -2.6))),
    "zoom": (("-us", 2), lambda a, _: fourier.zoom(a, 2)),
    "downsample": (("-factor", 3, 2, 4), lambda a, _: fourier.downsample(a, (3, 2, 4))),
    "downsample planes": (("-factor", 2, "-axis", 1, 2), lambda a, _: fourier.downsample(a, 2, (1, 2))),
    "smooth": (("-width", 1), lambda a, _: fourier.smooth(a, 1)),
    "convolve": (("-with", "kv.npy", "-boundary", "wrap"), lambda a, k: fourier.convolve(a, k, "wrap")),
    "correlate2d": (("-with", "v.npy"), lambda a, b: fourier.correlate2d(a, b)),
}


@pytest.mark.parametrize("case", VOLUMES)
def test_volumes(case):
    """Each by itself, with all of its axes."""
    words, function = VOLUMES[case]
    other = IMAGES.get(words[1])
    made(case.split()[0], "v.npy", "w.npy", *words, name="v-fourier.hdf")
    for name in "vw":
        close(result(f"{name}-fourier.hdf"), function(IMAGES[f"{name}.npy"], other))


def test_the_same_bytes_on_any_number_of_ranks(run_command):
    for op, words in (
        ("shift", ("v.npy", "w.npy", "-by", 0.5, 1.3, -2.6)),
        ("convolve", ("s.npy", "-stack", "-with", "k.tif")),
    ):
        assert main("fourier", [op, *map(str, words), "-od", "on1"]) == 0
        for ranks in (2, 3):
            done = run_command("fourier", op, *words, "-od", f"on{ranks}", ranks=ranks)
            assert done.returncode == 0, done.stderr
    first, *others = ({p.name: p.read_bytes() for p in Path(f"on{n}").glob("*.hdf")} for n in (1, 2, 3))
    assert len(first) == 3 and all(other == first for other in others)


@pytest.mark.parametrize(
    "words, unit", [(("v.npy", "-factor", 1), "slabs"), (("s.npy", "-stack", "-factor", 2), "frames")]
)
def test_left_on_request_and_resumed(monkeypatch, words, unit):
    words = ["downsample", *map(str, words)]
    assert main("fourier", [*words, "-od", "whole"]) == 0
    downsample, done, team = fourier.downsample, [], Team()

    def stopping(a, factor):
        done.append(len(a))
        team.stop_requested = len(done) == 1
        return downsample(a, factor)

    with monkeypatch.context() as patch:
        patch.setattr(steps.filters, "downsample", stopping)
        patch.setattr("hpcdvc.ranks.team.connect", lambda: team)
        assert main("fourier", [*words, "-od", "parts"]) == 75
        team.stop_requested = False
        assert main("fourier", [*words, "-od", "parts", "--resume"]) == 0
    assert len(done) == {"slabs": 2, "frames": 3}[unit]
    (name,) = (path.name for path in Path("whole").glob("*.hdf"))
    assert (Path("parts") / name).read_bytes() == (Path("whole") / name).read_bytes()


def test_nothing_but_nan(capfd):
    """The files are kept, the exit code says that they are empty; one frame that has values is enough."""
    np.save("none.npy", np.full((2, *FRAME), np.nan, "f4"))
    for words in (("shift", "-by", 1, 2), ("smooth",)):
        line = [words[0], "none.npy", *words[1:], "-stack", "-tif", "--force", "-q"]
        check_end(capfd, line, ["none-fourier.hdf: no pixel has a value"], 1, "fourier")
    assert np.isnan(result("none-fourier.tif")).all()
    assert main("fourier", ["smooth", "none.npy", "a.tif", "-stack", "--force"]) == 0


def test_dry_run(capsys):
    before = files()
    assert main("fourier", ["correlate2d", "v.npy", "-with", "w.npy", "--dry-run"]) == 0
    assert "2 slabs of 8 planes" in capsys.readouterr().out and files() == before


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("shift", "a.tif", "-by", 1), "-by takes 2 numbers for images of 2 axes, not 1"),
        (("shift", "v.npy", "-by", 1, 2), "-by takes 3 numbers"),
        (("shift", "a.tif", "v.npy", "-by", 1, 2), "a.tif is 2-D and v.npy a volume: with -stack"),
        (("shift", "a.tif", "k.tif", "-by", 1, 2), "frames of one stack differ in size: a.tif and k.tif"),
        (("shift", "a.tif"), "-by is missing: shift needs it"),
        (("shift", "a.tif", "-by", 1, 2, "-us", 3), "-us is not for shift, which takes -by"),
        (("zoom", "a.tif", "-us", 2, "-at", 3), "-at takes 2 numbers"),
        (("zoom", "a.tif", "-us", 2, 2, 2), "-us takes a number, or one for each of 2 axes"),
        (("zoom", "a.tif", "-us", 2, "-at", 3, 4, "-offset", 1, 1), "only one of -offset and -at"),
        (("scale", "a.tif", "-spacing", 0, 1, "-shape", 3, 3), "-spacing must not be 0"),
        (("downsample", "a.tif", "-factor", 16), "do not fit"),
        (("downsample", "a.tif", "-factor", 2, "-axis", 2), "axis 2 does not fit an image of 2 axes"),
        (("smooth", "a.tif", "-width", 4, "-kernel", "boxcar"), "odd whole number"),
        (("convolve", "a.tif", "-with", "v.npy"), "v.npy is a volume"),
        (("convolve", "a.tif", "-with", "c.npy"), "must be finite"),
        (("correlate2d", "a.tif", "-with", "k.tif"), "k.tif has the shape"),
        (("correlate2d", "a.tif", "-with", "b.tif", "-boundary", "ignore"), "wrap or fill"),
        (("spin", "a.tif"), "operation must be shift"),
        (("smooth", "missing.tif"), "missing.tif"),
    ],
)
def test_refused(words, sentence, capfd):
    before = files()
    check_end(capfd, [*map(str, words)], [sentence], 2, "fourier")
    assert files() == before
