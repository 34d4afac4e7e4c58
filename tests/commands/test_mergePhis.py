"""hpcdvc-mergePhis as a whole: affine motions are composed exactly, whatever they were measured on."""

from pathlib import Path

import numpy as np
import pytest
from reg_ends import check_end, own_folder
from table_cases import FAILED, GRID, field, filtered, grains, phi_of, save, save_all

from hpcdvc.cli import main
from hpcdvc.fields.field import ROW
from hpcdvc.fields.rows import some_rows
from hpcdvc.output.hdf5 import write_field
from hpcdvc.output.tsv import read_tsv

LABELS = grains()[2].astype(np.uint32)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_all()
        save("affine", field(GRID, bent=0.0))
        save("centres", field(None, grains()[1], bent=0.0, failed={2: -1}, label=LABELS))
        where = grains()[1] + field(None, grains()[1], bent=0.0, failed={}).displacement
        save("moved", field(None, where, bent=0.0, failed={4: -1}, label=LABELS))
        yield tmp_path


def merged(*words):
    return filtered(*words, command="mergePhis")


def twice(points: np.ndarray) -> np.ndarray:
    """(n, 3, 4): the affine motion of the cases, and the same once more."""
    first = phi_of(points, 0.0)
    second = phi_of(points + first[:, :, 3], 0.0)
    result = np.empty_like(first)
    result[:, :, :3], result[:, :, 3] = second[:, :, :3] @ first[:, :, :3], first[:, :, 3] + second[:, :, 3]
    return result


def check(found, lost=()):
    good = np.setdiff1d(np.arange(len(found)), lost)
    assert (found.return_status[good] == 1).all() and not found.measured[list(lost)].any()
    np.testing.assert_allclose(found.phi[good, :3], twice(found.positions[good]), atol=2e-6)
    assert np.isnan(found.displacement[list(lost)]).all()


@pytest.mark.parametrize("end", ["hdf", "tsv"])
@pytest.mark.parametrize("how", [(), ("-nn", 8), ("-nr", 30)])
def test_nodes(end, how):
    """Exact beyond the border of the increment, too, and next to rows that failed."""
    found = merged(f"affine.{end}", f"affine.{end}", *how)
    check(found, sorted(FAILED))
    assert found.grid == GRID and (found.return_status[[60, 61]] == -5).all() and found.return_status[41] == -12


def test_registrations():
    found = merged("reg.tsv", "reg.hdf")
    check(found)
    # the columns of a search: 1 would read as not measured in those of a registration
    assert main("mergePhis", ["reg.tsv", "reg.hdf", "-pre", "two", "-q"]) == 0
    assert Path("two-merge.tsv").read_text().split()[16:18] == ["pixelSearchCC", "returnStatus"]
    assert read_tsv("two-merge.tsv").measured.all()
    assert (found.positions == GRID.positions()[80]).all()


def test_particles():
    found = merged("centres.hdf", "moved.tsv")
    check(found, [2, 4])
    assert (found.extra["label"] == LABELS).all()


def test_particles_that_stand_elsewhere_are_left_out(capfd):
    some = field(None, grains()[1], bent=0.0, failed={}, label=LABELS)
    where = grains()[1] + some.displacement
    where[5] += 3
    save("moved", field(None, where, bent=0.0, failed={4: -1}, label=LABELS))
    check(merged("centres.hdf", "moved.tsv"), [2, 4, 5])
    assert "1 of 6 particles" in capfd.readouterr().err


def test_a_registration_before_nodes_or_particles():
    """The points are those that it takes to the points of the increment."""
    for increment, lost in (("affine.hdf", sorted(FAILED)), ("moved.hdf", [4])):
        found = merged("reg.hdf", increment)
        check(found, lost)
        arrived = found.positions + phi_of(found.positions, 0.0)[:, :, 3]
        wanted = (
            GRID.positions()
            if increment == "affine.hdf"
            else grains()[1] + field(None, grains()[1], bent=0.0, failed={}).displacement
        )
        np.testing.assert_allclose(arrived, wanted, atol=1e-9)
    assert (found.extra["label"] == LABELS).all()


def test_nodes_and_particles_before_others():
    check(merged("affine.hdf", "reg.hdf"), sorted(FAILED))
    check(merged("centres.hdf", "reg.hdf"), [2])
    check(merged("affine.hdf", "moved.hdf", "-nn", 4), sorted(FAILED))
    check(merged("centres.hdf", "affine.hdf", "-nn", 4), [2])


def test_threshold():
    """-rst asks for rows that are not measured."""
    found = merged("affine.hdf", "affine.hdf", "-rst", 1, "-nn", 1)
    start = field(GRID, bent=0.0)
    np.testing.assert_allclose(
        found.displacement[41], start.displacement[41] + found.phi[41, :3, 3] - start.phi[41, :3, 3]
    )
    assert found.return_status[41] == 1 and found.return_status[3] == -12


def test_two_dimensions():
    found = merged("flat.hdf", "flat.tsv")
    assert found.grid.shape[0] == 1 and (found.phi[found.measured, 0, 3] == 0).all() and found.measured.sum() > 90


def test_nothing_near():
    positions = GRID.positions()
    save("far", field(None, positions + 1000.0, bent=0.0, failed={}))
    found = filtered("affine.hdf", "far.hdf", "-nr", 5, command="mergePhis", code=1)
    assert not found.measured.any()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("grid.tsv",), "increment"),
        (("grid.tsv", "nowhere.tsv"), "nowhere.tsv"),
        (("grid.tsv", "flat.tsv"), "two dimensions"),
        (("flat.tsv", "reg.tsv"), "flat.tsv was measured on images in two dimensions"),
        (("reg.hdf", "flat.hdf"), "flat.hdf was measured on images in two dimensions"),
        (("failed.tsv", "grid.tsv"), "no row of failed.tsv is measured"),
        (("grid.tsv", "grid.tsv", "-nn", 3, "-nr", 3), "only one of"),
        (("grid.tsv", "grid.tsv", "-rst", 4), "-rst 4"),
        (("grains.tsv", "away.tsv"), "stands where"),
    ],
)
def test_refused(words, told, capfd):
    save("failed", some_rows(field(GRID), np.array([3, 40, 41])))
    save("away", field(None, grains()[1] + 40.0, failed={}, label=LABELS))
    check_end(capfd, (*words, "-od", "out", "-q"), [told], 2, "mergePhis")


@pytest.mark.parametrize("swapped", [True, False])
def test_motions_that_do_not_follow_each_other_are_noticed(swapped, capfd):
    """By samples of the images that the files were made from, whatever these are called now."""
    names = {"a": ("load0.tif", "load1.tif"), "b": ("copy.tif", "load2.tif")}
    samples = {"load0.tif": "0", "load1.tif": "1", "copy.tif": "1", "load2.tif": "2"}
    for name, pair in names.items():
        images = {
            key: {"name": image, "sample": samples[image]} for key, image in zip(("im1", "im2"), pair, strict=True)
        }
        write_field(f"{name}.hdf", affine_rows(), 0, GRID, {"key": name, "provenance": images}, None)
    merged(*(("b.hdf", "a.hdf") if swapped else ("a.hdf", "b.hdf")))
    told = "b.hdf ends with load2.tif, and a.hdf begins with load0.tif: are they two motions, one after the other?"
    assert (told in capfd.readouterr().err) == swapped


def affine_rows() -> np.ndarray:
    rows = np.zeros(GRID.size, ROW)
    rows["index"], rows["Phi"], rows["return_status"] = np.arange(len(rows)), phi_of(GRID.positions(), 0.0), 2
    return rows
