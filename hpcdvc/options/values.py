"""Values of options: what one is declared to take, words of a command line as numbers, and whether a value will do."""

import math
import numbers
import os
import re
import typing

from hpcdvc.errors import UserError, quoted, shortened

WORDS = {int: "a whole number", float: "a number"}

#: Largest number of voxels along an axis, for options that measure lengths: positions are 32-bit whole numbers.
LONGEST = 2**31 - 1

# Python itself also takes 1_0, and the digits of all scripts
_WHOLE = re.compile(r"[+-]?[0-9]+")
_NUMBER = re.compile(r"[+-]?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|inf|infinity|nan)", re.IGNORECASE)


class Declaration(typing.NamedTuple):
    """What `option` was told; name, type and nargs are filled in from the dataclass field."""

    flags: tuple[str, ...]
    help: str
    unit: str | None = None
    type: typing.Any = None
    nargs: int | str | None = None
    choices: tuple | None = None
    metavar: str | None = None
    group: str | None = None
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    in_key: bool = True
    note: str | None = None
    reads: str | None = None
    or_number: bool = False
    or_word: str | None = None
    alone: str | None = None
    read_as: dict | None = None
    instead_of: tuple[str, ...] = ()
    name: str = ""
    default: typing.Any = None

    @property
    def label(self) -> str:
        """How messages call it: the shortest spelling, or the metavar of a positional one."""
        return self.flags[0] if self.flags else (self.metavar or self.name)

    def names_file(self, value: typing.Any) -> bool:
        """Whether such a value is the name of a file that is read."""
        return self.reads is not None and not (self.or_number and is_number(value))

    @property
    def is_switch(self) -> bool:
        """True when the flag stands alone, without a value."""
        return self.type is bool

    @property
    def is_list(self) -> bool:
        """True when it holds several values."""
        return self.nargs not in (None, "?")


def whole_number(word: str) -> int:
    """A whole number in ASCII digits; ValueError if it is none."""
    return int(_matched(_WHOLE, word))


def number(word: str) -> float:
    """A number as C and Fortran write it, or inf, or nan; ValueError if it is none."""
    return float(_matched(_NUMBER, word))


def is_number(word: typing.Any) -> bool:
    """Whether a word is a number as `number` takes it."""
    return isinstance(word, str) and _NUMBER.fullmatch(word.strip(" ")) is not None


def _matched(pattern: re.Pattern, word: str) -> str:
    if not pattern.fullmatch(word.strip(" ")):
        raise ValueError(word)
    return word


def tidy(declared: Declaration, value: typing.Any) -> typing.Any:
    """Lists and arrays as tuples, paths as text: what a Python user may give beside what the parser makes."""
    if declared.or_word is not None and value == declared.or_word:
        return (value,)
    if declared.is_list and isinstance(value, typing.Iterable) and not isinstance(value, str):
        return tuple(map(os.fspath, value)) if declared.type is str else tuple(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def check_value(declared: Declaration, value: typing.Any) -> None:
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


def _check_entry(declared: Declaration, entry: typing.Any) -> None:
    if declared.or_word is not None and entry == declared.or_word:
        return
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
