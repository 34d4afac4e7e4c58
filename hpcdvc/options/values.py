"""Values of options: words of a command line as numbers, and whether a value is one that an option takes."""

import math
import numbers
import os
import re
import typing

from hpcdvc.errors import UserError, quoted, shortened

if typing.TYPE_CHECKING:
    from hpcdvc.options.declare import Declaration

WORDS = {int: "a whole number", float: "a number"}

#: Largest number of voxels along an axis, for options that measure lengths: positions are 32-bit whole numbers.
LONGEST = 2**31 - 1

# Python itself also takes 1_0, and the digits of all scripts
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)


def whole_number(word: str) -> int:
    """A whole number in ASCII digits; ValueError if it is none."""
    return int(_matched(_WHOLE, word))


def number(word: str) -> float:
    """A number as C and Fortran write it, or inf, or nan; ValueError if it is none."""
    return float(_matched(_NUMBER, word))


def _matched(pattern: re.Pattern, word: str) -> str:
    if not pattern.fullmatch(word.strip(" ")):
        raise ValueError(word)
    return word


def tidy(declared: "Declaration", value: typing.Any) -> typing.Any:
    """Lists and arrays as tuples, paths as text: what a Python user may give beside what the parser makes."""
    if declared.is_list and isinstance(value, typing.Iterable) and not isinstance(value, str):
        return tuple(map(os.fspath, value)) if declared.type is str else tuple(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def check_value(declared: "Declaration", value: typing.Any) -> None:
    """Make sure that an option takes a value.

    Raises
    ------
    UserError
        It is missing, of another type, not among the choices or outside the range.
    """
    if value is None:
        raise UserError(f"{declared.label} is missing")
    wanted = declared.nargs if isinstance(declared.nargs, int) else "a list of"
    if declared.is_list and (not isinstance(value, tuple) or wanted not in ("a list of", len(value))):
        raise UserError(f"{declared.label} takes {wanted} values, not {quoted(value)}")
    for entry in value if declared.is_list else (value,):
        _check_entry(declared, entry)


def _check_entry(declared: "Declaration", entry: typing.Any) -> None:
    if not _is_of(declared.type, entry):
        raise UserError(f"{declared.label} takes {WORDS[declared.type]}, not {quoted(entry)}")
    given = shortened(str(entry))
    if declared.choices and entry not in declared.choices:
        raise UserError(f"{declared.label} must be {listed(declared.choices, 'or')}, not {given}")
    if declared.at_least is not None and not entry >= declared.at_least:
        raise UserError(f"{declared.label} must be at least {declared.at_least}, not {given}")
    if declared.above is not None and not entry > declared.above:
        raise UserError(f"{declared.label} must be greater than {declared.above}, not {given}")
    if declared.at_most is not None and not entry <= declared.at_most:
        raise UserError(f"{declared.label} must be at most {declared.at_most}, not {given}")


def _is_of(kind: typing.Any, entry: typing.Any) -> bool:
    """Whether an entry is a number of the kind that is wanted; NumPy's are, and a whole one is a number."""
    if kind not in WORDS:
        return True
    wanted = numbers.Integral if kind is int else numbers.Real
    return isinstance(entry, wanted) and not isinstance(entry, bool)


def listed(values: typing.Iterable, word: str) -> str:
    """`1, 2 or 3`; `word` stands before the last."""
    *first, last = map(str, values)
    return f"{', '.join(first)} {word} {last}" if first else last


def plain(value: typing.Any) -> typing.Any:
    """The value with types that JSON has; `item` turns numpy scalars into Python's without importing numpy."""
    if isinstance(value, (tuple, list)):
        return [plain(entry) for entry in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)
