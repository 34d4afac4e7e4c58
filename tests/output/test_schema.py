import numpy as np
import pytest
from affine_field import GRID, affine_rows, displacement

from hpcdvc.fields.field import ROW
from hpcdvc.fields.status import STATUS_TEXT, Status
from hpcdvc.output import schema

BY_NAME = {column.name: column for column in schema.COLUMNS}


def row_of_numbers(status=Status.CONVERGED):
    """One row whose Phi is [[11, 12, 13, 14], [21, ...], [31, ...]] in ZYX, and the variances the squares of that."""
    row = np.zeros(1, ROW)
    row["Phi"] = 10 * np.arange(1, 4)[:, None] + np.arange(1, 5)
    row["variance"] = row["Phi"].reshape(1, 12) ** 2
    row["return_status"] = status
    return row


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("displacement", [34, 24, 14]),
        ("F", [33, 32, 31, 23, 22, 21, 13, 12, 11]),
        ("Phi", [33, 32, 31, 34, 23, 22, 21, 24, 13, 12, 11, 14, 0, 0, 0, 1]),
        ("displacement_std", [34, 24, 14]),
        ("F_std", [33, 32, 31, 23, 22, 21, 13, 12, 11]),
        ("Phi_variance", [k**2 for k in (33, 32, 31, 34, 23, 22, 21, 24, 13, 12, 11, 14)]),
    ],
)
def test_components_are_xyz(name, expected):
    result = schema.values(BY_NAME[name], row_of_numbers())
    assert result.dtype == BY_NAME[name].dtype
    assert result.tolist() == [expected]


def test_component_names_match_the_numbers():
    for column in schema.COLUMNS:
        if column.from_rows:
            shape = schema.values(column, row_of_numbers()).shape
            assert shape == ((1, len(column.components)) if column.components else (1,)), column.name
    assert schema.PHI[:8] == ("Fxx", "Fxy", "Fxz", "tx", "Fyx", "Fyy", "Fyz", "ty")


@pytest.mark.parametrize("status", [s for s in Status if s != Status.CONVERGED])
def test_only_converged_points_are_shown(status):
    row = row_of_numbers(status)
    before = row.copy()
    hidden = {"displacement", "F", "error", "displacement_std", "F_std"}
    for column in schema.columns():
        result = schema.values(column, row).astype(float)
        assert np.isnan(result).all() == (column.name in hidden), column.name
    assert row.tobytes() == before.tobytes(), "the rows themselves must not be touched"


def test_rows_come_back_from_the_columns():
    rows = affine_rows(GRID.positions(), failed=[3, 17])
    arrays = {c.name: schema.values(c, rows) for c in schema.columns() if c.name not in schema.DERIVED}
    back = schema.rows_of_arrays(arrays)
    for name in ROW.names:
        expected = rows[name].copy()
        if name == "error":
            expected[[3, 17]] = np.nan
        np.testing.assert_array_equal(back[name], expected, err_msg=name)


def test_field_of_rows_is_zyx():
    rows = affine_rows(GRID.positions(), failed=[5])
    field = schema.field_of_rows(rows, GRID, extra={"label": np.arange(len(rows))})
    np.testing.assert_array_equal(field.displacement, displacement(GRID.positions()))
    np.testing.assert_array_equal(field.phi[:, 3], np.tile([0, 0, 0, 1], (len(rows), 1)))
    assert field.return_status[5] == Status.MAX_ITERATIONS and set(field.extra) == {
        *("zncc", "valid_fraction", "variance", "label")
    }
    rows["Phi"] = 0
    assert field.displacement[1, 0] != 0, "a field must not change with the rows it was made of"


def test_status_table_explains_every_code():
    codes = np.array([2, 2, -5, 1, 2, -77], "i4")
    table = schema.status_table(schema.status_counts(codes))
    assert {code: entry["count"] for code, entry in table.items()} == {"2": 3, "1": 1, "-5": 1, "-77": 1}
    assert next(iter(table)) == "2"
    assert (table["1"]["reason"], table["1"]["advice"]) == STATUS_TEXT[Status.MAX_ITERATIONS]
    assert table["-77"]["reason"] == "unknown"


def test_columns_are_documented():
    assert len(BY_NAME) == len(schema.COLUMNS)
    for column in schema.COLUMNS:
        assert column.meaning and column.row_bytes == np.dtype(column.dtype).itemsize * max(1, len(column.components))
    assert [c.name for c in schema.columns({"label": None})][-1] == "label"
    assert "label" not in [c.name for c in schema.columns()]
