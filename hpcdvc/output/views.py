"""What the text and image views show of a `Field`: columns by the names that users of spam know."""

from collections.abc import Iterator
from math import prod

import numpy as np

from hpcdvc.fields.field import ROW, Field
from hpcdvc.output import schema
from hpcdvc.output.columns import VECTOR, Column

POSITIONS = ("Zpos", "Ypos", "Xpos")


def kind_of_field(field: Field) -> str:
    """Kind of the file that the field would be written to."""
    return schema.kind_of(field.grid, len(field), field.extra or {})


def table_columns(field: Field) -> dict[str, np.ndarray]:
    """All that a table shows of a field, (n,) by name; the last iterate of rows that are not measured, too.

    Raises
    ------
    UserError
        The field has a column that is not declared: it would be lost.
    """
    members = schema.members_of_field(field)
    kind = kind_of_field(field)
    schema.check_known(set(field.extra or {}) - set(ROW.names), kind)
    table = {"NodeNumber": np.arange(len(field)) + (len(field) == 1)}  # a registration is node 1
    table |= dict(zip(POSITIONS, field.positions.T, strict=True))
    for column in schema.present(members, kind):
        if column.tsv:
            # without numbers that are the same everywhere what it is made from will do, and needs no copy
            constant = column.components.constant > 0
            values = members[column.made_from] if constant else schema.values(column, members)
            table |= _by_name(column.tsv, values)
    return table


def _by_name(names: tuple[str, ...], array: np.ndarray) -> dict[str, np.ndarray]:
    return dict(zip(names, array.reshape(len(array), prod(array.shape[1:])).T, strict=False))


def images(field: Field) -> Iterator[tuple[str, np.ndarray]]:
    """Names and values (n,) of the images of a field, NaN where a row is not measured; no z of vectors in 2-D."""
    members = schema.members_of_field(field)
    # the nodes of an image in two dimensions stand at z = 0, those of a volume never do
    flat = field.grid is not None and field.grid.shape[0] == 1 and field.grid.origin[0] == 0
    for column in schema.present(members, kind_of_field(field)):
        if column.tif:
            named = _by_name(column.tif, schema.shown_values(column, members, field.family))
            yield from ((name, named[name]) for name in names_of(column, flat))


def names_of(column: Column, flat: bool) -> tuple[str, ...]:
    """Names of the images of a column; `flat`: vectors have no z there."""
    return column.tif[1:] if flat and column.components is VECTOR else column.tif


def vtk_arrays(field: Field) -> Iterator[tuple[Column, np.ndarray]]:
    """Columns that legacy VTK files show, and their values (n,) or (n, components), XYZ, NaN where not measured."""
    members = schema.members_of_field(field)
    for column in schema.present(members, kind_of_field(field)):
        if column.vtk:
            yield column, column.to_file(schema.shown_values(column, members, field.family))
