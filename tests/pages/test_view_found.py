"""The images behind results that were made from a field: strain, filtered, passed on."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
import view_cases as cases
from ldic_cases import FIELD, save_registration
from reg_ends import run_in_process

from hpcdvc.output import hdf5
from hpcdvc.pages.result_file import open_result
from hpcdvc.pages.view_found import found_images
from hpcdvc.pages.view_images import Images, given_images

#: Each in a folder of its own, from the one before or a field.
MADE = {
    "strain": ["regularStrain", "g-ldic.hdf"],
    "filtered": ["filterPhiField", "-pf", "g-ldic.hdf", "-fm"],
    "passed": ["passPhiField", "-pf", "filtered/g-ldic-filtered.hdf", "-ns", "5", "-im1", "im1.tif", "-pre", "P"],
    "labels": ["filterPhiField", "-pf", "l-ddic.hdf", "-srs", "-cint", "-nn", "5"],
    "cells": ["discreteStrain", "l-ddic.hdf"],
    "other": ["passPhiField", "-pf", "g-ldic.hdf", "-ns", "5", "-im1", "im2.tif", "-pre", "P"],
    "binned": ["passPhiField", "-pf", "g-ldic.hdf", "-pfb", "2", "-ns", "9", "-im1", "im1.tif", "-pre", "P"],
    "unlike": ["regularStrain", "u-ldic.hdf"],
    "subtracted": ["passPhiField", "-pf", "g-ldic.hdf", "-regs", "reg.tsv"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("found")
    cases.save_images(folder)
    cases.save_results(folder)
    unlike = cases.metadata(folder, {"im1": "im1.tif", "im2": "flat1.tif"})
    hdf5.write_field(folder / "u-ldic.hdf", cases.rows_at(cases.GRID.positions(), FIELD), 0, cases.GRID, unlike)
    save_registration(folder / "reg.tsv", FIELD)
    for name, words in MADE.items():
        run_in_process(*words, "-od", name, "-q", cwd=folder)
    return folder


@pytest.fixture
def here(made, tmp_path, monkeypatch):
    shutil.copytree(made, tmp_path / "all")
    monkeypatch.chdir(tmp_path / "all")
    return tmp_path / "all"


def found_of(name: str, images: Images | None = None) -> Images:
    (path,) = Path(name).glob("*.hdf")
    with open_result(str(path)) as result:
        return found_images(images or Images(), result)


@pytest.mark.parametrize("name", ["strain", "filtered", "passed", "labels", "cells"])
def test_the_images_are_those_of_the_field(here, name):
    """Where a field was made from a field, too; the labels with them where there are such."""
    found = found_of(name)
    assert (found.why, found.im1.path, found.im2.path) == ("", "im1.tif", "im2.tif")
    assert (found.labels.path if found.labels else None) == ("labels.tif" if name == "labels" else None)


def test_labels_of_the_field_under_images_of_the_command_line(here):
    found = found_of("labels", given_images(("im2.tif", "im1.tif"), 1, None)[0])
    assert [found.im1.path, found.im2.path, found.labels.path] == ["im2.tif", "im1.tif", "labels.tif"]


@pytest.mark.parametrize("name", ["other", "binned", "unlike", "subtracted"])
def test_a_motion_between_other_images_has_none(here, name):
    found = found_of(name)
    assert found.im1 is None and found.im2 is None and found.why == "it was not made from a pair of images"


def test_a_start_has_no_images_for_what_was_measured_from_it(here):
    with open_result("strain/g-ldic-strain-Geers.hdf") as result:
        result.metadata["provenance"]["im2"] = {"name": "im3.tif"}
        assert found_images(Images(), result).why == "it was not made from a pair of images"


def test_files_that_have_changed_since_are_not_followed(here):
    tifffile.imwrite("im2.tif", np.full((38, 40, 49), 3, "u2"), photometric="minisblack")
    assert "im2.tif is not the image" in found_of("passed").why
    shutil.copyfile("m-GDIC.hdf", "g-ldic.hdf")
    assert "g-ldic.hdf is not the field" in found_of("strain").why and found_of("strain").im1 is None
    os.remove("l-ddic.hdf")
    assert "l-ddic.hdf: no such file" in found_of("cells").why
    os.mkfifo("l-ddic.hdf")
    assert "no regular file" in found_of("cells").why


def test_a_table_names_no_images(here):
    run_in_process("regularStrain", "filtered/g-ldic-filtered.tsv", "-od", "table", "-q", cwd=here)
    assert "results end in .hdf" in found_of("table").why
