"""Fields as spam wants them: its statuses, and tables of labels in which the number of the row is the label."""

from dataclasses import fields, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.status import STATUSES, Status

#: Most rows that a table of labels may get.
MOST_ROWS = 2**27


def for_spam(field: Field) -> Field:
    """A field to be written as a table for spam.

    Statuses become those of spam: its programs leave out all below -4, so points that have failed get a number that
    they correct. Of particles, row 0 is the background, and labels that do not exist have a row.

    Parameters
    ----------
    field : n rows

    Returns
    -------
    Field : n rows, or one for each label from 0 to the greatest. Rows that were missing have status -7, NaN, and stand
        at 0 0 0; that of the background has status 0 and no motion

    Raises
    ------
    UserError : the greatest label is so large that no table has so many rows
    """
    status = field.return_status.copy()
    for known, meaning in STATUSES.items():
        status[field.return_status == known] = meaning.for_peer
    field = replace(field, return_status=status)
    return field if "label" not in (field.extra or {}) else _row_per_label(field)


def _row_per_label(field: Field) -> Field:
    labels = field.extra["label"].astype(np.int64)
    count = int(labels.max()) + 1
    if count > MOST_ROWS:
        raise UserError(f"a table for spam has a row for each label: for label {count - 1} that are too many")

    def spread(array: np.ndarray) -> np.ndarray:
        """Each row at its label; elsewhere NaN, or 0 where the type has none."""
        missing = np.nan if array.dtype.kind == "f" else 0
        result = np.full((count, *array.shape[1:]), missing, array.dtype)
        result[labels] = array
        return result

    arrays = {one.name: getattr(field, one.name) for one in fields(Field)}
    spreads = {name: spread(array) for name, array in arrays.items() if isinstance(array, np.ndarray)}
    extra = {name: spread(array) for name, array in field.extra.items()} | {"label": np.arange(count)}
    result = replace(field, **spreads, extra=extra)
    missing = np.ones(count, bool)
    missing[labels] = False
    result.return_status[missing] = Status.BAD_START
    result.positions[missing] = 0
    if missing[0]:
        for array in (*spreads.values(), *extra.values()):
            array[0] = 0
        result.phi[0] = np.eye(4)
    return result
