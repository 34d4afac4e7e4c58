"""Signature and documentation of a command as a function, from its options."""

import os
import textwrap
from collections.abc import Mapping, Sequence
from importlib import import_module
from inspect import Parameter, Signature
from typing import Any

import numpy as np

from hpcdvc import options
from hpcdvc.calls.files import POINTS
from hpcdvc.calls.names import in_python, options_class
from hpcdvc.fields.field import Field
from hpcdvc.options.declare import REQUIRED, OptionSet, declarations
from hpcdvc.options.values import Declaration

#: Options that make no sense in Python: `comm` and `verbose` say it, or they are accepted without effect.
HIDDEN, HIDDEN_GROUP = {"processes", "quiet", "no_report"}, "accepted, without effect"
#: What files are given as beside a path, by what they are.
GIVEN_AS = {
    "volume": np.ndarray,
    "scan": np.ndarray,
    "projections": np.ndarray,
    "table": Field,
    "mesh": tuple[np.ndarray, np.ndarray] | Field,
    "parameters": Mapping,
}
ABOUT = """The command `hpcdvc-{name}` as a function. Files are given by their path, or as what they hold: images and
masks as arrays, results as a `Field`. Nothing is written that stays unless `out_dir` says where, and nothing is said
unless `verbose`."""
COMM = "mpi4py communicator whose ranks call this together; what rank 0 gives counts; None: this process alone"
RETURNS = """Field, array, table or mesh
    What the command makes, a list where it makes several; a series has one entry for each step. Rank 0 of `comm` has
    it, the others None. With `dry_run` the estimate, a text."""
RAISES = """ValueError
    A parameter, or a file, is not what it should be; the sentence names it.
TypeError
    A parameter is missing, unknown, or of another type.
RuntimeError
    The run failed: no room on the disk, a file that is gone."""


def parameters(command: type[OptionSet]) -> list[Declaration]:
    """What the function takes, in order."""
    return [
        declared for declared in declarations(command) if declared.name not in HIDDEN and declared.group != HIDDEN_GROUP
    ]


def signature_of(command: type[OptionSet]) -> Signature:
    """Files come first, then what must be given, and all else by name."""
    found = parameters(command)
    files = [declared for declared in found if not declared.flags]
    listed = next((declared for declared in files if declared.nargs == "+"), None)
    taken = [_parameter(declared, Parameter.POSITIONAL_OR_KEYWORD) for declared in files if declared is not listed]
    if listed:
        taken.append(_parameter(listed, Parameter.VAR_POSITIONAL))
    named = [_parameter(declared, Parameter.KEYWORD_ONLY) for declared in found if declared.flags]
    needed = [one for one in named if one.default is Parameter.empty]
    if not listed and all(one.default is Parameter.empty for one in taken):
        taken += [one.replace(kind=Parameter.POSITIONAL_OR_KEYWORD) for one in needed]
    else:
        taken += needed
    taken += [one for one in named if one.default is not Parameter.empty]
    return Signature([*taken, Parameter("comm", Parameter.KEYWORD_ONLY, default=None)])


def _parameter(declared: Declaration, kind: Any) -> Parameter:
    annotation = _annotation(declared)
    if kind is Parameter.VAR_POSITIONAL:
        return Parameter(declared.name, kind, annotation=annotation)
    default = Parameter.empty if declared.default is REQUIRED else declared.default
    if declared.is_list:
        annotation = Sequence[annotation]
    if default is None:
        annotation = annotation | None
    return Parameter(declared.name, kind, default=default, annotation=annotation)


def _annotation(declared: Declaration) -> Any:
    """Type of one entry."""
    if declared.reads:
        given = GIVEN_AS.get(declared.reads)
        path = str | os.PathLike if given is None else str | os.PathLike | given
        path = path | np.ndarray if declared.name in POINTS else path
        return path | float if declared.or_number else path
    return declared.type


def text_of(name: str) -> str:
    """Documentation of a command as a function, in numpydoc form."""
    module, command = import_module(f"{options.__name__}.{name}"), options_class(name)
    lines = [in_python(module.DESCRIPTION, command), "", ABOUT.format(name=name.replace("_", "-"))]
    lines += ["", "Parameters", "----------"]
    by_name = {declared.name: declared for declared in parameters(command)}
    for parameter in signature_of(command).parameters.values():
        star = "*" * (parameter.kind is Parameter.VAR_POSITIONAL)
        told = _told(by_name[parameter.name], command) if parameter.name in by_name else COMM
        lines.append(textwrap.fill(f"{star}{parameter.name} : {told}", 112, subsequent_indent="    "))
    return "\n".join([*lines, "", "Returns", "-------", RETURNS, "", "Raises", "------", RAISES])


def _told(declared: Declaration, command: type[OptionSet]) -> str:
    """What a parameter is, its unit and its choices."""
    if declared.name == "out_dir":
        return "folder for the files, made if needed; without it none stays"
    facts = [declared.unit, f"one of {', '.join(map(repr, declared.choices))}" if declared.choices else None]
    if declared.is_switch:
        # the help of a switch says what the flag does
        facts = [f"{not declared.default}: {in_python(declared.help, command)}"]
        return facts[0]
    facts = "; ".join(filter(None, facts))
    return in_python(declared.help, command) + (f" ({facts})" if facts else "")
