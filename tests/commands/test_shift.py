"""hpcdvc-shift as a whole: what it measures and writes, on any number of ranks, after a kill, and what it refuses."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from ldic_runs import shard_bytes
from moved_images import SHAPE, grains, save_image, waves
from reg_ends import check_end, files, is_one_sentence, own_folder
from search_cases import written

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.fields.status import Status
from hpcdvc.images import describe, open_volume
from hpcdvc.output.hdf5 import read_field
from hpcdvc.runs import points as measuring
from hpcdvc.workflows import shift as workflow

#: Displacements of im1 to im4, y x.
MOVES = ((0.0, 0.0), (1.3, -2.4), (-3.25, 0.7), (0.5, 0.25))
SERIES = ("im1.tif", "im2.tif", "im3.tif", "im4.tif")
T1 = (*"NodeNumber Zpos Ypos Xpos Fzz Fzy Fzx Zdisp Fyz Fyy Fyx Ydisp Fxz Fxy Fxx Xdisp".split(),
      *"error iterations returnStatus deltaPhiNorm Zdisp_std Ydisp_std Xdisp_std".split())  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        frames = [waves(SHAPE, move) for move in MOVES]
        for name, frame in zip(SERIES, frames, strict=True):
            save_image(name, frame)
        save_image("movie.tif", np.stack(frames))
        yield tmp_path


def shift(*words, code=0):
    """The shifts in P-shift.hdf; overwrites."""
    assert main("shift", [*map(str, words), "-pre", "P", "--force"]) == code
    return read_field("P-shift.hdf")


def table():
    """Columns of P-shift.tsv by name."""
    lines = [line.split("\t") for line in Path("P-shift.tsv").read_text().splitlines()]
    return dict(zip(lines[0], np.array(lines[1:], float).T, strict=True))


def check(field, moves, most=0.02):
    """These were measured, and their deviations are neither nothing nor much."""
    moves = np.array(moves)
    assert (field.return_status == Status.CONVERGED).all()
    assert np.abs(field.displacement[:, 3 - moves.shape[1] :] - moves).max() < most
    deviations = np.sqrt(field.extra["variance"][:, 3::4])[:, 3 - moves.shape[1] :]
    assert (deviations > 1e-5).all() and (deviations < most).all()


def test_a_series_is_one_table():
    field = shift(*SERIES)
    check(field, MOVES[1:])
    columns = table()
    assert tuple(columns)[: len(T1)] == T1 and (columns["NodeNumber"] == [0, 1, 2]).all()
    assert (columns["Zdisp"] == 0).all() and (columns["Zpos"] == 0).all() and (columns["Ypos"] == 19.5).all()
    assert np.allclose(columns["Xdisp"], field.displacement[:, 2], atol=1e-7) and (columns["step"] == [1, 2, 3]).all()
    assert np.allclose(columns["Ydisp_std"] ** 2, field.extra["variance"][:, 7])
    again = hpcdvc.read("P-shift.tsv")
    assert np.allclose(again.displacement, field.displacement, atol=1e-7) and len(hpcdvc.read("P-shift.hdf")) == 3
    check(shift(*SERIES, "-sei"), np.diff(MOVES, axis=0))


@pytest.mark.parametrize("words", [(), ("-sei",)])
def test_frames_of_one_file(words):
    frames, single = shift("movie.tif", "--frames", *words), shift(*SERIES, *words)
    assert (frames.displacement == single.displacement).all()


@pytest.mark.parametrize("method", ["chi2", "cc", "dft", "phase"])
def test_volumes(method):
    for name, move in (("v1.tif", (0, 0, 0)), ("v2.tif", (1.25, -2.4, 0.6))):
        save_image(name, (grains if method == "phase" else waves)((16, 21, 24), move))
    check(shift("v1.tif", "v2.tif", "-met", method), [(1.25, -2.4, 0.6)], most=0.05)
    assert table()["Zpos"] == 7.5
    assert main("shift", ["v1.tif", "v2.tif", "-met", "chi2iterzoom"]) == 2


def test_frames_with_one_shift():
    for name, move in (("s1.tif", (0, 0)), ("s2.tif", MOVES[1])):
        save_image(name, np.stack([waves(SHAPE, move, seed, noise=4) for seed in (1, 2, 3)]))
    field = shift("s1.tif", "s2.tif", "-stack")
    check(field, MOVES[1:2], most=0.05)
    assert field.positions[0, 0] == 0 and (np.abs(field.displacement[0, 0]) == 0).all()


@pytest.mark.parametrize("method", ["chi2", "chi2iterzoom", "cc", "dft", "phase"])
@pytest.mark.parametrize("shape", [(40, 46), (41, 47), (40, 47)])
def test_no_method_is_off_by_half_a_pixel(method, shape):
    for name, move in (("im1.tif", (0, 0)), ("im2.tif", (1.3, -2.4))):
        save_image(name, (grains if method == "phase" else waves)(shape, move))
    check(shift("im1.tif", "im2.tif", "-met", method), [(1.3, -2.4)], most=0.06)


def test_settings_arrive():
    steps = shift("im1.tif", "im2.tif", "-met", "dft", "-us", 4).displacement[0, 1:] * 4
    assert np.allclose(steps, np.round(steps), atol=1e-9)
    ways = ((), ("-err", 0.7), ("-err", 7), ("-err", 7, "-errors", "contour"), ("-errors", "zucker"))
    deviations = [np.sqrt(shift("im1.tif", "im2.tif", *words).extra["variance"][0, 7]) for words in ways]
    assert deviations[2] == pytest.approx(10 * deviations[1]) and len({round(d, 9) for d in deviations}) == 5
    wide = shift("im1.tif", "im2.tif", "-err", 7, "-errors", "contour", "-nfit", 3).extra["variance"][0, 7]
    assert wide > 1.05 * deviations[3] ** 2
    save_image("noise.tif", np.full(SHAPE, 7.0))
    same = shift("im1.tif", "im2.tif", "-err", "noise.tif", "-zeromean")
    assert np.sqrt(same.extra["variance"][0, 7]) == pytest.approx(deviations[2], rel=1e-3)
    filled = shift("im1.tif", "im2.tif", "-boundary", "fill").displacement
    assert 0.001 < np.abs(filled - shift("im1.tif", "im2.tif").displacement).max() < 0.3


def test_largest_shift_is_exact():
    save_image("im2.tif", waves(SHAPE, (0.3, -4.6)))
    check(shift("im1.tif", "im2.tif", "-maxoff", 5), [(0.3, -4.6)])
    field = shift("im1.tif", "im2.tif", "-maxoff", 4, code=1)
    assert field.return_status == Status.BORDER_OF_RANGE and np.isnan(table()["Xdisp"])


def test_masked_pixels_are_absent():
    """The same mark stands at the same place of both images, and what is no number is nowhere."""
    images = [waves(SHAPE, move, periodic=False) for move in MOVES[:2]]
    for image in images:
        image[10:25, 12:30] = np.random.default_rng(3).normal(100, 200, (15, 18))
    for name, image in zip(SERIES, images, strict=False):
        save_image(name, image)
    mask = np.ones(SHAPE, "u1")
    mask[10:25, 12:30] = 0
    tifffile.imwrite("mask.tif", mask)
    words = ("im1.tif", "im2.tif", "-boundary", "overlap")
    assert np.abs(shift(*words, code=0).displacement[0, 1:] - MOVES[1]).max() > 0.5
    masked = shift(*words, "-mf1", "mask.tif", "-mf2", "mask.tif")
    check(masked, MOVES[1:2], most=0.03)
    assert masked.extra["valid_fraction"] == mask.mean()
    for name, image in zip(SERIES, images, strict=False):
        image[mask == 0] = np.nan
        save_image(name, image)
    field = shift(*words)
    assert (field.displacement == masked.displacement).all() and field.extra["valid_fraction"] == mask.mean()


def test_part_of_the_images():
    images = [waves(SHAPE, move) for move in MOVES[:2]]
    images[1][:12] = np.random.default_rng(1).normal(100, 20, (12, SHAPE[1]))
    for name, image in zip(SERIES, images, strict=False):
        save_image(name, image)
    cut = shift("im1.tif", "im2.tif", "-boundary", "overlap", "-crop", 14, 40, 0, 46)
    check(cut, MOVES[1:2], most=0.03)
    for name, image in zip(SERIES, images, strict=False):
        save_image(name, image[14:])
    assert (shift("im1.tif", "im2.tif", "-boundary", "overlap").displacement == cut.displacement).all()


def test_dark_pixels_are_cut():
    """Stars that have moved over a pattern of the camera, which has not."""
    camera = 30 * waves(SHAPE, (0, 0), seed=2, noise=0)
    y, x = np.indices(SHAPE)
    for name, (dy, dx) in (("im1.tif", (0, 0)), ("im2.tif", (2, -3))):
        places = zip([5, 9, 20, 31, 14], [30, 8, 21, 12, 40], strict=True)
        stars = sum(9000 * np.exp(-((y - b - dy) ** 2 + (x - a - dx) ** 2) / 4) for b, a in places)
        save_image(name, stars + camera - camera.mean() + np.random.default_rng(dy).normal(0, 1, SHAPE))
    assert np.abs(shift("im1.tif", "im2.tif").displacement[0, 1:] - (2, -3)).max() > 0.1
    check(shift("im1.tif", "im2.tif", "-sigmacut", 3), [(2, -3)], most=0.05)


def test_the_table_in_another_convention(capfd):
    ours = shift("im1.tif", "im2.tif")
    told = {}
    for convention in ("u", "algotom", "skimage"):
        field = shift("im1.tif", "im2.tif", "-convention", convention)
        assert (field.displacement == ours.displacement).all()
        told[convention] = table()["Xdisp"][0], table()["Ydisp"][0], capfd.readouterr().err.count("-pf")
    (x, y, _), sign = told["u"], -1
    assert told == {"u": (x, y, 0), "algotom": (sign * x, sign * y, 1), "skimage": (sign * x, sign * y, 1)}


def test_images_shifted_back():
    field = shift(*SERIES, "-reg", "-tif")
    images = tifffile.imread("P-shift-reg.tif")
    with h5py.File("P-shift-reg.hdf") as file:
        assert np.array_equal(file["VTKHDF/PointData/grey"][:], images, equal_nan=True)
    assert images.shape == (3, *SHAPE) and images.dtype == np.float32
    left = images[:, 8:-8, 8:-8] - waves(SHAPE, (0, 0), noise=0)[8:-8, 8:-8]
    assert np.abs(left).max() < 4 and left.std() < 1
    assert np.isnan(images[0][:, :2]).all() and not np.isnan(images[:, 4:-4, 4:-4]).any()
    field.phi[:, :3, 3] = 0
    # a pair that is not measured leaves no number
    save_image("im3.tif", np.full(SHAPE, 7.0))
    shift(*SERIES, "-reg")
    with h5py.File("P-shift-reg.hdf") as file:
        assert np.isnan(file["VTKHDF/PointData/grey"][1]).all()


def test_volumes_and_stacks_shifted_back():
    moved = {"v1.tif": (0, 0, 0), "v2.tif": (1, -2, 1), "v3.tif": (2.25, 1, 0)}
    for name, move in moved.items():
        save_image(name, waves((16, 21, 24), move, noise=0.1))
    shift(*moved, "-reg", "-tif")
    for k in (1, 2):
        left = tifffile.imread(f"P-shift-reg-{k}.tif") - tifffile.imread("v1.tif")
        assert np.abs(left[5:-5, 5:-5, 5:-5]).max() < 1.5 and np.isnan(left[-1]).all()
    stack = [np.stack([waves(SHAPE, move, seed, 0.1) for seed in (1, 2, 3, 4)]) for move in MOVES[:2]]
    for name, frames in zip(("s1.tif", "s2.tif"), stack, strict=True):
        save_image(name, frames)
    shift("s1.tif", "s2.tif", "-stack", "-reg", "-tif")
    left = tifffile.imread("P-shift-reg.tif") - stack[0]
    assert np.abs(left[:, 6:-6, 6:-6]).max() < 1.5


@pytest.mark.parametrize("words", [(), ("-err", 2), ("-boundary", "fill", "-zeromean")])
def test_map_of_chi_square(words):
    """All displacements, summed up by hand."""
    images = [waves(SHAPE, move).astype("f4").astype(float) for move in MOVES[:2]]
    shift("im1.tif", "im2.tif", *words, "-map", "m.hdf")
    with h5py.File("m.hdf") as file:
        maps = {name: data[0] for name, data in file["VTKHDF/CellData"].items()}
        low = file["VTKHDF"].attrs["Origin"][:2][::-1] + 0.5
    assert set(maps) == {"chi2", "term1", "term2", "term3"}
    assert np.allclose(maps["term1"] + maps["term2"] + maps["term3"], maps["chi2"])
    best = np.array(np.unravel_index(maps["chi2"].argmin(), SHAPE)) + low
    assert (best == np.round(MOVES[1])).all() and (low == [-20, -23]).all()
    if words == ("-err", 2):
        for dy, dx in ((0, 0), (1, -2), (7, 3)):
            by_hand = ((images[1] - np.roll(images[0], (dy, dx), (0, 1))) ** 2).sum() / 4
            assert maps["chi2"][int(dy - low[0]), int(dx - low[1])] == pytest.approx(by_hand)
    shift(*SERIES, "-map", "m.hdf")
    assert {"m-1.hdf", "m-2.hdf", "m-3.hdf"} <= files()


def test_windows():
    words = ("im1.tif", "im2.tif", "-sr", 5)
    shift(*words, "-met", "map", "-map", "m.hdf")
    check(read_field("P-shift.hdf"), MOVES[1:2], most=0.1)
    with h5py.File("m.hdf") as file:
        assert file["VTKHDF/CellData/zncc"].shape == (1, 11, 11)
    save_image("im2.tif", waves(SHAPE, (0, -2.4)))
    along_x = shift(*words, "-met", "map", "-axis", 1).displacement[0]
    assert along_x[1] == 0 and abs(along_x[2] + 2.4) < 0.1
    assert shift(*words[:2], "-met", "map", "-m", 0, 0, -3, 3, -1, 1, code=1).return_status == Status.BORDER_OF_RANGE
    peaks = [shift(*words, "-met", "map", *more).displacement[0, 2] for more in
             ((), ("-pm", "poly"), ("-pm", "poly", "-psize", 5), ("-pdim", 1))]  # fmt: skip
    assert len(set(peaks)) == 4


def test_windows_at_points():
    words = ("im1.tif", "im2.tif", "-met", "points", "-hws", 5, "-sr", 5)
    field = shift(*words, "-list")
    assert np.abs(field.displacement[0, 1:] - MOVES[1]).max() < 0.1
    listed = read_field("P-shift-points.hdf")
    assert 20 < len(listed) <= 30 and len(hpcdvc.read("P-shift-points.tsv")) == len(listed)
    assert np.abs(np.median(listed.displacement[listed.measured, 1:], axis=0) - MOVES[1]).max() < 0.1
    others = [shift(*words, *more).displacement[0, 2] for more in
              (("-seed", 1), ("-npt", 10), ("-gv", "median"), ("-gv", "mean"))]  # fmt: skip
    assert len({*others, field.displacement[0, 2]}) == 5
    Path("points.txt").write_text("20 21\n15 24\n25 22\n")
    shift(*words, "-pts", "points.txt", "-list", "-crop", 2, 40, 1, 46)
    listed = read_field("P-shift-points.hdf")
    assert (listed.positions == [[0, 20, 21], [0, 15, 24], [0, 25, 22]]).all()
    assert np.abs(listed.displacement[:, 1:] - MOVES[1]).max() < 0.3
    shift(*SERIES, *words[2:], "-list")
    assert set(read_field("P-shift-points.hdf").extra["step"]) == {1, 2, 3}


def test_a_registration_and_a_field_start_from_it(capfd):
    shift("im1.tif", "im2.tif")
    assert main("ldic", ["im1.tif", "im2.tif", *"-pf P-shift.hdf -ns 8 -hws 6 -pre a".split()]) == 0
    field = read_field("a-ldic.hdf")
    assert np.abs(np.median(field.displacement[field.measured, 1:], axis=0) - MOVES[1]).max() < 0.05
    assert main("reg", ["im1.tif", "im2.tif", *"-pf P-shift.tsv -bb 1 -pre a".split()]) == 0
    found = read_field("a-registration.hdf")
    assert np.abs(found.displacement[0, 1:] - MOVES[1]).max() < 0.02
    shift(*SERIES)
    for table in ("P-shift.hdf", "P-shift.tsv"):
        check_end(capfd, ("im1.tif", "im2.tif", "-pf", table, "-ns", 8, "-hws", 6), ["motions of 3 pairs"], 2, "ldic")


def test_the_same_bytes_on_any_number_of_ranks(run_command):
    words = ("movie.tif", "--frames", "-reg", "-tif", "-vtk", "-pre", "P")
    assert main("shift", [*words, "-od", "on1", "-map", "on1/chi2-shift.hdf"]) == 0
    for ranks in (2, 3):
        done = run_command("shift", *words, "-od", f"on{ranks}", "-map", f"on{ranks}/chi2-shift.hdf", ranks=ranks)
        assert done.returncode == 0, done.stderr
    assert len(written("on1", "shift")) == 8
    assert written("on1", "shift") == written("on2", "shift") == written("on3", "shift")


def test_left_on_request_and_resumed(monkeypatch, here):
    words = ["movie.tif", "--frames", "-reg", "-pre", "P"]
    assert main("shift", [*words, "-od", "whole"]) == 0
    fill, measure = workflow.fill, measuring.measure_points

    def stops(row, *given):
        stopped.stop_requested = row["index"] > 0
        fill(row, *given)

    def listening(team, *given):
        nonlocal stopped
        stopped = team
        return measure(team, *given)

    stopped = None
    with monkeypatch.context() as patch:
        patch.setattr(workflow, "fill", stops)
        patch.setattr(workflow, "measure_points", listening)
        assert main("shift", [*words, "-od", "parts"]) == 75
    assert shard_bytes(here / "parts") > 0 and not list(Path("parts").glob("*.tsv"))
    assert main("shift", [*words, "-od", "parts"]) == 2
    assert main("shift", [*words, "-od", "parts", "--resume"]) == 0
    assert written("parts", "shift") == written("whole", "shift")
    assert main("shift", [*words, "-od", "parts", "--resume", "-met", "cc"]) == 2


def test_real_images(shared):
    """Two frames of a galaxy, which others have aligned to about a pixel, and parts of them that are apart by more."""
    frames = sorted(map(str, (shared / "data/astro_properimage").glob("*.fit")))
    small = shift(*frames, "-od", ".")
    assert np.abs(small.displacement).max() < 0.3 and small.extra["zncc"] > 0.9
    one, two = (open_volume(describe(path))[0] for path in frames)
    tifffile.imwrite("im1.tif", one[200:456, 300:600])
    found = []
    for dy, dx in ((0, 0), (-7, 12)):
        tifffile.imwrite("im2.tif", two[200 + dy : 456 + dy, 300 + dx : 600 + dx])
        found.append(shift("im1.tif", "im2.tif", "-boundary", "overlap", "-reg", "-tif").displacement[0, 1:])
    assert np.abs(found[1] - found[0] - (7, -12)).max() < 0.03
    back, there = tifffile.imread("P-shift-reg.tif")[20:-20, 20:-20], tifffile.imread("im1.tif")[20:-20, 20:-20]
    assert np.corrcoef(back.ravel(), there.ravel())[0, 1] > 0.95


BAD = {
    "constant": (np.full(SHAPE, 100.0), Status.SINGULAR),
    "nan": (np.full(SHAPE, np.nan), Status.FEW_VALID_VOXELS),
    "unrelated": (np.random.default_rng(5).normal(100, 9, SHAPE), Status.DECORRELATED),
}


def test_saturated_pixels():
    """No number of images that are clipped in more than a tenth; as whole numbers of any type else."""
    for name, move in (("im1.tif", (0, 0)), ("im2.tif", MOVES[1])):
        bright = 25 * waves(SHAPE, move)
        tifffile.imwrite(name, np.clip(np.round(bright), 0, 65535).astype("u2"))
    check(shift("im1.tif", "im2.tif"), MOVES[1:2])
    for name, move in (("im1.tif", (0, 0)), ("im2.tif", MOVES[1])):
        tifffile.imwrite(name, np.clip(4 * (waves(SHAPE, move) - 50), 0, 255).astype("u1"))
    assert shift("im1.tif", "im2.tif", code=1).return_status == Status.SATURATED


@pytest.mark.parametrize("which", BAD)
def test_images_that_cannot_be_measured(which, capfd):
    image, status = BAD[which]
    save_image("im2.tif", image)
    field = shift("im1.tif", "im2.tif", code=1)
    assert field.return_status == status and np.isnan(field.displacement).all()
    assert np.isnan(table()["Ydisp"]) and np.isnan(table()["Ydisp_std"])
    said = capfd.readouterr().err
    assert is_one_sentence(said, f"status {int(status)}") and "-mc" not in said
    series = shift(*SERIES)  # the others are measured all the same
    assert series.return_status.tolist() == [status, 2, 2]


REFUSED = {
    ("im1.tif",): "at least two images",
    ("movie.tif", "im1.tif", "--frames"): "--frames takes one file",
    ("im1.tif", "--frames"): "2-D image: --frames",
    ("im1.tif", "im2.tif", "-stack"): "2-D image: -stack",
    ("movie.tif", "--frames", "-stack"): "-stack and --frames",
    ("im1.tif", "movie.tif"): "differ in size",
    ("movie.tif", "small.tif", "-stack"): "differ in size",
    ("im1.tif", "im2.tif", "-us", "0"): "-us must be auto",
    ("im1.tif", "im2.tif", "-us", "fine"): "-us must be auto",
    ("im1.tif", "im2.tif", "-err", "0"): "-err must be above 0",
    ("im1.tif", "im2.tif", "-err", "-1"): "-err must be above 0, not -1",
    ("im1.tif", "im2.tif", "-us", "-1"): "not '-1'",
    ("im1.tif", "im2.tif", "-err", "nowhere.tif"): "nowhere.tif",
    ("im1.tif", "im2.tif", "-err", "small.tif"): "small.tif",
    ("im1.tif", "im2.tif", "-mf1", "small.tif"): "mask does not fit",
    ("movie.tif", "--frames", "-mf2", "small.tif"): "mask does not fit",
    ("im1.tif", "im2.tif", "-crop", "0", "10", "0"): "-crop takes 4 or 6",
    ("im1.tif", "im2.tif", "-crop", "9", "9", "0", "9"): "-crop: nothing lies",
    ("im1.tif", "im2.tif", "-crop", "0", "10", "0", "99"): "X ends with 99",
    ("im1.tif", "im2.tif", "-crop", "0", "1", "0", "9", "0", "9"): "four numbers",
    ("im1.tif", "im2.tif", "-met", "cc", "-errors", "contour"): "contour",
    ("im1.tif", "im2.tif", "-map", "a.h5"): "ends in .hdf",
    ("im1.tif", "im2.tif", "-map", "a.hdf", "-boundary", "overlap"): "-map",
    ("im1.tif", "im2.tif", "-list"): "-met points",
    ("im1.tif", "im2.tif", "-wcs"): "im1.tif is no FITS file",
    ("movie.tif", "--frames", "-wcs"): "single images",
    ("im1.tif", "im2.tif", "-psize", "4"): "-psize must be 3, 5, 7 or 9",
    ("im1.tif", "im2.tif", "-met", "map", "-sr", "20"): "-sr from -20 to 20 do not fit",
    ("im1.tif", "im2.tif", "-met", "points"): "-hws 20, a window of 41 pixels, and -sr",
    ("im1.tif", "im2.tif", "-met", "points", "-pts", "nowhere.txt"): "nowhere.txt",
    ("im1.tif", "im2.tif", "-met", "dft", "-boundary", "overlap"): "chi2 and cc, not by dft",
    ("im1.tif", "im2.tif", "-crop", "0", "2", "0", "9"): "3 pixels along each axis",
    ("small.tif", "small.tif"): "3 pixels along each axis",
    ("im1.tif", "im2.tif", "-sr", "1", "2"): "-sr takes one number or six",
}


@pytest.mark.parametrize("words", REFUSED)
def test_refused(words, capfd):
    save_image("small.tif", np.zeros((2, 9, 9)))
    before = files()
    check_end(capfd, words, [REFUSED[words]], 2, "shift")
    assert files() == before


@pytest.mark.parametrize(
    "words, names",
    [
        ("-us 10 -nfit 1 -axis 0 -sr 3", ("-us", "-axis", "-sr", "-nfit")),
        ("-boundary overlap -err 0.1 -errors zucker", ("-errors", "-err")),
        ("-met map -sr 5 -psize 5 -boundary fill", ("-boundary", "-psize")),
        ("-met dft -us 10 -zeromean -errors zucker", ()),
    ],
)
def test_what_changes_nothing_is_said(words, names, capfd):
    shift("im1.tif", "im2.tif", *words.split())
    said = capfd.readouterr().err
    assert said.count("is ignored") == len(names) and all(f"{name} is ignored" in said for name in names)


def test_dry_run(capfd):
    before = files()
    assert main("shift", [*SERIES, "--dry-run"]) == 0
    assert "3 pairs" in capfd.readouterr().out and files() == before
