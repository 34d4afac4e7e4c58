"""hpcdvc-pixelSearch as a whole: what it finds, what it writes, on any number of ranks, after a kill."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from ldic_cases import save_registration
from ldic_runs import kill_once_begun, started
from rank_scripts import finish
from reg_ends import own_folder
from search_cases import LOWER, SHAPE, UPPER, pair, particles, save_pair, shifted, written
from synthetic import lattice_texture, rotation
from synthetic import pair as analytic

from hpcdvc.cli import main
from hpcdvc.cluster.plan import needs_of
from hpcdvc.fields.status import Family, Status
from hpcdvc.output.hdf5 import read_field, read_metadata
from hpcdvc.output.tsv import read_tsv

GRID = ("-ns", "10", "-hws", "6")
RANGE = ("-sr", "-5", "5", "-5", "5", "-5", "5")
RESULT = "im1-im2-pixelSearch"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_pair()
        yield tmp_path


def search(*words, code=0):
    """The field that is found between im1.tif and im2.tif; overwrites."""
    assert main("pixelSearch", ["im1.tif", "im2.tif", "--force", *map(str, words)]) == code
    return read_field(f"{RESULT}.hdf")


def expected(field):
    """Displacements of nodes whose windows do not reach over the jump or out of im2."""
    x = field.positions[:, 2]
    truth = np.where((x < SHAPE[2] / 2)[:, None], LOWER, UPPER)
    low, high = field.positions + truth - 6, field.positions + truth + 6
    inside = ((low >= 0) & (high < SHAPE)).all(axis=1) & (np.abs(x - SHAPE[2] / 2) > 10)
    return inside, truth


@pytest.mark.parametrize("words", [RANGE, (), (*RANGE, "-crit", "ncc"), (*RANGE, "-sub")])
def test_finds_a_jump(words):
    field = search(*GRID, *words)
    inside, truth = expected(field)
    assert inside.sum() >= 8 and field.measured[inside].all() and field.family == Family.SEARCH
    error = np.abs(field.displacement[inside] - truth[inside])
    assert (np.median(error) < 0.05 and error.max() < 0.25) if "-sub" in words else (error == 0).all()
    assert (field.return_status[inside] == (2 if "-sub" in words else 1)).all()
    assert field.extra["CC"][inside] == pytest.approx(1) and (field.extra["border"][inside] == 0).all()
    low, high = field.extra["range_low"], field.extra["range_high"]
    assert (low <= -5).all() and (high >= 5).all() and (words == () or ((low == -5) & (high == 5)).all())
    assert np.isnan(field.displacement[~field.measured]).all() and (field.extra["second_CC"][inside] < 0.99).all()


def test_files(capfd):
    search(*GRID, *RANGE, "-vtk", "-tif")
    told = capfd.readouterr().out
    assert "border of the range" in told and "matched to the whole voxel" in told
    names = {path.name.removeprefix(RESULT) for path in Path().glob(f"{RESULT}*")}
    assert {".hdf", ".tsv", ".vtk", ".run.json", "-Zdisp.tif", "-CC.tif", "-returnStatus.tif"} <= names
    table, field = read_tsv(f"{RESULT}.tsv"), read_field(f"{RESULT}.hdf")
    head = Path(f"{RESULT}.tsv").read_text().partition("\n")[0].split("\t")
    assert head[16:21] == ["pixelSearchCC", "returnStatus", "error", "deltaPhiNorm", "iterations"]
    assert table.family == Family.SEARCH and np.array_equal(table.return_status, field.return_status)
    assert np.array_equal(np.isnan(table.displacement), np.isnan(field.displacement))
    assert np.allclose(table.extra["CC"], field.extra["CC"], equal_nan=True, atol=1e-8)
    assert np.isnan(tifffile.imread(f"{RESULT}-Zdisp.tif")).sum() == (~field.measured).sum()
    assert json.loads(Path(f"{RESULT}.run.json").read_text())["border"] == field.extra["border"].sum()
    assert read_metadata(f"{RESULT}.hdf")["family"] == "search"


@pytest.mark.parametrize(
    "words", [(*GRID, *RANGE), ("-ns", 15, "-hws", 6, "-sub"), ("-lab1", "lab.tif", "-sr", *"-3 3 -3 3 -3 3".split())]
)
def test_the_same_bytes_on_any_number_of_ranks(words, run_command):
    tifffile.imwrite("lab.tif", particles()[0])
    line = ("im1.tif", "im2.tif", *map(str, words), "-vtk", "-od")
    assert main("pixelSearch", [*line, "on1"]) == 0
    for ranks in (2, 3):
        done = run_command("pixelSearch", *line, f"on{ranks}", ranks=ranks)
        assert done.returncode == 0, done.stderr
    assert len(written("on1")) == 3
    assert written("on1") == written("on2") == written("on3")


def test_starts_from_a_registration_and_from_a_field():
    im1 = pair()[0]
    save_pair(im1, shifted(im1, (9, -8, 10)))
    Path("start.tsv").write_text("Zpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\n19.5\t21.5\t23.5\t8.6\t-7.8\t10.9\n")
    words = ("-ns", 8, "-hws", 4, "-sr", *"-1 1 -1 1 -1 1".split())
    field = search(*words, "-pf", "start.tsv")
    inside = field.measured
    assert inside.sum() > 20 and (field.displacement[inside] == (9, -8, 10)).all()
    Path(f"{RESULT}.tsv").rename("field.tsv")
    again = search(*words[2:], "-pf", "field.tsv")
    assert (again.displacement[inside] == (9, -8, 10)).all()
    assert (again.return_status[~inside] == Status.BAD_START).all()


def test_windows_are_deformed_as_asked():
    """A rotation of the whole image by 20 degrees, known to the start: only deformed windows match."""
    motion = rotation(15.0, np.array([19.5, 21.5, 23.5]))
    save_pair(*analytic(lattice_texture(1), SHAPE, motion))
    save_registration("start.tsv", motion)
    words = ("-ns", 10, "-hws", 7, "-sr", *"-2 2 -2 2 -2 2".split(), "-pf", "start.tsv")
    scores = {}
    for part in ("all", "rigid", "no"):
        field = search(*words, "-F", part)
        scores[part] = np.nanmedian(field.extra["CC"])
        assert np.allclose(field.phi[:, :3, :3], np.eye(3) if part == "no" else motion.F, atol=1e-9)
    assert scores["all"] > 0.8 and abs(scores["all"] - scores["rigid"]) < 1e-6 and scores["no"] < scores["all"] - 0.1


@pytest.mark.parametrize("words", [("-sr", *"-3 3 -3 3 -3 3".split()), ()])
def test_particles(words, capfd):
    labels, im2, moves = particles()
    tifffile.imwrite("lab.tif", labels)
    save_pair(im2=im2)
    field = search("-lab1", "lab.tif", "-ld", 0, *words)
    assert field.extra["label"].tolist() == list(moves) and field.grid is None
    assert (field.displacement == list(moves.values())).all() and field.extra["CC"] == pytest.approx(1)
    for label, position in zip(moves, field.positions, strict=True):
        assert np.allclose(position, np.argwhere(labels == label).mean(axis=0))
    assert Path(f"{RESULT}.tsv").read_text().splitlines()[4].startswith("4000000000\t")
    # again, from its own result; a particle that this has not starts from its neighbours
    lines = Path(f"{RESULT}.tsv").read_text().splitlines()
    Path("start.tsv").write_text("\n".join(lines[:1] + lines[2:]) + "\n")
    again = search("-lab1", "lab.tif", "-ld", 0, "-pf", "start.tsv", "-sr", *"-4 4 -4 4 -4 4".split())
    assert (again.displacement == list(moves.values())).all()
    small = search("-lab1", "lab.tif", "-lvt", 2000, code=1)
    assert (small.return_status == Status.NO_SPECIMEN).all() and "-lvt" in capfd.readouterr().out


def test_in_two_dimensions():
    im1 = pair()[0][20]
    save_pair(im1, np.roll(im1, (3, -2), (0, 1)))
    for words in (("-sr", *"0 0 -5 5 -5 5".split()), ()):
        field = search("-ns", 6, "-hws", 5, *words)
        inside = field.measured
        assert inside.sum() > 20 and (field.displacement[inside] == (0, 3, -2)).all()


def test_masks_of_both_images():
    mask1, mask2 = np.ones(SHAPE, "u1"), np.ones(SHAPE, "u1")
    mask1[:, :, 24:], mask2[:12] = 0, 0
    for name, mask in (("mask1", mask1), ("mask2", mask2)):
        tifffile.imwrite(f"{name}.tif", mask)
    field = search(*GRID, *RANGE, "-mf1", "mask1.tif", "-mf2", "mask2.tif", "-mc", 0.6)
    assert (field.return_status[field.positions[:, 2] >= 30] == Status.NO_SPECIMEN).all()
    inside, truth = expected(field)
    kept = inside & (field.positions[:, 2] < 18) & (field.positions[:, 0] >= 20)
    assert kept.any() and (field.displacement[kept] == truth[kept]).all()


def test_nothing_is_found(capfd):
    save_pair(im2=np.full(SHAPE, 7, "u2"))
    field = search(*GRID, *RANGE, code=1)
    assert not field.measured.any()
    assert "nothing was found, most points end with status -2" in capfd.readouterr().err


def test_dry_run(capfd):
    assert main("pixelSearch", ["im1.tif", "im2.tif", *GRID, "--dry-run"]) == 0
    assert "48 nodes (3, 4, 4)" in capfd.readouterr().out
    tifffile.imwrite("lab.tif", particles()[0])
    assert main("pixelSearch", ["im1.tif", "im2.tif", "-lab1", "lab.tif", "--dry-run"]) == 0
    said = capfd.readouterr().out
    assert "labels in boxes of 25 voxels across that fill half of the image" in said and needs_of(said).seconds > 0
    assert not list(Path().glob(f"{RESULT}*"))


@pytest.mark.slow
def test_killed_and_resumed(here):
    """The end is that of an undisturbed run, on another number of ranks."""
    words = ("-ns", "2", "-hws", "6", "-sr", *"-6 6 -6 6 -6 6".split())
    kill_once_begun(started("pixelSearch", here, "killed", *words), here / "killed")
    for out, ranks, more in (("killed", 3, ("--resume",)), ("undisturbed", 2, ())):
        code, _, stderr = finish(started("pixelSearch", here, out, *words, *more, ranks=ranks), timeout=120)
        assert code == 0, stderr
    assert written("killed") == written("undisturbed") and len(written("killed")) == 2


def test_the_largest_particle_is_dealt_first(monkeypatch):
    """And alone: nobody waits at the end for a rank that has just begun with it."""
    from hpcdvc.steps.search_points import ParticlePoints

    labels = particles()[0]
    labels[2:5, 2:5, 2:5], labels[24:40, 22:44, 0:26] = 1, 17
    tifffile.imwrite("lab.tif", labels)
    asked, starting = [], ParticlePoints.starting
    monkeypatch.setattr(
        ParticlePoints,
        "starting",
        lambda self, numbers, phi: asked.append(list(numbers)) or starting(self, numbers, phi),
    )
    field = search("-lab1", "lab.tif", "-sr", *"-3 3 -3 3 -3 3".split())
    assert field.extra["label"].tolist() == sorted(set(labels[labels > 0].tolist()))
    dealt = [number for numbers in asked[1:] for number in numbers]
    assert field.extra["label"][dealt[0]] == 17 and field.extra["label"][dealt[-1]] == 1
    assert sorted(dealt) == list(range(len(field)))
