"""Single numbers of a field by the names that users know them by: those of tables and images."""

from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.fields.field import Field
from hpcdvc.fields.status import is_measured
from hpcdvc.output import schema, views
from hpcdvc.output.columns import SCALAR
from hpcdvc.output.layout import OTHER_NAMES


def scalar_named(field: Field, name: str, path: str | Path) -> np.ndarray:
    """A column of a field, or a component of one.

    Parameters
    ----------
    field : n rows
    name : as in tables (Zdisp, Fzz, returnStatus), those of older versions and of particles (PSCC) too, or as in the
        file where the column is a single number
    path : where the field comes from, for messages

    Returns
    -------
    (n,) array; displacement, F and what else is declared so are NaN where a row is not measured

    Raises
    ------
    UserError
        There is no such column; the sentence says which there are.
    """
    found = _scalars(field)
    known = name if name in found else OTHER_NAMES.get(name, name)
    if known not in found:
        raise UserError(f"{path} has no column {quoted(name)}: it has {', '.join(found)}")
    return found[known]


def _scalars(field: Field) -> dict[str, np.ndarray]:
    members, known = schema.members_of_field(field), set()
    found = dict(zip(views.POSITIONS, field.positions.T, strict=True))
    measured = is_measured(field.return_status, field.family)
    for column in schema.present(members, views.kind_of_field(field)):
        known.add(column.made_from)
        names = column.tsv or ((column.name,) if column.components is SCALAR else ())
        if not names:
            continue
        values = schema.shown_values(column, members, field.family)
        if column.made_from == "Phi":  # tables have the last iterate
            values = np.where(measured.reshape(-1, *[1] * (values.ndim - 1)), values, np.nan)
        width = len(names)
        flat = values.reshape(len(field), -1)[:, :width]
        found |= dict(zip(names, flat.T, strict=True))
    # columns that this version does not know
    others = {name: values for name, values in members.items() if name not in known and np.ndim(values) == 1}
    return found | others
