"""Options declared once, as dataclass fields.

The same dataclass is what the parser builds, what Python users construct (wrong values raise there too), what
`run` receives, what the file stores and what the documentation lists.
"""

import dataclasses
import inspect
import math
import os
import types
import typing
from functools import cache

from hpcdvc.errors import UserError

#: default of an option that must be given
REQUIRED = dataclasses.MISSING

WORDS = {int: "a whole number", float: "a number"}


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
    alone: str | None = None
    name: str = ""
    default: typing.Any = None

    @property
    def label(self) -> str:
        """How messages call it: the shortest spelling, or the metavar of a positional one."""
        return self.flags[0] if self.flags else (self.metavar or self.name)

    @property
    def is_switch(self) -> bool:
        """True when the flag stands alone, without a value."""
        return self.type is bool

    @property
    def is_list(self) -> bool:
        """True when it holds several values."""
        return self.nargs not in (None, "?")


def option(default: typing.Any = REQUIRED, *flags: str, help: str, **details: typing.Any) -> typing.Any:
    """Declare one option as a dataclass field.

    Parameters
    ----------
    default : value when it is not given; REQUIRED when it must be. A switch whose default is True turns it off.
    *flags : all spellings, the shortest first; none makes it positional
    help : one line for `--help` and the documentation; neither unit nor default, they are added
    **details : fields of `Declaration`: `unit`; `type`, `nargs` (both follow from the annotation), `choices`,
        `metavar`, `group` (heading in the help, default: `group` of the class); limits `at_least`, `above`, `at_most`;
        `in_key=False` when it cannot change what is measured (not compared by `--resume`);
        `note`, a sentence to tell whoever uses it; `reads`, what the file is that it names: "volume" (images, masks),
        "table" or "mesh"; files count by their contents, not by their path; `alone`, the value when the flag stands
        alone: another one is taken with ``=`` only, so that the flag swallows no file

    Returns
    -------
    dataclasses.Field
    """
    declaration = Declaration(flags, help, **details)
    return dataclasses.field(default=default, metadata={"option": declaration})


@typing.dataclass_transform(kw_only_default=True, field_specifiers=(option,))
def option_group(cls: type) -> type:
    """Make a class a group of options, for commands to inherit from.

    A dataclass without the methods that only a command's own Options, `@dataclass(kw_only=True)`, needs: each of them
    is compiled anew at every start, and twenty groups would take longer than all else before a command line is read.
    """
    return dataclasses.dataclass(cls, kw_only=True, init=False, repr=False, eq=False)


@option_group
class OptionSet:
    """Base of all options. A class may add rules between its options as a method `check(self)`."""

    group: typing.ClassVar[str] = "options"

    def __post_init__(self) -> None:
        for declared in declarations(type(self)):
            value = _tidy(declared, getattr(self, declared.name))
            setattr(self, declared.name, value)
            if value != declared.default:
                _check_value(declared, value)
        for cls in _bases_first(type(self)):
            if "check" in cls.__dict__:
                cls.__dict__["check"](self)


def one_of(options: OptionSet, *names: str, required: bool = False) -> typing.Any:
    """Value of the one option of `names` that is given (not None), or None.

    Raises
    ------
    UserError : two of them are given, or none although one is required
    """
    given = [name for name in names if getattr(options, name) is not None]
    labels = [declared.label for declared in declarations(type(options)) if declared.name in names]
    if len(given) > 1:
        raise UserError(f"give only one of {_listed(labels, 'and')}")
    if required and not given:
        raise UserError(f"{_listed(labels, 'or')} is missing")
    return getattr(options, given[0]) if given else None


def as_parameters(options: OptionSet, key_only: bool = False) -> dict[str, typing.Any]:
    """Options as a dictionary for strict JSON (no inf or nan).

    `key_only` leaves out those that cannot change the result, and those that name files.
    """
    chosen = [d.name for d in declarations(type(options)) if not key_only or (d.in_key and d.reads is None)]
    return {name: _plain(getattr(options, name)) for name in chosen}


def named_files(options: OptionSet) -> dict[str, typing.Any]:
    """The files that options name, as they are given."""
    return {
        declared.name: getattr(options, declared.name) for declared in declarations(type(options)) if declared.reads
    }


def notes(options: OptionSet) -> list[str]:
    """Sentences for options that were given and have something to say about it."""
    return [d.note for d in declarations(type(options)) if d.note and getattr(options, d.name) != d.default]


def options_table(options_class: type[OptionSet]) -> list[dict[str, str]]:
    """Rows for `--help` and the documentation: group, flags, metavar, help, unit, default (all text)."""
    return [
        {
            "group": declared.group,
            "flags": ", ".join(declared.flags),
            "metavar": "" if declared.is_switch else declared.metavar,
            "help": declared.help,
            "unit": declared.unit or "",
            "default": _default_text(declared),
        }
        for declared in declarations(options_class)
    ]


@cache
def declarations(options_class: type[OptionSet]) -> tuple[Declaration, ...]:
    """Options of a class by group, groups in the order of its bases; a redeclared option keeps its place."""
    hints = typing.get_type_hints(options_class)
    fields = {field.name: field for field in dataclasses.fields(options_class)}
    found: dict[str, Declaration] = {}
    for cls in _bases_first(options_class):
        for name in inspect.get_annotations(cls):
            if name in fields and name not in found:
                # a class that others inherit stands under their headings
                group = next((base.group for base in options_class.__bases__ if issubclass(base, cls)), None)
                found[name] = _complete(fields[name], hints[name], group or vars(cls).get("group", OptionSet.group))
    groups = list(dict.fromkeys(declared.group for declared in found.values()))
    return tuple(sorted(found.values(), key=lambda declared: groups.index(declared.group)))


def _bases_first(options_class: type[OptionSet]) -> list[type]:
    return [*options_class.__mro__[1:], options_class]


def _complete(field: dataclasses.Field, hint: typing.Any, group: str) -> Declaration:
    declared: Declaration = field.metadata["option"]
    kind, nargs = _type_and_nargs(hint)
    facts = {"type": declared.type or kind, "nargs": declared.nargs or nargs, "group": declared.group or group}
    declared = declared._replace(name=field.name, default=field.default, **facts)
    return declared._replace(metavar=declared.metavar or _metavar(declared))


def _metavar(declared: Declaration) -> str:
    if declared.choices:
        return "|".join(map(str, declared.choices))
    if not declared.flags:
        return declared.name
    return "Z Y X" if declared.nargs == 3 else {int: "N", float: "X"}.get(declared.type, "TEXT")


def _type_and_nargs(hint: typing.Any) -> tuple[typing.Any, int | str | None]:
    """`int | None` -> (int, None); `tuple[int, int, int]` -> (int, 3); `tuple[str, ...]` -> (str, '+')."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        hint = next(part for part in typing.get_args(hint) if part is not types.NoneType)
    if typing.get_origin(hint) is tuple:
        entries = typing.get_args(hint)
        return entries[0], "+" if entries[-1] is Ellipsis else len(entries)
    return hint, None


def _tidy(declared: Declaration, value: typing.Any) -> typing.Any:
    """Lists and arrays as tuples, paths as text: what a Python user may give beside what the parser makes."""
    if declared.is_list and isinstance(value, typing.Iterable) and not isinstance(value, str):
        return tuple(map(os.fspath, value)) if declared.type is str else tuple(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def _check_value(declared: Declaration, value: typing.Any) -> None:
    if value is None:
        raise UserError(f"{declared.label} is missing")
    wanted = declared.nargs if isinstance(declared.nargs, int) else "a list of"
    if declared.is_list and (not isinstance(value, tuple) or wanted not in ("a list of", len(value))):
        raise UserError(f"{declared.label} takes {wanted} values, not {value!r}")
    for entry in value if declared.is_list else (value,):
        if declared.type in WORDS and isinstance(entry, str):
            raise UserError(f"{declared.label} takes {WORDS[declared.type]}, not {entry!r}")
        if declared.choices and entry not in declared.choices:
            raise UserError(f"{declared.label} must be {_listed(declared.choices, 'or')}, not {entry}")
        if declared.at_least is not None and not entry >= declared.at_least:
            raise UserError(f"{declared.label} must be at least {declared.at_least}, not {entry}")
        if declared.above is not None and not entry > declared.above:
            raise UserError(f"{declared.label} must be greater than {declared.above}, not {entry}")
        if declared.at_most is not None and not entry <= declared.at_most:
            raise UserError(f"{declared.label} must be at most {declared.at_most}, not {entry}")


def _listed(values: typing.Iterable, word: str) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} {word} {last}" if first else last


def _default_text(declared: Declaration) -> str:
    if declared.default in (REQUIRED, None, ()) or declared.is_switch:
        return ""
    values = declared.default if isinstance(declared.default, tuple) else (declared.default,)
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)


def _plain(value: typing.Any) -> typing.Any:
    """The value with types that JSON has; `item` turns numpy scalars into Python's without importing numpy."""
    if isinstance(value, (tuple, list)):
        return [_plain(entry) for entry in value]
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, (bool, int, float, str, types.NoneType)) else str(value)
