"""What hpcdvc-ereg-discrete keeps: a journal of decisions, each on the disk before the next, and the field they make.

The journal has a line of JSON each: the first says what it is about, the others a label, what was decided, and the row
that came of it. The last decision on a label counts. A line that a kill cut short was never answered, and is dropped.
"""

import json
import os
from dataclasses import dataclass, field

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.output import files
from hpcdvc.output.result import FieldFile
from hpcdvc.pages.discrete_rows import MANUAL_ROW, LabelRows
from hpcdvc.ranks.team import Team

#: Layout of the journal.
VERSION = 1
#: Decisions on a label; "restore" takes them back.
DECISIONS = ("accept", "skip", "reject", "restore")


@dataclass
class Journal:
    """The files of a session, and what was decided.

    Attributes
    ----------
    file : the field that is written, with its views
    key : of all that it depends on
    decided : decision by label
    anew : the journal begins anew, whatever is there
    """

    file: FieldFile
    key: str
    decided: dict[int, str] = field(default_factory=dict)
    anew: bool = True

    @property
    def path(self) -> str:
        """Path of the journal."""
        return f"{self.file.stem}.jsonl"

    @property
    def table(self) -> str:
        """Path of the table."""
        return f"{self.file.stem}.tsv"

    @property
    def paths(self) -> list[str]:
        """All files."""
        return [self.file.path, self.table, self.path]

    def check(self, force: bool) -> None:
        """Find out, before anything is read, whether the files that are there are of such a session.

        Raises
        ------
        UserError
            They are not.
        """
        self.anew = force or not os.path.lexists(self.path)
        there = next((path for path in self.paths if os.path.lexists(path)), None)
        if there is not None and not force and self._first().get("key") != self.key:
            raise UserError(
                f"{there} exists, of other images, labels, options or another -pf: -pre or -od give another name, "
                "--force overwrites it"
            )

    def _first(self) -> dict:
        try:
            with open(files.open_regular(self.path), encoding="utf-8") as stream:
                first = json.loads(stream.readline(2**20))
        except (OSError, ValueError):  # a UserError is a ValueError
            return {}
        return first if isinstance(first, dict) and first.get("version") == VERSION else {}

    def begin(self, table: LabelRows) -> None:
        """Make the journal, or take up the decisions of the one that is there.

        Raises
        ------
        UserError
            A line is none of ours.
        """
        if self.anew:
            with files.whole_file(self.path) as temporary, files.fill(temporary, encoding="utf-8") as stream:
                stream.write(
                    json.dumps({"version": VERSION, "program": "hpcdvc-ereg-discrete", "key": self.key}) + "\n"
                )
            return
        with open(files.open_regular(self.path, os.O_RDWR), "r+b") as stream:
            lines = stream.read().split(b"\n")
            stream.truncate(sum(len(line) + 1 for line in lines[:-1]))
        for number, line in enumerate(lines[1:-1], 2):
            try:
                self._take(json.loads(line), table)
            except (ValueError, KeyError, TypeError) as error:
                raise UserError(f"{self.path}, line {number}: no decision on a label") from error

    def _take(self, entry: dict, table: LabelRows) -> None:
        label, decision = int(entry["label"]), entry["decision"]
        row = table.number(label)
        if decision not in DECISIONS:
            raise ValueError(decision)
        if "row" in entry:
            table.rows[row] = row_of(entry["row"])
        self._note(label, decision)

    def _note(self, label: int, decision: str) -> None:
        self.decided.pop(label, None)
        if decision != "restore":
            self.decided[label] = decision

    def decide(self, label: int, decision: str, row: np.ndarray | None, how: str) -> None:
        """Put a decision on the disk; only then it counts.

        Parameters
        ----------
        label : number
        decision : one of DECISIONS
        row : (1,) MANUAL_ROW that came of it; None where the row stays
        how : what the label started from, for people who read it

        Raises
        ------
        RunError
            It cannot be written.
        """
        entry = {"label": label, "decision": decision, "how": how}
        if row is not None:
            entry["row"] = as_json(row)
        with files.write_errors(self.path):
            descriptor = files.open_regular(self.path, os.O_WRONLY | os.O_APPEND)
            try:
                _append(descriptor, json.dumps(entry, allow_nan=False).encode() + b"\n")
            finally:
                os.close(descriptor)
        self._note(label, decision)

    def write(self, table: LabelRows) -> None:
        """Write the field and its views, each whole at every moment."""
        self.file.write(table.rows, None, Team(), table.positions)
        self.file.write_views()


def _append(descriptor: int, line: bytes) -> None:
    """Put a line at the end of a file, and on the disk; where that fails no part of it stays, before the next line."""
    size, left = os.fstat(descriptor).st_size, memoryview(line)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
        os.fsync(descriptor)
    except OSError:
        os.ftruncate(descriptor, size)
        raise


def as_json(row: np.ndarray) -> dict:
    """A row (1,) as JSON, every digit of it; null where it is not finite."""
    return {name: _plain(row[name][0].tolist()) for name in MANUAL_ROW.names}


def _plain(value: float | list) -> float | list | None:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value if np.isfinite(value) else None


def row_of(kept: dict) -> np.ndarray:
    """The row (1,) MANUAL_ROW of `as_json`; KeyError, TypeError or ValueError where it is none."""
    row = np.zeros(1, MANUAL_ROW)
    for name in MANUAL_ROW.names:
        row[name][0] = np.array(kept[name], float)  # null is NaN
    return row
