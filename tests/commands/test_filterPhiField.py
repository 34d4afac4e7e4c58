"""hpcdvc-filterPhiField as a whole: what is selected, replaced and smoothed, what is kept, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from planted_field import planted_field
from reg_ends import check_end, own_folder
from synthetic import lattice_texture, render
from table_cases import FAILED, FLAT, GRID, field, filtered, phi_of, save, save_all

from hpcdvc.cli import main
from hpcdvc.fields.field import ROW
from hpcdvc.fields.rows import rows_from, some_rows
from hpcdvc.fields.status import Family
from hpcdvc.output.hdf5 import read_field, read_metadata, write_field
from hpcdvc.output.tsv import read_tsv

#: Rows of the field that are not measured, but for those without specimen.
BAD = [row for row, status in FAILED.items() if status != -5]


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_all()
        yield tmp_path


def save_search(name: str = "search", criterion: str = "ncc") -> np.ndarray:
    """A field of a search; its correlation."""
    cc = np.linspace(0.98, 1.0, GRID.size) if criterion == "ncc" else np.linspace(0.5, 1, GRID.size)
    rows = np.zeros(GRID.size, ROW)
    rows["index"], rows["Phi"], rows["return_status"] = np.arange(GRID.size), phi_of(GRID.positions()), 1
    rows["return_status"][7] = -2
    metadata = {"key": name, "parameters": {"criterion": criterion}}
    write_field(f"{name}.hdf", rows, 0, GRID, metadata, None, extra={"CC": cc}, family=Family.SEARCH)
    return cc


def test_the_windows_of_the_field_are_said(capfd):
    """So that strain finds how large they were, also after another filter and in another binning."""
    start = field(GRID)
    rows = rows_from(start, np.arange(GRID.size), ROW)
    write_field("measured.hdf", rows, 0, GRID, {"key": "", "parameters": {"half_window_size": 4}}, None)
    assert main("filterPhiField", ["-pf", "measured.hdf", "-srs", "-cint"]) == 0
    assert main("passPhiField", ["-pf", "measured-filtered.hdf", "-regs", "reg.tsv"]) == 0
    path = "measured-filtered-passed-regs-rigid"
    assert main("filterPhiField", ["-pf", f"{path}.hdf", "-pfb", "2", "-fm"]) == 0
    said = [read_metadata(f"{name}.hdf")["parameters"]["half_window_size3"] for name in (path, f"{path}-filtered")]
    assert said == [[4, 4, 4], [8, 8, 8]]
    assert main("regularStrain", ["measured-filtered.hdf", "-comp", "vol"]) == 0
    assert "vol_std" in Path("measured-filtered-strain-Geers.tsv").read_text().split("\n")[0]


def test_by_status_and_interpolated():
    start, found = field(GRID), filtered("-pf", "grid.hdf", "-srs", "-cint", "-nn", 12)
    kept = np.setdiff1d(np.arange(GRID.size), BAD)
    assert (found.return_status[BAD] == 3).all()
    assert (found.return_status[kept] == start.return_status[kept]).all() and (
        found.return_status[[60, 61]] == -5
    ).all()
    finite = start.measured
    assert (found.phi[finite] == start.phi[finite]).all() and (found.error[kept] == start.error[kept]).all()
    good = np.flatnonzero(start.measured)
    for row in BAD:
        d = np.linalg.norm(start.positions[good] - start.positions[row], axis=1)
        order = np.argsort(d, kind="stable")
        if d[order[11]] == pytest.approx(d[order[12]]):
            continue  # which of two equally near ones counts is nobody's business
        near, weight = good[order[:12]], 1 / (d[order[:12]] + 1e-6)
        np.testing.assert_allclose(found.phi[row], np.tensordot(weight / weight.sum(), start.phi[near], 1), atol=1e-9)
    assert np.isnan(found.error[BAD]).all() and (found.iterations[BAD] == 0).all()
    assert found.family is Family.REGISTRATION and found.grid == GRID


def test_rows_that_are_called_measured_and_hold_no_numbers():
    """They are selected by -srs, and a quadratic of fewer rows than it has terms replaces nothing."""
    bad = field(GRID, failed={})
    bad.phi[[17, 90], :3] = np.nan
    save("holes", bad)
    found = filtered("-pf", "holes.hdf", "-srs", "-clqf")
    assert np.flatnonzero(found.return_status == 3).tolist() == [17, 90] and np.isfinite(found.phi).all()
    few = filtered("-pf", "holes.hdf", "-srs", "-clqf", "-nn", 9)
    assert (few.return_status[[17, 90]] == -12).all() and np.isnan(few.phi[[17, 90], :3]).all()


def test_what_was_measured_is_kept():
    """In columns of its own, in both files; a second filter leaves the first value there."""
    start, found = field(GRID), filtered("-pf", "grid.hdf", "-srs", "-cint")
    np.testing.assert_array_equal(found.extra["measured_Phi"], start.phi[:, :3].reshape(-1, 12))
    assert (found.extra["measured_status"] == start.return_status).all()
    assert main("filterPhiField", ["-pf", "grid.hdf", "-srs", "-cint", "-pre", "once"]) == 0
    table = read_tsv("once-filtered.tsv")
    np.testing.assert_allclose(table.extra["measured_Phi"], start.phi[:, :3].reshape(-1, 12), rtol=1e-8)
    again = filtered("-pf", "once-filtered.tsv", "-fm")
    np.testing.assert_allclose(again.extra["measured_Phi"], start.phi[:, :3].reshape(-1, 12), rtol=1e-8)
    assert (again.extra["measured_status"] == start.return_status).all()
    assert (read_field("once-filtered.hdf").return_status == found.return_status).all()


def test_selection_without_correction():
    found = filtered("-pf", "grid.hdf", "-srs")
    assert (found.return_status[BAD] == -14).all() and (found.return_status == -14).sum() == len(BAD)
    assert np.isfinite(found.phi[BAD]).all() and not found.measured[BAD].any()


def test_threshold_and_mask():
    found = filtered("-pf", "grid.hdf", "-srs", "-srst", -3)
    assert (np.flatnonzero(found.return_status == -14) == [40, 100]).all()
    found = filtered("-pf", "grid.hdf", "-srs", "-nomask", "-cint")
    assert (np.flatnonzero(found.return_status == 3) == sorted(FAILED)).all()


def test_planted_rows_are_found_and_replaced():
    grid, u, wrong = planted_field()
    some = field(grid, failed={})
    right = u.copy()
    some.phi[:, :3, :3], some.phi[:, :3, 3] = np.eye(3), u
    save("planted", some)
    found = filtered("-pf", "planted.hdf", "-smed", "-clqf", "-nr", 25)
    changed = found.return_status == 3
    assert changed[wrong].mean() >= 0.95 and changed[~wrong].mean() <= 0.005
    assert (found.phi[~changed, :3, 3] == right[~changed]).all()
    other = filtered("-pf", "planted.hdf", "-slqc", "-slqct", 1e9)
    assert not (other.return_status == -14).any()
    united = filtered("-pf", "planted.hdf", "-slqc", "-smed")
    alone = [filtered("-pf", "planted.hdf", flag).return_status == -14 for flag in ("-slqc", "-smed")]
    assert ((united.return_status == -14) == (alone[0] | alone[1])).all() and (alone[0] != alone[1]).any()


def test_fitted():
    """F is that of the fit, or what -F says."""
    for part in ("all", "rigid", "no"):
        found = filtered("-pf", "flat.hdf", "-srs", "-clqf", "-nr", 40, "-F", part)
        assert found.return_status[5] == 3 and found.return_status[30] == -5
        f = found.phi[5, :3, :3]
        assert np.allclose(f, np.eye(3)) == (part == "no")
        assert np.allclose(f.T @ f, np.eye(3), atol=1e-6) == (part != "all")
    truth = phi_of(FLAT.positions())[5]
    assert np.abs(found.phi[5, :3, 3] - truth[:, 3]).max() < 0.5


def test_filters_follow_each_other():
    """Selection, correction, -fm, -fg: as in calls one after the other."""
    whole = filtered("-pf", "grid.hdf", "-srs", "-cint", "-fm", "-fg")
    for number, words in enumerate((["-pf", "grid.hdf", "-srs", "-cint"], ["-fm"], ["-fg"])):
        start = words if number == 0 else ["-pf", f"step{number - 1}-filtered.hdf", *words]
        assert main("filterPhiField", [*start, "-pre", f"step{number}"]) == 0
    steps = read_field("step2-filtered.hdf")
    np.testing.assert_array_equal(steps.phi, whole.phi)
    assert (whole.return_status[whole.measured] == 3).all() and (whole.return_status[[60, 61]] == -5).all()


def test_median_and_what_f_says():
    start = field(GRID)
    found = filtered("-pf", "grid.hdf", "-fm", "-F", "no")
    good = start.measured
    assert (found.phi[good, :3, :3] == np.eye(3)).all()
    assert (found.phi[~good, :3, :3] == start.phi[~good, :3, :3]).all()
    node = 2 * 42 + 3 * 7 + 3
    box = [node + 42 * i + 7 * j + k for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1)]
    box = [row for row in box if good[row]]
    np.testing.assert_array_equal(found.displacement[node], np.median(start.displacement[box], axis=0))


def test_by_correlation():
    cc = save_search()
    found = filtered("-pf", "search.hdf", "-scc")
    assert ((found.return_status == -14) == (cc <= 0.99)).all() and found.family is Family.SEARCH
    assert np.isnan(found.displacement[found.return_status == -14]).all()
    # of a search -srs takes what is not measured, not the matches to the whole voxel
    assert (np.flatnonzero(filtered("-pf", "search.hdf", "-srs").return_status == -14) == [7]).all()
    found = filtered("-pf", "search.hdf", "-scc", "-scct", 0.985, "-cint")
    assert (found.return_status[cc <= 0.985] == 3).all() and np.isnan(found.extra["CC"][cc <= 0.985]).all()
    cc = save_search("zero-mean", "zncc")
    assert ((filtered("-pf", "zero-mean.hdf", "-scc").return_status == -14) == (cc <= 0.6)).all()


@pytest.mark.parametrize("criterion", ["ncc", "zncc"])
def test_right_matches_pass_and_those_of_another_texture_do_not(criterion):
    """By the threshold for the criterion, which the file says, and of a table its columns."""
    still = render(lattice_texture(1), (50, 50, 50)).astype(float)
    noise = np.random.default_rng(0).normal(scale=500, size=still.shape)
    tifffile.imwrite("im1.tif", still.astype("u2"))
    tifffile.imwrite("moved.tif", np.rint(np.roll(still, (1, 2, -1), (0, 1, 2)) + noise).astype("u2"))
    tifffile.imwrite("other.tif", render(lattice_texture(2), (50, 50, 50)))
    for second, code in (("moved", 0), ("other", 1)):
        words = ["-ns", "8", "-hws", "6", "-sr", *("-3", "3") * 3, "-crit", criterion, "-pre", second]
        assert main("pixelSearch", ["im1.tif", f"{second}.tif", *words]) == code
    for end in ("hdf", "tsv"):
        main("filterPhiField", ["-pf", f"other-pixelSearch.{end}", "-scc", "-pre", "o", "--force"])  # nothing is left
        assert (read_field("o-filtered.hdf").return_status == -14).mean() >= 0.98
        found = filtered("-pf", f"moved-pixelSearch.{end}", "-scc")
        inside = ((found.positions > 10) & (found.positions < 40)).all(axis=1)  # the others have left the image
        assert not (found.return_status[inside] == -14).any()


def test_particles():
    found = filtered("-pf", "grains.hdf", "-srs", "-cint", "-nn", 4)
    assert found.return_status[2] == 3 and (found.return_status == 3).sum() == 1 and 7 in found.extra["label"]


def test_nothing_wrong(capfd):
    save("good", field(GRID, failed={}))
    found = filtered("-pf", "good.hdf", "-srs", "-cint")
    assert "no row of good.hdf is found to be wrong" in capfd.readouterr().out
    assert (found.return_status == 2).all()


def test_nothing_near():
    """A row that nothing replaces says so."""
    found = filtered("-pf", "grid.hdf", "-srs", "-cint", "-nr", 2)
    assert (found.return_status[BAD] == -12).all()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("-pf", "grid.tsv"), 2, "nothing to do"),
        (("-pf", "grid.tsv", "-cint"), 2, "need a selection"),
        (("-pf", "grid.tsv", "-srs", "-cint", "-clqf"), 2, "only one of"),
        (("-pf", "grid.tsv", "-srs", "-nr", 3, "-nn", 3), 2, "only one of"),
        (("-pf", "grid.tsv", "-scc"), 2, "no correlation coefficients"),
        (("-pf", "grains.tsv", "-fm"), 2, "8 labels that are no regular grid"),
        (("-pf", "reg.tsv", "-fm"), 2, "one row"),
        (("-pf", "failed.tsv", "-fm"), 2, "no row of failed.tsv is measured"),
        (("-pf", "failed.tsv", "-srs", "-cint"), 1, "none is left"),
        (("-pf", "nowhere.tsv", "-fm"), 2, "nowhere.tsv"),
        (("-pf", "empty.tsv", "-fm"), 2, "empty.tsv"),
    ],
)
def test_refused(words, code, told, capfd):
    Path("empty.tsv").write_text("")
    layer = some_rows(field(GRID), np.arange(42))
    layer.return_status[:] = -1
    save("failed", layer)
    check_end(capfd, (*words, "-od", "out", "-q"), [told], code, "filterPhiField")
    assert not list(Path().glob("out/*.hdf"))


def test_one_layer():
    layer = some_rows(field(GRID), np.arange(42))
    save("layer", layer)
    found = filtered("-pf", "layer.tsv", "-srs", "-smed", "-slqc", "-cint", "-fm", "-fg")
    assert (found.return_status == 3).all()
