"""Rotations, stretches and strains against the tables that spam has written."""

from pathlib import Path

import numpy as np
import pytest

from hpcdvc.fields.decomposition import StrainDecomposition, decompose_f
from hpcdvc.output.tsv import read_tsv

SCALARS = ("vol", "dev", "volss", "devss")


def compare(parts: StrainDecomposition, path: Path, columns: str) -> None:
    """Columns of a table of spam-regularStrain, seven decimals, with our fields."""
    table = np.genfromtxt(path, names=True)
    rows = np.isfinite(table["vol"])
    assert rows.sum() > 50
    for name in columns.split():
        field, place = (name, ()) if name in SCALARS else (name[0], tuple("zyx".index(axis) for axis in name[1:]))
        ours = getattr(parts, field)[:, *place]
        assert ours[rows] == pytest.approx(table[name][rows], abs=2e-6 if field == "r" else 3e-7), name


TENSORS = "rz ry rx Uzz Uzy Uzx Uyy Uyx Uxx ezz ezy ezx eyy eyx exx"


def test_as_spam_in_three_dimensions(shared):
    spam = shared / "oracle" / "spam"
    field = read_tsv(spam / "ldic-tex-field" / "tex1-tex2-field-ldic.tsv")
    parts = decompose_f(field.phi[:, :3, :3])
    compare(parts, spam / "strain-raw" / "tex1-tex2-field-ldic-strain-raw.tsv", f"vol dev {TENSORS}")


def test_as_spam_in_two_dimensions(shared):
    """Of a cell between four nodes the gradient is the mean of those along its edges."""
    spam = shared / "oracle" / "spam"
    field = read_tsv(spam / "ldic-2d" / "tex2d1-tex2d2-field-ldic.tsv")
    good = np.where((field.return_status == 2)[:, None], field.displacement, np.nan)
    u = good.reshape(*field.grid.shape[1:], 3)
    f = np.tile(np.eye(3), (u.shape[0] - 1, u.shape[1] - 1, 1, 1))
    f[..., 1] += (np.diff(u, axis=0)[:, 1:] + np.diff(u, axis=0)[:, :-1]) / 2 / field.grid.spacing[1]
    f[..., 2] += (np.diff(u, axis=1)[1:] + np.diff(u, axis=1)[:-1]) / 2 / field.grid.spacing[2]
    parts = decompose_f(f.reshape(-1, 3, 3), two_d=True)
    path = spam / "strain-2d-q4" / "tex2d1-tex2d2-field-ldic-strain-Q4.tsv"
    compare(parts, path, f"vol dev volss devss {TENSORS}")
