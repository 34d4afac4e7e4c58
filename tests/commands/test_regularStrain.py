"""hpcdvc-regularStrain as a whole: what it writes of fields whose strain is known, on any number of ranks."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from reg_ends import is_one_sentence, own_folder
from strain_cases import FLAT_F, F, affine_field, save, table, tensor

from hpcdvc.cli import main
from hpcdvc.fields.strain import strain_components
from hpcdvc.options.regularStrain import Options
from hpcdvc.options.strain import NAMES
from hpcdvc.output.hdf5 import read_field
from hpcdvc.ranks.team import Team
from hpcdvc.workflows.regularStrain import run

MODES = {"Geers": (), "Q8": ("-cub",), "raw": ("-raw",), "poly1": ("-poly", "1"), "poly2": ("-poly", "2")}
ROWS, COLUMNS = np.triu_indices(3)
E_TRUE = (0.5 * (F + F.T) - np.eye(3))[ROWS, COLUMNS]


@pytest.fixture
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        yield tmp_path


def strain(*words, field="field.tsv", mode="Geers", code=0):
    """Rows of the table of field.tsv; overwrites."""
    assert main("regularStrain", [field, "--force", *map(str, words)]) == code
    return table(f"{Path(field).stem}-strain-{mode}.tsv") if code == 0 else None


@pytest.mark.parametrize("mode", [name for name in MODES if name != "raw"])
def test_affine_field(mode, here, capfd):
    """Exact at all nodes that are measured, next to those that are not, with unequal spacing."""
    status = np.full(210, 2)
    status[[0, 55, 100, 101]] = -5, -3, 1, -9
    save("field.tsv", affine_field(status=status))
    rows = strain(*MODES[mode], "-comp", "e", "vol", mode=mode)
    assert "no standard deviations: field.tsv holds none of its displacements" in capfd.readouterr().err
    there = np.isfinite(rows["vol"])
    assert np.abs(tensor(rows, "e")[there] - E_TRUE).max() < 1e-9
    assert rows["vol"][there] == pytest.approx(np.linalg.det(F) - 1, abs=1e-9)
    field = read_field(f"field-strain-{mode}.hdf")
    assert (field.measured == there).all() and np.abs(field.phi[there, :3, :3] - F).max() < 1e-9
    if mode == "Q8":
        assert len(rows) == 4 * 5 * 6 and rows["Zpos"][0] == 30 and rows["Xpos"][0] == 15
        assert set(rows["returnStatus"]) == {1, -12} and there.sum() == 120 - 1 - 4 - 12
    else:
        assert (there == (status == 2)).all() and rows["returnStatus"][[0, 55, 100, 101]].tolist() == [-5, -3, 0, -9]
        assert field.displacement[there] == pytest.approx(affine_field().displacement[there], abs=1e-6)


def test_raw_takes_the_f_of_the_windows_and_needs_no_grid(here, capfd):
    field = affine_field(variance=1e-6)
    field.phi[:, :3, :3] = F + 1e-3 * np.random.default_rng(0).standard_normal((210, 3, 3))
    field.phi[7, 2, 2] = -1
    labels = replace(field, grid=None, extra={**field.extra, "label": np.arange(5, 215)})
    for some, name in ((field, "field.tsv"), (labels, "labels.tsv")):
        save(name, some)
        rows = strain("-raw", "-comp", "U", field=name, mode="raw")
        expected = strain_components(field.phi[:, :3, :3], ("U",))["U"]
        assert tensor(rows, "U") == pytest.approx(expected, abs=1e-8, nan_ok=True)
        assert rows["returnStatus"][6:9].tolist() == [1, -4, 1] and np.isnan(rows["Uzz"]).sum() == 1
    assert rows["Label"].tolist() == list(range(5, 215))
    assert "virtual strain gauge: single windows, whose size is not known\n" in capfd.readouterr().out


def test_components_and_views(here):
    save("field.tsv", affine_field(variance=1e-4))
    rows = strain("-comp", *NAMES, "-hws", 10, "-vtk", "-tif")
    names = list(rows.dtype.names)
    assert names[:8] == ["StrainPointNumber", "Zpos", "Ypos", "Xpos", "vol", "vol_std", "dev", "dev_std"]
    assert names[names.index("Uzz") : names.index("Uzz") + 6] == ["Uzz", "Uzy", "Uzx", "Uyy", "Uyx", "Uxx"]
    assert {"rz", "zz", "Upx", "GLyx", "Hzz", "epz", "Ud3x", "eq", "eqss_std", "Hxx_std"} < set(names)
    assert not {"Ud1z_std", "NodeNumber", "Zdisp"} & set(names) and names[-1] == "returnStatus"
    image = tifffile.imread("field-Hzx_std-Geers.tif")
    assert image.dtype == "f4" and image.shape == (5, 6, 7)
    assert image.ravel() == pytest.approx(rows["Hzx_std"], rel=1e-6)
    text = Path("field-strain-Geers.vtk").read_text()
    assert all(line in text for line in ("SCALARS vol_std ", "VECTORS Up ", "TENSORS GL ", "DIMENSIONS 8 7 6"))
    assert "displacements" not in text
    field = read_field("field-strain-Geers.hdf")
    assert field.extra["e"] == pytest.approx(tensor(rows, "e"), abs=1e-8) and field.extra["r"].shape == (210, 3)


def test_two_dimensions(here):
    save("field.tsv", affine_field((1, 8, 9), (1.0, 15.0, 10.0), FLAT_F, 1e-4, flat=True))
    for mode, words in (("Geers", ()), ("Q4", ("-q8",)), ("poly2", ("-poly", 2))):
        rows = strain(*words, "-comp", "e", "vol", "Up", "-tif", "-hws", 10, mode=mode)
        assert rows["vol"] == pytest.approx(np.linalg.det(FLAT_F) - 1, abs=1e-9)
        assert (rows["ezz"] == 0).all() and (rows["Upz"] == 0).all() and (rows["Zpos"] == 0).all()
        assert (rows["ezz_std"] == 0).all() and (rows["eyx_std"] > 0).all()
        assert Path(f"field-eyx-{mode}.tif").exists() and not Path(f"field-ezx-{mode}.tif").exists()


def test_windows_are_known_from_the_file_or_from_hws(here, capfd):
    """Standard deviations of a strain that is a difference of two displacements, one by one."""
    from ldic_cases import save_pair

    save_pair()
    assert main("ldic", ["im1.tif", "im2.tif", "-ns", "8", "-hws", "5", "--no-search", "-q"]) == 0
    ldic = read_field("im1-im2-ldic.hdf")
    rows = strain("-cub", "-comp", "volss", field="im1-im2-ldic.hdf", mode="Q8")
    told = capfd.readouterr().out
    assert "virtual strain gauge: 19 x 19 x 19 voxels, 1.727 x 1.727 x 1.727 windows" in told
    given = strain("-cub", "-comp", "volss", "-hws", 5, field="im1-im2-ldic.tsv", mode="Q8")
    assert given["volss_std"] == pytest.approx(rows["volss_std"], rel=1e-6, nan_ok=True)
    cell = int(np.flatnonzero(np.isfinite(rows["volss_std"]))[0])
    k, j, i = np.unravel_index(cell, np.array(ldic.grid.shape) - 1)
    nodes = np.arange(len(ldic)).reshape(ldic.grid.shape)[k : k + 2, j : j + 2, i : i + 2].ravel()
    steps = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)])
    shared = np.prod(np.clip(1 - 8 * np.abs(steps[:, None] - steps) / 11, 0, None), axis=-1)
    terms = (2 * steps - 1) / 32 * np.sqrt(ldic.extra["variance"][nodes, 3::4])
    assert rows["volss_std"][cell] == pytest.approx(np.sqrt(np.einsum("ai,ab,bi", terms, shared, terms)))
    # twice as large: the same strain of the same windows
    twice = strain("-cub", "-comp", "volss", "-hws", 5, "-pfb", 2, field="im1-im2-ldic.tsv", mode="Q8")
    assert twice["Xpos"] == pytest.approx(2 * rows["Xpos"])
    assert twice["volss_std"] == pytest.approx(rows["volss_std"], rel=0.03, nan_ok=True)
    capfd.readouterr()
    rows = strain("-cub", field="im1-im2-ldic.tsv", mode="Q8")
    assert "-hws does" in capfd.readouterr().err and "vol_std" not in rows.dtype.names
    strain("-hws", 7, field="im1-im2-ldic.hdf")
    assert "-hws is ignored" in capfd.readouterr().err


def test_rows_that_count(here, capfd):
    status = np.full(210, 2)
    status[:30] = 1
    field = affine_field(status=status)
    field.phi[0, :3, 3] = np.nan
    save("field.tsv", field)
    for words, count in (((), 180), (("-rst", 1), 209), (("-nomask",), 209), (("-nomaskBad",), 209)):
        assert np.isfinite(strain(*words)["vol"]).sum() == count
    assert main("regularStrain", ["field.tsv", "-rst", "9"]) == 2
    assert is_one_sentence(capfd.readouterr().err.splitlines()[-1], "at least -rst 9", "30 of status 1")


def test_no_neighbour_across_a_gap_of_the_specimen(here):
    field = affine_field((5, 6, 7), (8.0, 8.0, 8.0))
    field.phi[field.positions[:, 2] > 33, 0, 3] += 5
    save("field.tsv", field)
    mask = np.ones((48, 56, 64), "u1")
    mask[:, :, 36] = 0
    mask[:12, :12, :12] = 0
    tifffile.imwrite("mask.tif", mask)
    for mode, words in MODES.items():
        if mode == "raw":
            continue
        assert np.nanmax(np.abs(tensor(strain(*words, "-comp", "e", mode=mode), "e") - E_TRUE)) > 0.1
        rows = strain(*words, "-comp", "e", "-mf1", "mask.tif", mode=mode)
        there = np.isfinite(rows["ezz"])
        assert np.abs(tensor(rows, "e")[there] - E_TRUE).max() < 1e-9 and there.mean() > 0.5
        if mode != "Q8":
            assert there.sum() == 209 and rows["returnStatus"][0] == -5
    tifffile.imwrite("small.tif", mask[:, :, :40])
    assert main("regularStrain", ["field.tsv", "-mf1", "small.tif", "--force"]) == 2


def points_not_on_a_grid():
    field = affine_field()
    return replace(field, grid=None, positions=field.positions + np.random.default_rng(0).random((210, 3)))


REFUSED = {
    "no field": (None, (), "the field is missing"),
    "twice": (affine_field, ("-pf", "field.tsv", "field.tsv"), "given twice"),
    "gone": (None, ("field.tsv",), "field.tsv"),
    "no component": (affine_field, ("field.tsv", "-comp", "vol", "strain"), "must be vol, dev"),
    "component twice": (affine_field, ("field.tsv", "-comp", "vol", "vol"), "vol twice"),
    "two modes": (affine_field, ("field.tsv", "-cub", "-raw"), "-cub and -raw"),
    "radius of cells": (affine_field, ("field.tsv", "-q8", "-r", "2"), "-r is for -g and -poly"),
    "radius of nothing": (affine_field, ("field.tsv", "-r", "0.5"), "at least 1"),
    "third order": (affine_field, ("field.tsv", "-poly", "3"), "-poly"),
    "both thresholds": (affine_field, ("field.tsv", "-nomask", "-rst", "1"), "-rst and -nomask"),
    "labels": (
        lambda: replace(points_not_on_a_grid(), extra={"label": np.arange(1, 211)}),
        ("field.tsv",), "210 labels that are no regular grid",
    ),
    "points": (points_not_on_a_grid, ("field.tsv",), "no regular grid"),
    "one layer": (lambda: affine_field((1, 6, 7)), ("field.tsv",), "one layer of nodes along Z"),
    "one row": (lambda: affine_field((5, 6, 1)), ("field.tsv",), "one layer of nodes along X"),
    "nothing measured": (lambda: affine_field(status=np.full(210, -5)), ("field.tsv",), "no row of field.tsv is"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, here, capfd):
    make, words, told = REFUSED[case]
    if make:
        save("field.tsv", make())
    assert main("regularStrain", list(words)) == 2
    assert is_one_sentence(capfd.readouterr().err, told)
    assert not list(Path().glob("*strain*"))


def test_a_point_in_the_table_twice(here, capfd):
    save("field.tsv", affine_field())
    lines = Path("field.tsv").read_text().splitlines()
    Path("field.tsv").write_text("\n".join([*lines[:4], lines[3], *lines[5:]]) + "\n")
    assert main("regularStrain", ["field.tsv"]) == 2
    assert is_one_sentence(capfd.readouterr().err, "rows 3 and 4 are the same point")


def test_nothing_comes_of_it(here, capfd):
    """Too few neighbours everywhere: the file says so, and so does the exit code."""
    save("field.tsv", affine_field(status=np.where(np.arange(210) % 42 == 0, 2, -5)))
    assert main("regularStrain", ["field.tsv"]) == 1
    assert "no point has a strain" in capfd.readouterr().err and Path("field-strain-Geers.hdf").exists()


def results(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if not path.name.endswith(".run.json")}


@pytest.mark.mpi
def test_the_same_bytes_on_any_number_of_ranks(team, tmp_path_factory):
    folder = Path(team.agree(lambda: str(tmp_path_factory.mktemp("strain"))))

    def prepare():
        rng = np.random.default_rng(4)
        field = affine_field(variance=1e-4, status=rng.choice([2, 2, 2, -3], 210))
        field.phi[:, :3, 3] += 0.1 * rng.standard_normal((len(field), 3))
        save(str(folder / "field.tsv"), field)
        mask = np.ones((120, 80, 90), "u1")
        mask[50:56, 25:35] = 0
        tifffile.imwrite(folder / "mask.tif", mask)

    team.agree(prepare)
    for modes in ({}, {"cells": True}, {"polynomial": 2}):
        words = {
            "field": str(folder / "field.tsv"),
            "half_window_size": 12,
            "components": ("vol", "U", "r", "H"),
            **modes,
        }
        words["mask1"] = str(folder / "mask.tif")
        run(Options(**words, out_dir=str(folder / "together"), quiet=True, force=True), team)
        team.on_root(lambda: run(Options(**words, out_dir=str(folder / "alone"), quiet=True, force=True), Team()))  # noqa: B023
        team.barrier()
    same = team.agree(lambda: results(folder / "together") == results(folder / "alone"))
    assert same and len(team.agree(lambda: list(results(folder / "alone")))) == 6
