"""Options declared once, as dataclass fields.

The same dataclass is what the parser builds, what Python users construct (wrong values raise there too), what
`run` receives, what the file stores and what the documentation lists.
"""

import dataclasses
import inspect
import types
import typing
from functools import cache

from hpcdvc.errors import UserError
from hpcdvc.options.values import Declaration, check_value, listed, plain, tidy

#: default of an option that must be given
REQUIRED = dataclasses.MISSING


def option(default: typing.Any = REQUIRED, *flags: str, help: str, **details: typing.Any) -> typing.Any:
    """Declare one option as a dataclass field.

    Parameters
    ----------
    default : value when it is not given; REQUIRED when it must be. A switch whose default is True turns it off.
    *flags : all spellings, the shortest first; none makes it positional
    help : one line for `--help` and the documentation; neither unit nor default, they are added
    **details : fields of `Declaration`: `unit`; `type`, `nargs` (both follow from the annotation), `choices`,
        `metavar`, `group` (heading in the help, default: `group` of the class); the range in which a number makes
        sense, `at_least` or `above`, and `at_most`, which every number has;
        `in_key=False` when it cannot change what is measured (not compared by `--resume`);
        `note`, a sentence to tell whoever uses it; `reads`, what the file is that it names: "volume" (images, masks),
        "scan" (the same, and datasets of projections times frames), "projections" (a part of a tomographic scan, whose
        files the command finds), "table", "mesh" or "parameters"; files count by their contents, not by their path;
        `or_number`, a number may stand in its place; `or_word`, a word that may stand in the place of numbers; `alone`,
        the value when the flag stands alone: another one is taken with ``=`` only, so that the flag swallows no file;
        `read_as`, values that are taken for another one, and a note says so; `instead_of`, names of options that it
        replaces on a command line where they stand before it

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
    #: What a class says differently of options that it inherits: fields of `Declaration` by name of the option;
    #: `default` may be REQUIRED only, the value of the others is that of the dataclass field.
    differently: typing.ClassVar[dict[str, dict[str, typing.Any]]] = {}
    #: The option that takes all words after `--`, which are a command line of their own; "" where there is none.
    after_dashes: typing.ClassVar[str] = ""

    def __post_init__(self) -> None:
        for declared in declarations(type(self)):
            value = self._known(declared, tidy(declared, getattr(self, declared.name)))
            setattr(self, declared.name, value)
            if value != declared.default:
                check_value(declared, value)
        for cls in _bases_first(type(self)):
            if "check" in cls.__dict__:
                cls.__dict__["check"](self)

    def _known(self, declared: Declaration, value: typing.Any) -> typing.Any:
        """The value that stands for one of another program."""
        if not declared.read_as:
            return value
        known = declared.read_as.get(value, value)
        if known != value:
            self.__dict__.setdefault("said", []).append(
                f"{declared.label} {value} is taken as {declared.label} {known}"
            )
        return known


def one_of(options: OptionSet, *names: str, required: bool = False) -> typing.Any:
    """Value of the one option of `names` that is given (not None), or None.

    Raises
    ------
    UserError : two of them are given, or none although one is required
    """
    given = [name for name in names if getattr(options, name) is not None]
    labels = [declared.label for declared in declarations(type(options)) if declared.name in names]
    if len(given) > 1:
        raise UserError(f"give only one of {listed(labels, 'and')}")
    if required and not given:
        raise UserError(f"{listed(labels, 'or')} is missing")
    return getattr(options, given[0]) if given else None


def as_parameters(options: OptionSet, key_only: bool = False) -> dict[str, typing.Any]:
    """Options as a dictionary for strict JSON (no inf or nan).

    `key_only` leaves out those that cannot change the result, and those that name files.
    """
    given = [(declared, getattr(options, declared.name)) for declared in declarations(type(options))]
    return {d.name: plain(value) for d, value in given if not key_only or (d.in_key and not d.names_file(value))}


def as_words(options: OptionSet) -> list[str]:
    """Words of a command line that gives the options that can change the result, in the order of their declaration."""
    words = []
    for declared in declarations(type(options)):
        value = getattr(options, declared.name)
        if value == declared.default or not declared.in_key:
            continue
        several = value if declared.is_list else (value,)
        given = [] if declared.is_switch else [f"{v:.17g}" if isinstance(v, float) else str(v) for v in several]
        words += [*declared.flags[:1], *given]
    return words


def named_files(options: OptionSet) -> dict[str, typing.Any]:
    """The files that options name, as they are given."""
    given = [(declared, getattr(options, declared.name)) for declared in declarations(type(options))]
    return {declared.name: value for declared, value in given if declared.names_file(value)}


def notes(options: OptionSet) -> list[str]:
    """Sentences for options that were given and have something to say about it."""
    said = getattr(options, "said", [])
    return said + [d.note for d in declarations(type(options)) if d.note and getattr(options, d.name) != d.default]


def options_table(options_class: type[OptionSet]) -> list[dict[str, str]]:
    """Rows for `--help` and the documentation: group, name, flags, metavar, help, unit, default (all text)."""
    return [
        {
            "group": declared.group,
            "name": declared.name,
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
                complete = _complete(fields[name], hints[name], group or vars(cls).get("group", OptionSet.group))
                found[name] = complete._replace(**_differently(options_class, name))
    groups = list(dict.fromkeys(declared.group for declared in found.values()))
    return tuple(sorted(found.values(), key=lambda declared: groups.index(declared.group)))


def _bases_first(options_class: type[OptionSet]) -> list[type]:
    return [*options_class.__mro__[1:], options_class]


def _differently(options_class: type[OptionSet], name: str) -> dict[str, typing.Any]:
    said = (vars(cls).get("differently", {}).get(name, {}) for cls in reversed(options_class.__mro__))
    return {fact: value for facts in said for fact, value in facts.items()}


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


def _default_text(declared: Declaration) -> str:
    if declared.default in (REQUIRED, None, ()) or declared.is_switch:
        return ""
    values = declared.default if isinstance(declared.default, tuple) else (declared.default,)
    return " ".join(f"{value:g}" if isinstance(value, float) else str(value) for value in values)
