"""Commands that make fields of fields: input that does not fit, and what they say of it."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from reg_ends import own_folder
from table_cases import GRID, field, filtered, save, save_all

from hpcdvc.cli import main
from hpcdvc.fields.rows import some_rows


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_all()
        yield tmp_path


@pytest.mark.parametrize("end", ["hdf", "tsv"])
@pytest.mark.parametrize(("kind", "words"), [("points", "are the same point"), ("labels", "have the same label")])
def test_a_point_that_is_there_twice(kind, words, end, capfd):
    """In .hdf files as in tables."""
    some = some_rows(field(GRID, failed={}), np.array([5, 9, 50, 77, 130, 9]))
    some.extra |= {"label": np.array([3, 7, 8, 9, 12, 7], np.uint32)} if kind == "labels" else {}
    save("sound", some_rows(some, np.arange(5)))
    shutil.copy(f"sound.{end}", f"twice.{end}")
    if end == "hdf":
        save("twice", some)
    else:
        lines = Path("twice.tsv").read_text().split("\n")
        Path("twice.tsv").write_text("\n".join([*lines[:6], lines[2].replace("1\t", "5\t", 1), ""]))
    for command in (
        ["filterPhiField", "-pf", f"twice.{end}", "-srs", "-cint"],
        ["passPhiField", "-pf", f"twice.{end}", "-nn", "2", "-ns", "20", "-im1", "im1.tif"],
        ["mergePhis", f"twice.{end}", "reg.tsv"],
        ["discreteStrain", f"twice.{end}"],
    ):
        assert main(command[0], command[1:]) == 2
        assert f"twice.{end}: rows 2 and 6 {words}" in capfd.readouterr().err


def test_strain_of_a_field_does_not_stay_when_the_field_changes(capfd):
    assert main("regularStrain", ["grid.hdf", "-comp", "vol", "-hws", "4"]) == 0
    found = filtered("-pf", "grid-strain-Geers.hdf", "-fm")
    assert "columns of strain are left out" in capfd.readouterr().err
    assert not {"vol", "vol_std"} & set(found.extra)


def test_what_is_replaced_and_what_is_smoothed_is_counted_apart(capfd):
    filtered("-pf", "grid.hdf", "-srs", "-cint", "-fm")
    out = capfd.readouterr().out
    assert "4 of 4 wrong rows are replaced" in out and "-fm smooths 208 of 210 rows" in out


def test_few_points_and_their_file(capfd):
    save("few", some_rows(field(GRID, failed={}), np.arange(3)))
    assert main("discreteStrain", ["few.hdf"]) == 2
    assert "few.hdf: a tetrahedron needs 4 nodes" in capfd.readouterr().err
