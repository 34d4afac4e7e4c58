"""Rows of a field that can be used, and the sentences when there are none."""

import logging
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.status import Family
from hpcdvc.steps.selection import check_in_image, usable_rows, within_radius

IMAGE = SimpleNamespace(spec="im1.tif", shape=(20, 30, 40))


def field(*status: int) -> Field:
    n = len(status)
    zeros = np.zeros(n)
    return Field(np.ones((n, 3)), np.tile(np.eye(4), (n, 1, 1)), np.array(status), zeros, zeros, zeros)


def test_rows_by_status():
    found = field(2, 1, -5, 2, 0)
    assert usable_rows(found, 2, "f.tsv").tolist() == [0, 3]
    assert usable_rows(found, 1, "f.tsv").tolist() == [0, 1, 3]
    assert usable_rows(found, -9, "f.tsv").tolist() == [0, 1, 2, 3, 4]
    assert usable_rows(found, None, "f.tsv").tolist() == [0, 3], "those of a registration that are measured"
    assert usable_rows(replace(found, family=Family.SEARCH), None, "f.tsv").tolist() == [0, 1, 3]


def test_rows_that_are_not_finite():
    found = field(2, 2, 2)
    found.phi[1, 0, 3], found.positions[2, 0] = np.nan, np.inf
    assert usable_rows(found, 2, "f.tsv").tolist() == [0]
    found = replace(found, return_status=np.array([1, 2, 2]))
    with pytest.raises(UserError, match="no row of f.tsv that is measured is finite"):
        usable_rows(found, None, "f.tsv")
    with pytest.raises(UserError, match="no row of f.tsv with a return status of at least -rst 2 is finite"):
        usable_rows(found, 2, "f.tsv")


def test_no_row_says_what_there_is():
    with pytest.raises(UserError, match=r"no row of f.tsv .* at least -rst 2: it holds 3 of status 1, 1 of status -5"):
        usable_rows(field(1, 1, -5, 1), 2, "f.tsv")
    with pytest.raises(UserError, match=r"no row of f.tsv is measured: it holds 3 of status 1, 1 of status -5"):
        usable_rows(field(1, 1, -5, 1), None, "f.tsv")


def test_radius_is_about_the_axis_along_z():
    positions = np.array([[-50, 14.5, 19.5], [3, 14.5, 29.5], [3, 4.5, 19.5], [3, 4.4, 19.5], [0, 21.5, 26.5]])
    assert within_radius(positions, 10.0, IMAGE.shape, "f.tsv").tolist() == [True, True, True, False, True]
    with pytest.raises(UserError, match=r"-rad 5 excludes all nodes of f.tsv: the nearest is 9.9 voxels"):
        within_radius(positions[-1:], 5.0, IMAGE.shape, "f.tsv")


def test_nodes_outside_the_image(caplog):
    inside = np.array([[0.0, 0, 0], [19, 29, 39]])
    with caplog.at_level(logging.WARNING, "hpcdvc"):
        check_in_image(inside, IMAGE, "f.tsv")
        assert not caplog.records
        check_in_image(np.concatenate([inside, [[5, 5, 39.1]]]), IMAGE, "f.tsv")
    (record,) = caplog.records
    assert record.message.startswith("1 of 3 nodes of f.tsv lie outside im1.tif: they reach from 0 0 0 to 19 29 39.1")
    with pytest.raises(UserError, match=r"all 2 nodes of f.tsv lie outside im1.tif: .* 20 x 30 x 40 .*-pfb"):
        check_in_image(inside + 40, IMAGE, "f.tsv")
