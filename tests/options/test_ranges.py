"""Every number that a command takes has a range in which it makes sense."""

import pkgutil
from importlib import import_module

import pytest

from hpcdvc import workflows
from hpcdvc.options.declare import REQUIRED, declarations
from hpcdvc.options.values import check_value

COMMANDS = sorted(module.name for module in pkgutil.iter_modules(workflows.__path__))


def numbers(command: str) -> list:
    options = import_module(f"hpcdvc.options.{command}").Options
    return [declared for declared in declarations(options) if declared.type in (int, float)]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_number_has_a_range(command):
    for declared in numbers(command):
        if declared.choices is None:
            assert declared.at_most is not None, declared.label
            assert (declared.at_least is None) != (declared.above is None), declared.label


@pytest.mark.parametrize("command", COMMANDS)
def test_defaults_are_within(command):
    for declared in numbers(command):
        if declared.default not in (None, REQUIRED, ()):
            check_value(declared, declared.default)
