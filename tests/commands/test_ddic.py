"""hpcdvc-ddic as a whole: what it measures, what it writes, on any number of ranks, after a kill."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ddic_cases import NUMBERS, ddic_here, eight, save_eight, truth_of_eight
from reg_ends import own_folder
from scipy import ndimage
from search_cases import written

from hpcdvc.cli import main
from hpcdvc.cluster.plan import needs_of
from hpcdvc.fields.decomposition import decompose_f
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import read_tsv

RESULT = "im1-im2-ddic"
LINE = ("im1.tif", "lab.tif", "im2.tif")


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with images, and what was measured in them."""
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(tmp_path_factory.mktemp("ddic"))
        save_eight()
        ddic_here(*LINE, "-vtk")
        yield Path.cwd()


@pytest.fixture
def here(measured, tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        for path in measured.glob("*.tif"):
            Path(path.name).unlink(missing_ok=True)
            Path(path.name).symlink_to(path)
        yield measured


def errors(field):
    """Of displacements, voxel, and of rotations, degrees."""
    truth = truth_of_eight()
    turned = decompose_f(field.phi[:, :3, :3] @ np.swapaxes(truth[:, :, :3], 1, 2)).r
    return np.abs(field.displacement - truth[:, :, 3]).max(axis=1), np.linalg.norm(turned, axis=1)


def test_motions_at_the_centres_of_mass(measured):
    field = read_field(measured / f"{RESULT}.hdf")
    wrong, turned = errors(field)
    assert (field.return_status == 2).all() and wrong.max() < 0.006 and np.median(turned) < 0.03
    assert np.array_equal(field.extra["label"], NUMBERS[1:])
    assert np.allclose(field.extra["rotation"], decompose_f(field.phi[:, :3, :3]).r)
    assert (field.extra["rotation_std"] > 0).all() and (field.extra["rotation_std"] < 0.1).all()
    assert (field.extra["zncc"] > 0.99).all() and (field.extra["label_dilate"] == 1).all()


def test_files(measured):
    names = {path.name.removeprefix(RESULT) for path in measured.glob(f"{RESULT}*")}
    assert names == {".hdf", ".tsv", ".vtk", ".run.json"}
    lines = (measured / f"{RESULT}.tsv").read_text().splitlines()
    head = lines[0].split("\t")
    assert head[:8] == ["Label", "Zpos", "Ypos", "Xpos", "Zdisp", "Ydisp", "Xdisp", "Fzz"]
    assert head[16:22] == ["PSCC", "error", "iterations", "returnStatus", "deltaPhiNorm", "LabelDilate"]
    assert {"Zdisp_std", "zncc", "validFraction", "Xrot", "Xrot_std", "repaired"} <= set(head)
    assert [line.split("\t")[0] for line in lines[1:]] == [str(number) for number in NUMBERS[1:]]
    table, field = read_tsv(measured / f"{RESULT}.tsv"), read_field(measured / f"{RESULT}.hdf")
    assert np.allclose(table.phi, field.phi) and np.allclose(table.extra["rotation"], field.extra["rotation"])
    assert json.loads((measured / f"{RESULT}.run.json").read_text())["points"]["measured"] == 8


@pytest.mark.parametrize("ranks", [2, 3])
def test_any_number_of_ranks(here, run_command, ranks):
    done = run_command("ddic", *LINE, "-vtk", "-q", ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert written(".", "ddic") == written(here, "ddic")


def test_options_of_the_peer(here, capfd):
    words = "-ld 2 -vt 50 -lci 30 -lcp 1e-3 -o 1 -m 6 -dmo -nr -ug -msb 2 -d -F rigid -lazy -notsv".split()
    assert main("ddic", [*LINE, *words]) == 0
    told = capfd.readouterr().err
    assert "-msb is ignored" in told and "-d is ignored" in told and not Path(f"{RESULT}.tsv").exists()
    wrong, _ = errors(read_field(f"{RESULT}.hdf"))
    assert np.median(wrong) < 0.1


def test_labels_below_the_threshold(here, capfd):
    volumes = np.unique(eight()[3], return_counts=True)[1][1:]
    assert main("ddic", [*LINE, "-ld", "0", "-vt", str(np.sort(volumes)[3]), "-pre", "some"]) == 0
    small = read_field("some-ddic.hdf").return_status == -5
    assert np.array_equal(small, volumes <= np.sort(volumes)[3])
    capfd.readouterr()
    assert main("ddic", [*LINE, "-vt", "100000"]) == 1
    told = capfd.readouterr().err
    assert "no label has converged, most end with status -5" in told and "or a label of no more voxels than -vt" in told
    assert (read_field(f"{RESULT}.hdf").return_status == -5).all()


def test_image_in_two_dimensions(here):
    middle = eight()[0].shape[0] // 4
    for name in ("im1", "im2", "lab"):
        tifffile.imwrite(f"flat-{name}.tif", tifffile.imread(f"{name}.tif")[middle], photometric="minisblack")
    shifted = np.roll(tifffile.imread("flat-im1.tif"), (1, -2), (0, 1))
    tifffile.imwrite("flat-im2.tif", shifted, photometric="minisblack")
    ddic_here("flat-im1.tif", "flat-lab.tif", "flat-im2.tif", "-vt", "20")
    field = read_field("flat-im1-flat-im2-ddic.hdf")
    good = field.return_status == 2
    assert good.sum() >= 3 and np.allclose(field.displacement[good], (0, 1, -2), atol=1e-3)


def test_far_motion_is_looked_for(here):
    far = np.roll(tifffile.imread("im1.tif"), (5, -7, 6), (0, 1, 2))
    tifffile.imwrite("far.tif", far, photometric="minisblack")
    ddic_here("im1.tif", "lab.tif", "far.tif")
    field = read_field("im1-far-ddic.hdf")
    found = field.return_status == 2
    assert found.sum() >= 6 and np.allclose(field.displacement[found], (5, -7, 6), atol=1e-3)
    ddic_here("im1.tif", "lab.tif", "far.tif", "--no-search", "-pre", "alone")
    assert (read_field("alone-ddic.hdf").return_status == 2).sum() < found.sum()
    ddic_here("im1.tif", "lab.tif", "far.tif", "--no-search", "--register", "-pre", "first")
    assert (read_field("first-ddic.hdf").return_status == 2).sum() >= found.sum()


@pytest.mark.parametrize("ranks", [None, 2])
def test_two_labels_at_one_place(here, run_command, ranks):
    """Of two alike grains one is left, between them: which one, nobody knows. A third one stays."""
    grid = np.indices((40, 50, 70))
    balls = [
        (sum((axis - c) ** 2 for axis, c in zip(grid, place, strict=True)) <= 64)
        for place in ((20, 14, 20), (20, 14, 44), (20, 37, 30), (20, 14, 32))
    ]
    rng = np.random.default_rng(0)
    for name, some in (("im1", balls[:3]), ("im2", balls[2:])):
        grey = ndimage.gaussian_filter(8000.0 + 12000 * np.any(some, axis=0), 0.7) + rng.normal(0, 100, grid[0].shape)
        tifffile.imwrite(f"ball{name}.tif", grey.astype("u2"), photometric="minisblack")
    labels = sum((number + 1) * ball for number, ball in enumerate(balls[:3])).astype("u1")
    tifffile.imwrite("balls.tif", labels, photometric="minisblack")
    words = ("ddic", "ballim1.tif", "balls.tif", "ballim2.tif", "-pre", "balls", "--force")
    for more in ((), ("--repair",)):
        done = run_command(*words, *more, ranks=ranks)
        field = read_field("balls-ddic.hdf")
        assert field.return_status.tolist() == [-10, -10, 2] and not field.extra["repaired"].any()
        assert np.abs(field.displacement[2]).max() < 0.02 and "grains look alike" in done.stdout


def test_series_goes_on(here):
    ddic_here(*LINE, "im3.tif", "-pre", "all")
    field = read_field("im1-im3-ddic.hdf")
    assert (field.return_status == 2).sum() >= 7 and field.iterations.mean() < 8
    names = [entry["name"] for entry in json.loads(Path("all-ddic.hdf.series").read_text())["files"]]
    assert names == ["im1-im2-ddic.hdf", "im1-im3-ddic.hdf"]
    assert Path("im1-im2-ddic.hdf").read_bytes() == (here / "im1-im2-ddic.hdf").read_bytes()


def test_repair(here, capfd):
    # one grain starts far away, and nothing is looked for at first
    start = read_field(here / f"{RESULT}.hdf")
    lines = (here / f"{RESULT}.tsv").read_text().splitlines()
    lost = lines[3].split("\t")
    lost[4:7] = "9", "-9", "9"
    Path("start.tsv").write_text("\n".join([*lines[:3], "\t".join(lost), *lines[4:]]) + "\n")
    words = (*LINE, "-pf", "start.tsv", "--no-search")
    ddic_here(*words, "-pre", "lost")
    failed = read_field("lost-ddic.hdf").return_status != 2
    assert np.array_equal(np.flatnonzero(failed), [2])
    ddic_here(*words, "--repair", "-pre", "mended")
    field = read_field("mended-ddic.hdf")
    assert (field.return_status == 2).all() and np.allclose(field.displacement, start.displacement, atol=1e-3)
    assert field.extra["repaired"].tolist() == [0, 0, 1, 0, 0, 0, 0, 0]
    # what is in im2 no more stays failed
    grains, im1, im2, _ = eight()
    box, _ = grains.values(2, True)
    im2 = im2.copy()
    im2[box] = np.random.default_rng(1).normal(12000, 3000, im2[box].shape).astype("u2")
    tifffile.imwrite("gone.tif", im2, photometric="minisblack")
    ddic_here("im1.tif", "lab.tif", "gone.tif", "--repair")
    field = read_field("im1-gone-ddic.hdf")
    assert field.return_status[2] < 2 and field.extra["repaired"][2] == 0


def test_skip_measures_what_has_failed(here):
    lines = (here / f"{RESULT}.tsv").read_text().splitlines()
    head = lines[0].split("\t")
    failed, kept = lines[2].split("\t"), lines[3].split("\t")
    failed[head.index("returnStatus")], kept[head.index("zncc")] = "-9", "0.5"
    # the last label has no row
    changed = [*lines[:2], "\t".join(failed), "\t".join(kept), *lines[4:-1]]
    Path("some.tsv").write_text("\n".join(changed) + "\n")
    ddic_here(*LINE, "-pf", "some.tsv", "-skp")
    field, whole = read_field(f"{RESULT}.hdf"), read_field(here / f"{RESULT}.hdf")
    assert (field.return_status == 2).all() and np.allclose(field.displacement, whole.displacement, atol=1e-3)
    assert field.extra["zncc"][2] == 0.5 and field.extra["zncc"][1] > 0.9 and field.extra["label"][-1] == 2**32 - 1


def test_killed_run_goes_on(here, run_command):
    from hpcdvc.steps import find_labels

    class Killed(Exception):
        pass

    measure, calls = find_labels.LabelSearch.__call__, []

    def dies(self, numbers):
        if calls:
            raise Killed
        calls.append(len(numbers))
        return measure(self, numbers)

    with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
        patched.setattr(find_labels.LabelSearch, "__call__", dies)
        ddic_here(*LINE, "-vtk")
    assert not list(Path().glob("*.hdf")) and list(Path(f"{RESULT}.parts").glob("*.rec"))
    done = run_command("ddic", *LINE, "-vtk", "--resume", ranks=2)
    assert done.returncode == 0 and "were measured before" in done.stdout + done.stderr
    assert written(".", "ddic") == written(here, "ddic")


def test_dry_run(here, capfd):
    assert main("ddic", [*LINE, "--dry-run"]) == 0
    told = capfd.readouterr().out
    assert "labels of lab.tif in 1 image" in told and needs_of(told).seconds > 0 and "fill half of" in told
    assert not list(Path().glob("*ddic*"))
