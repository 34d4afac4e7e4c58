"""From what a Python user gives to the options of a command."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

import numpy as np

from hpcdvc.calls.files import Files, wrong
from hpcdvc.calls.signature import parameters, signature_of
from hpcdvc.errors import quoted
from hpcdvc.options.declare import OptionSet
from hpcdvc.options.values import WORDS, Declaration


def bound(name: str, command: type[OptionSet], given: tuple, named: dict[str, Any]) -> dict[str, Any]:
    """Arguments by parameter, those alone that are given.

    Raises
    ------
    TypeError : one is unknown, missing, or given twice; the sentence names it
    """
    signature = signature_of(command)
    for unknown in (word for word in named if word not in signature.parameters):
        flags = {flag.lstrip("-").replace("-", "_"): one.name for one in parameters(command) for flag in one.flags}
        near = [flags[unknown]] if unknown in flags else get_close_matches(unknown, signature.parameters, cutoff=0.5)
        hint = f": did you mean {' or '.join(near)}?" if near else f", help(hpcdvc.commands.{name}) lists them"
        raise TypeError(f"{name}() has no parameter {unknown!r}{hint}")
    listed = {one.name for one in signature.parameters.values() if one.kind is one.VAR_POSITIONAL}
    by_name = {word: named.pop(word) for word in listed & named.keys()}
    if len(given) == 1 and listed == {next(iter(signature.parameters))} and isinstance(given[0], list | tuple):
        given = tuple(given[0])  # ldic([im1, im2])
    try:
        arguments = dict(signature.bind(*given, **named).arguments)
    except TypeError as error:
        raise TypeError(f"{name}(): {error}") from None
    for word in listed:
        arguments[word] = tuple(arguments.get(word, ())) + tuple(by_name.get(word, ()))
        if not arguments[word]:
            raise TypeError(f"{name}(): missing a required argument: {word!r}")
    return arguments


def as_options(command: type[OptionSet], arguments: Mapping[str, Any], files: Files) -> dict[str, Any]:
    """Values of the options of a command; what is in memory goes into files.

    Raises
    ------
    TypeError, ValueError : one is of another type; the sentence names it
    """
    known = {declared.name: declared for declared in parameters(command)}
    values = {}
    for name, value in arguments.items():
        name, value = _of_three(known, name, value if known[name].reads else _pythons(value))
        if name in values:
            raise ValueError(f"{name} is given twice")
        values[name] = None if value is None else _value(known[name], value, files)
    return {name: value for name, value in values.items() if value is not None or known[name].default is not None}


def _pythons(value: Any) -> Any:
    """Numbers of numpy, and short lists of them, as Python's own: they are stored with the result."""
    if isinstance(value, np.generic) or isinstance(value, np.ndarray) and value.ndim < 2:
        return value.tolist()
    if isinstance(value, list | tuple):
        return tuple(entry.item() if isinstance(entry, np.generic) else entry for entry in value)
    return value


def _of_three(known: Mapping[str, Declaration], name: str, value: Any) -> tuple[str, Any]:
    """One number stands for three; three numbers where one is wanted are those of the axes, where there is such."""
    declared, three = known[name], known.get(f"{name}3")
    if declared.nargs == 3 and declared.type in WORDS and _is_number(value):
        return name, (value,) * 3
    if three is not None and three.nargs == 3 and not declared.is_list and _is_sequence(value):
        if len(value) != 3:
            raise ValueError(f"{name} takes one number, or three for Z Y X, not {quoted(value)}")
        return three.name, tuple(value)
    return name, value


def _value(declared: Declaration, value: Any, files: Files) -> Any:
    """The value of one option."""
    if declared.is_list:
        value = tuple(value) if _is_sequence(value) else (value,)
    if declared.nargs == "+" and declared.default != () and not value:
        raise ValueError(f"{declared.name} takes a value or several, not none")
    if declared.reads and not declared.is_list:
        return _file(declared, declared.name, value, files)
    if declared.reads:
        stem = "im" if declared.name == "images" else declared.name
        return tuple(_file(declared, f"{stem}{k}", entry, files) for k, entry in enumerate(value, 1))
    if declared.is_switch:
        if not isinstance(value, bool | np.bool_):
            raise TypeError(f"{declared.name} takes True or False, not {quoted(value)}")
        return bool(value)
    if declared.alone and not isinstance(value, str):
        return _standing_alone(declared, value)
    for entry in value if declared.is_list else (value,):
        _check_type(declared, entry)
    if declared.type is not str:
        return tuple(_number(declared, entry) for entry in value) if declared.is_list else _number(declared, value)
    return tuple(map(_text, value)) if declared.is_list else _text(value)


def _check_type(declared: Declaration, entry: Any) -> None:
    """Words are words; of numbers the declaration tells more."""
    if isinstance(entry, str) and entry == getattr(declared, "or_word", None):
        return
    if isinstance(entry, np.ndarray):
        raise TypeError(f"{declared.name} takes {WORDS.get(declared.type, 'a word')}, not an array: {quoted(entry)}")
    if declared.type is str and not isinstance(entry, str | os.PathLike) and not _is_number(entry):
        raise TypeError(f"{declared.name} takes text, not {type(entry).__name__}: {quoted(entry)}")
    if declared.type in WORDS and not declared.is_list and _is_sequence(entry):
        raise TypeError(f"{declared.name} takes {WORDS[declared.type]}, not {quoted(entry)}")
    if declared.type in WORDS and not _is_number(entry):
        raise TypeError(f"{declared.name} takes {WORDS[declared.type]}, not {quoted(entry)}")


def _number(declared: Declaration, value: Any) -> Any:
    """A whole number where any will do, as a command line has it: workflows compute in the type of their options."""
    if declared.type is not float or not isinstance(value, int):
        return value
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{declared.name} takes a number below 1e308, not {quoted(value)}") from None


def _text(value: Any) -> str:
    """A word of a command line: numbers stand among words in some options."""
    return str(value) if _is_number(value) else os.fspath(value)


def _standing_alone(declared: Declaration, value: Any) -> str | None:
    """Of an option whose flag may stand alone, or has a list behind it."""
    if isinstance(value, bool):
        return declared.alone if value else None
    entries = value if _is_sequence(value) else (value,)
    return ",".join(map(str, entries))


def _file(declared: Declaration, name: str, value: Any, files: Files) -> str:
    """The path of a file that an option names."""
    if isinstance(value, str | os.PathLike):
        path = os.fspath(value)
        if not path:
            raise ValueError(f"{name} is an empty text, which is no path")
        return path
    if declared.or_number and _is_number(value):
        return repr(float(value))
    path = files.put(name, value, declared.reads)
    if path is None:
        raise wrong(name, declared.reads, value)
    return path


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_sequence(value: Any) -> bool:
    """Whether these are several values: not text, nor an image."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return (
        isinstance(value, Iterable)
        and not isinstance(value, str | bytes | os.PathLike | Mapping)
        and not hasattr(value, "__array__")
    )
