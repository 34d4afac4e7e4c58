import numpy as np
import pytest
from affine_field import GRID, affine_rows, displacement, field_of_rows

from hpcdvc.errors import UserError
from hpcdvc.fields.field import ROW
from hpcdvc.fields.status import Family, Status, is_measured
from hpcdvc.output import schema
from hpcdvc.output.columns import COLUMNS, KINDS, PHI, SYMMETRIC, TENSOR, VECTOR, Column, columns_of, to_memory

BY_NAME = {column.name: column for column in COLUMNS}
OF_ROWS = [column for column in COLUMNS if schema.in_rows(column)]


def in_file(column, rows, family=Family.REGISTRATION):
    """A column as it is written."""
    return column.to_file(schema.shown_values(column, schema.members_of_rows(rows, {}), family))


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
    result = in_file(BY_NAME[name], row_of_numbers())
    assert result.dtype == BY_NAME[name].dtype
    assert result.tolist() == [expected]


def test_component_names_match_the_numbers():
    for column in OF_ROWS:
        names = column.components.names
        assert in_file(column, row_of_numbers()).shape == ((1, len(names)) if names else (1,)), column.name
    assert PHI.names[:8] == ("Fxx", "Fxy", "Fxz", "tx", "Fyx", "Fyy", "Fyz", "ty")


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("status", Status)
def test_only_measured_points_are_shown(status, family):
    row = row_of_numbers(status)
    before = row.copy()
    hidden = set() if is_measured(status, family) else {"displacement", "F", "displacement_std", "F_std"}
    for column in OF_ROWS:
        result = in_file(column, row, family).astype(float)
        assert np.isnan(result).all() == (column.name in hidden), column.name
    assert row.tobytes() == before.tobytes(), "the rows themselves must not be touched"


def test_field_comes_back_from_the_columns_of_a_file():
    rows = affine_rows(GRID.positions(), failed=[3, 17])
    columns = [column for column in OF_ROWS if not column.derived]
    members = {c.made_from: to_memory(in_file(c, rows), c.components) for c in columns}
    back, expected = schema.field_of_members(members, GRID), field_of_rows(rows, GRID)
    for name in ("phi", "positions", *schema.ATTRIBUTES):
        np.testing.assert_array_equal(getattr(back, name), getattr(expected, name), err_msg=name)
    assert (
        back.extra.keys()
        == expected.extra.keys()
        == {"zncc", "valid_fraction", "variance", "curvature", "curvature_part"}
    )
    for name, values in back.extra.items():
        np.testing.assert_array_equal(values, expected.extra[name], err_msg=name)


def test_field_of_rows_is_zyx():
    rows = affine_rows(GRID.positions(), failed=[5])
    field = field_of_rows(rows, GRID, extra={"label": np.arange(len(rows))})
    np.testing.assert_array_equal(field.displacement, displacement(GRID.positions()))
    np.testing.assert_array_equal(field.phi[:, 3], np.tile([0, 0, 0, 1], (len(rows), 1)))
    assert field.return_status[5] == Status.MAX_ITERATIONS and set(field.extra) == {
        *("zncc", "valid_fraction", "variance", "curvature", "curvature_part", "label")
    }
    rows["Phi"] = 0
    assert field.displacement[1, 0] != 0, "a field must not change with the rows it was made of"


def test_what_a_file_has_no_column_for_is_refused():
    schema.check_known(["CC", "label", "label_dilate"], "labels")
    for names, kind, words in (
        (["CC", "toy"], "grid", "the column toy is not declared"),
        (["label_dilate"], "grid", "a file of kind grid has no column label_dilate"),
        (["zncc"], "points", "the column zncc stands in the rows"),
    ):
        with pytest.raises(UserError, match=words):
            schema.check_known(names, kind)


def test_kinds_of_fields():
    assert schema.kind_of(GRID, GRID.size, ["label"]) == "grid"
    assert schema.kind_of(None, 3, ["label", "CC"]) == "labels"
    assert schema.kind_of(None, 1, ()) == "registration"
    assert schema.kind_of(None, 3, ()) == "points"


def test_columns_are_declared_once_and_documented():
    assert len(BY_NAME) == len(COLUMNS)
    tables = [name for column in COLUMNS for name in column.tsv]
    assert len(set(tables)) == len(tables)
    for column in COLUMNS:
        assert column.meaning and column.kinds and set(column.kinds) <= set(KINDS)
        if column.dtype:
            numbers = max(1, len(column.components.names))
            assert column.row_bytes == np.dtype(column.dtype).itemsize * numbers
    dense = {"displacement", "displacement_std", "returnStatus", "zncc", "cost", "transmission", "visibility", "phase"}
    voxels = {"grey", "reconstruction", "residual", "phase_map"}
    assert {column.name for column in columns_of("image")} == voxels | dense


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"components": VECTOR, "tsv": ("a", "b")}, "3 components, but 2 names"),
        ({"tif": ("a", "b")}, "1 components, but 2 names"),
        ({"components": PHI, "vtk": "a"}, "legacy VTK"),
        ({"dtype": "i4", "blank": True}, "NaN needs floating point"),
    ],
)
def test_declarations_that_contradict_themselves(arguments, words):
    with pytest.raises(ValueError, match=words):
        Column(**{"name": "a", "dtype": "f8", "unit": "", "meaning": "a"} | arguments)


def test_numbers_that_do_not_fit_the_declaration():
    for values in (np.zeros((5, 2)), np.zeros((5, 4)), np.zeros(5)):
        with pytest.raises(ValueError, match="column a has 3 numbers at each point"):
            Column("a", "f8", "", "a", VECTOR).to_file(values)


@pytest.mark.parametrize("value", [-1, 1.5, 2**40])
def test_integers_are_not_changed(value):
    column = Column("a", "u4", "", "a")
    assert column.to_file([1.0, 2.0]).tolist() == [1, 2]
    with pytest.raises(ValueError, match="column a holds uint32"):
        column.to_file(np.array([1, value]))


@pytest.mark.parametrize("components", [VECTOR, TENSOR, SYMMETRIC, PHI])
def test_file_and_memory_order_are_inverse(components):
    """Number zy of memory stands where the file says zy."""
    numbers = np.arange(2 * np.prod(components.shape)).reshape(2, *components.shape)
    stored = Column("a", "i8", "", "a", components).to_file(numbers)
    np.testing.assert_array_equal(to_memory(stored, components), numbers)
    if components is TENSOR:
        assert stored[0, TENSOR.names.index("zy")] == numbers[0, 0, 1]
    if components is SYMMETRIC:  # zz zy zx yy yx xx in memory
        assert [stored[0, SYMMETRIC.names.index(n)] for n in ("zz", "yz", "xz", "yy", "xy", "xx")] == [*range(6)]
