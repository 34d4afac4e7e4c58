"""Sentences that name flags of a command line, with the names of the parameters in Python instead."""

import pkgutil
import re
from collections import Counter
from functools import cache
from importlib import import_module

from hpcdvc import options, workflows
from hpcdvc.options.declare import OptionSet, declarations
from hpcdvc.options.values import Declaration

#: A flag that stands for itself, and is no part of a path, a number or a longer word.
_FLAG = re.compile(r"(?<![\w/.=>-])--?[A-Za-z][\w-]*")


def command_names() -> list[str]:
    """Names of all commands in Python, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(workflows.__path__))


def options_class(command: str) -> type[OptionSet]:
    """The options of a command."""
    return import_module(f"{options.__name__}.{command}").Options


def in_python(text: str, declared_by: type[OptionSet]) -> str:
    """A sentence of a command as a Python user reads it: ``-hws`` is ``half_window_size``.

    Parameters
    ----------
    text : the sentence
    declared_by : options of the command; flags that only others have are looked up there
    """
    own = _names(declared_by)
    for label, name in _labels(declared_by).items():
        text = text.replace(label, name)
    return _FLAG.sub(lambda found: own.get(found[0]) or _names_of_all().get(found[0], found[0]), text)


def _spelled(declared: Declaration) -> str:
    """How a parameter is given that a flag stands for: of a switch with the value that it switches to."""
    return f"{declared.name}={declared.default is not True}" if declared.is_switch else declared.name


@cache
def _names(declared_by: type[OptionSet]) -> dict[str, str]:
    return {flag: _spelled(declared) for declared in declarations(declared_by) for flag in declared.flags}


@cache
def _labels(declared_by: type[OptionSet]) -> dict[str, str]:
    """What a command line calls its files in more than a word."""
    unnamed = [declared for declared in declarations(declared_by) if not declared.flags]
    return {declared.metavar: declared.name for declared in unnamed if not declared.metavar.isidentifier()}


@cache
def _names_of_all() -> dict[str, str]:
    """Flags of all commands, by what most of them call so."""
    counts: dict[str, Counter] = {}
    for command in command_names():
        for flag, name in _names(options_class(command)).items():
            counts.setdefault(flag, Counter())[name] += 1
    return {flag: names.most_common(1)[0][0] for flag, names in counts.items()}
