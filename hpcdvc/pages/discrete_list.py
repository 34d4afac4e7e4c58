"""The list of labels of hpcdvc-ereg-discrete, as numbers."""

from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import reason_of
from hpcdvc.pages.discrete_rows import GUESSES, LabelRows
from hpcdvc.pages.discrete_state import LabelState

#: Columns of the list.
LISTED = (
    "row",
    "label",
    "status",
    "manual",
    "decision",
    "volume",
    "error",
    "zncc",
    "z",
    "y",
    "x",
    "guess",
    "bad",
    "there",
)
#: Decisions as its numbers.
DECIDED = {"accept": 1, "skip": 2, "reject": 3}


def listed(table: LabelRows, decided: dict[int, str], threshold: int, some: np.ndarray) -> np.ndarray:
    """Some rows of the list.

    Parameters
    ----------
    table : all rows
    decided : decisions by label
    threshold : labels of a lower return status are to be repaired
    some : (m,) numbers of the rows

    Returns
    -------
    (m, len(LISTED)) float64 array; numbers that are not known are NaN
    """
    rows, place = table.rows[some], table.place[some]
    decisions = [DECIDED.get(decided.get(label, ""), 0) for label in rows["label"].tolist()]
    columns = [
        *(some, rows["label"], rows["return_status"], rows["manual"], decisions),
        np.where(place >= 0, table.particles["volume"][place], 0),
        *(rows["error"], rows["zncc"], *table.positions[some].T),
        [GUESSES.index(name) for name in table.first_guesses(some)],
        *(table.bad(threshold)[some], place >= 0),
    ]
    return np.column_stack([np.asarray(column, float) for column in columns])


def about_label(table: LabelRows, row: int, motion: LabelState, decided: dict[int, str]) -> dict[str, Any]:
    """What a browser is told of the label that is looked at."""
    one, particle = table.rows[row], table.particles[table.place[row]]
    return {
        "number": motion.label,
        "status": int(one["return_status"]),
        "reason": reason_of(int(one["return_status"])),
        "manual": int(one["manual"]),
        "volume": int(particle["volume"]),
        "box": [particle[name].tolist() for name in ("low", "high")],
        "about": motion.about,
        "decision": decided.get(motion.label, ""),
        "how": motion.outcome.how,
        "refined": motion.outcome.row is not None,
        "guesses": table.guesses(row),
        "mask": motion.mask,
    }


def left_of(table: LabelRows, decided: dict[int, str], threshold: int) -> np.ndarray:
    """(n,) bool: labels that are to be looked at, and are not decided."""
    return table.bad(threshold) & ~np.isin(table.rows["label"], np.array(list(decided), np.int64))


def next_of(left: np.ndarray, row: int) -> int:
    """The row after this one that is left, from the first one again after the last; UserError where there is none."""
    rows = np.flatnonzero(left)
    rows = rows[rows != row]
    if not len(rows):
        raise UserError("no more labels to be repaired")
    return int(rows[np.searchsorted(rows, row) % len(rows)])


def counts(table: LabelRows, decided: dict[int, str], threshold: int) -> dict[str, int]:
    """How many labels there are, are left, and are decided how."""
    said = list(decided.values())
    left = int(np.count_nonzero(left_of(table, decided, threshold)))
    return {"labels": len(table.rows), "left": left, **{name: said.count(name) for name in DECIDED}}
