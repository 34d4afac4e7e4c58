"""Tables of numbers below one header line, tab-separated: each rank reads the lines of its part of the file.

Numbers are made of a block of lines at a time, so that a table never stands in memory twice.
"""

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from hpcdvc.errors import RunError, UserError, file_error, quoted, shortened
from hpcdvc.output import files

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

#: Bytes of text that become numbers at a time, and the longest line.
BLOCK = 2**23
#: Files from this size on, bytes, are read by all ranks.
READ_TOGETHER_FROM = 2**24


class Changed(RunError):
    """A table was written or replaced between two looks at it."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} changed during the run, while it was read")


@dataclass(frozen=True)
class Head:
    """What the first line of a table says.

    Attributes
    ----------
    path : the file
    names : of the columns, as they stand there
    begin, end : bytes between which the rows stand
    state : number of the file, bytes and time of the last change: its rows are those of the same one
    """

    path: Path
    names: list[str]
    begin: int
    end: int
    state: tuple[int, int, int]


@dataclass(frozen=True)
class Share:
    """The rows that a rank reads.

    Attributes
    ----------
    head : of the table
    begin, end : bytes between which they stand
    line : number of the first line, from 1 on
    first, count : number of the first row, from 0 on, and of the rows
    total : number of rows of all ranks
    ends : numbers of the rows at which those of each node begin, and of all rows
    """

    head: Head
    begin: int
    end: int
    line: int
    first: int
    count: int
    total: int
    ends: tuple[int, ...]

    def blocks(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Numbers of rows among all, and what stands in them, (rows, columns) float64.

        Raises
        ------
        UserError : a line is no row of such a table; RunError : the disk or the memory has failed
        """
        row, line = self.first, self.line
        for lines in _blocks(self.head, self.begin, self.end, self.line):
            found = [text for text in lines if text.strip()]
            if found:
                table = _numbers(self.head, lines, found, line)
                yield slice(row, row + len(table)), table
            row, line = row + len(found), line + len(lines)
        if row != self.first + self.count:
            raise Changed(self.head.path)


def read_head(path: str | Path) -> Head:
    """The first line of a table, and where the rows are.

    Raises
    ------
    UserError : no such file, or no table; the sentence names the file and the line
    """
    path = Path(path)
    files.check_regular(path)
    try:
        with open(path, "rb") as file:
            state = _state(file)
            text = file.read(BLOCK)
    except OSError as error:
        raise file_error(path, error) or error from error
    ends = [place for place in (text.find(b"\n"), text.find(b"\r")) if place >= 0]
    length = min(ends, default=len(text))
    begin = length + (2 if text[length : length + 2] == b"\r\n" else 1)
    try:
        header = text[:length].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file") from None
    if not header:
        raise UserError(f"{path} has no header line" if text else f"{path} is empty")
    if "\0" in header:
        raise UserError(f"{path} is not a text file")
    names = [name.strip() for name in header.split("\t")]
    _check_first_rows(path, text[begin : begin + 2**16], len(names))
    return Head(path, names, min(begin, state[1]), state[1], state)


def _state(file: IO[bytes]) -> tuple[int, int, int]:
    status = os.fstat(file.fileno())
    return status.st_ino, status.st_size, status.st_mtime_ns


def _check_first_rows(path: Path, text: bytes, width: int) -> None:
    """A look at the first rows: what is no table at all is told so, whatever its header names."""
    lines = list(io.StringIO(text.decode(errors="replace"), newline=None))
    whole = lines if len(lines) == 1 else lines[:-1]  # the last may be cut
    words = next(_faults(whole[:10], width, 2), None)
    if words:
        raise UserError(f"{path}, {words}")


def share_of(head: Head, team: "Team | None" = None) -> Share:
    """The rows that this rank reads: all of them without other ranks. Collective.

    Parameters
    ----------
    head : the same on all ranks
    team : hpcdvc.ranks.team.Team; those of a node have neighbouring rows

    Raises
    ------
    UserError : there are no rows, or the text cannot be read; on every rank
    """
    if team is None or team.size == 1:
        lines, count = _count(head, head.begin, head.end)
        share = Share(head, head.begin, head.end, 2, 0, count, count, (0, count))
    else:
        place = sum(team.node_sizes[: team.node_index]) + team.node_rank
        begin, end = team.agree_all(lambda: tuple(_line_at(head, k, team.size) for k in (place, place + 1)))
        lines, count = team.agree_all(lambda: _count(head, begin, end))
        known = sorted(team.all_gather((place, team.node_index, lines, count)))
        line, first, total = (
            sum(entry[k] for entry in known[:stop]) for k, stop in ((2, place), (3, place), (3, None))
        )
        ends = [sum(entry[3] for entry in known if entry[1] < node) for node in range(team.node_count + 1)]
        share = Share(head, begin, end, 2 + line, first, count, total, tuple(ends))
    if not share.total:
        error = UserError(f"{head.path} has a header line, but no rows")
        if team is not None:
            team.fail(error)
        raise error
    return share


def _line_at(head: Head, part: int, parts: int) -> int:
    """The byte where the first line begins in the last of `parts` equal parts from `part` on."""
    wanted = head.begin + (head.end - head.begin) * part // parts
    if wanted == head.begin or part == parts:
        return min(wanted, head.end)
    with _opened(head, wanted - 1) as file:
        while text := file.read(min(2**16, head.end - wanted + 1)):
            place = text.find(b"\n")
            if place >= 0:
                return wanted + place
            wanted += len(text)
    return head.end


def _count(head: Head, begin: int, end: int) -> tuple[int, int]:
    """Number of lines, and of those that are not blank."""
    lines = rows = 0
    for block in _blocks(head, begin, end, 2):
        lines, rows = lines + len(block), rows + sum(1 for text in block if text.strip())
    return lines, rows


def _opened(head: Head, place: int) -> IO[bytes]:
    try:
        file = open(head.path, "rb", buffering=0)
        file.seek(place)
    except OSError as error:
        raise file_error(head.path, error) or error from error
    if _state(file) != head.state:
        file.close()
        raise Changed(head.path)
    return file


def _blocks(head: Head, begin: int, end: int, line: int) -> Iterator[list[str]]:
    """The lines between two bytes, block by block."""
    left = b""
    with _opened(head, begin) as file:
        while begin < end or left:
            try:
                text = file.read(min(BLOCK, end - begin)) if begin < end else b""
            except OSError as error:
                raise file_error(head.path, error) or error from error
            if begin < end and not text:
                raise Changed(head.path)
            begin, text = begin + len(text), left + text
            stop = text.rfind(b"\n") + 1 if begin < end else len(text)
            text, left = text[:stop], text[stop:]
            if len(left) > BLOCK:
                raise UserError(f"{head.path}, line {line}: it is longer than {BLOCK} bytes")
            try:
                lines = list(io.StringIO(text.decode(), newline=None))
            except UnicodeDecodeError:
                raise UserError(f"{head.path} is not a text file") from None
            yield lines
            line += len(lines)


def _numbers(head: Head, lines: list[str], rows: list[str], line: int) -> np.ndarray:
    """The numbers of some rows.

    Parameters
    ----------
    lines : all of the block; the first has the number `line`
    rows : those that are not blank
    """
    try:
        table = np.loadtxt(rows, delimiter="\t", comments=None, ndmin=2)
        reason = ""
    except MemoryError as error:
        raise RunError(f"not enough memory to read {head.path}") from error
    except ValueError as error:
        reason = shortened(str(error))
    if reason or table.shape[1] != len(head.names):
        words = next(_faults(lines, len(head.names), line), f"line {line}: no table of numbers: {reason}")
        raise UserError(f"{head.path}, {words}")
    return table


def _faults(lines: list[str], width: int, first: int) -> Iterator[str]:
    """Words on the lines that are no rows of the table."""
    for number, line in enumerate(lines, start=first):
        entries = line.rstrip("\n").split("\t")
        if line.strip() and len(entries) != width:
            yield f"line {number}: {len(entries)} columns, but the header names {width}"
        for entry in entries if line.strip() else ():
            try:
                float(entry)
            except ValueError:
                yield f"line {number}: {quoted(entry.strip())} is not a number"
