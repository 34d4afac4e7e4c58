"""All commands as one suite: what each declares, and a line on it; for the help, the manual and the shells."""

from importlib import import_module
from typing import NamedTuple

from hpcdvc.options.declare import OptionSet

#: What the command `hpcdvc` knows beside the commands of the suite: its words, and a line on it.
OWN = {
    "completion": ("bash|zsh|fish", "Write the completion of all commands for a shell"),
    "man": ("DIR", "Write the manual pages of all commands into a folder"),
}
SHELLS = ("bash", "zsh", "fish")


class Declared(NamedTuple):
    """A command: its name without prefix, its options, and what it says about itself."""

    name: str
    options: type[OptionSet]
    description: str

    @property
    def summary(self) -> str:
        """What it does in a line: the beginning of its first sentence."""
        return summary(self.description)


def declared(name: str) -> Declared:
    """What a command declares.

    Parameters
    ----------
    name : the command without its prefix
    """
    module = import_module(f"hpcdvc.options.{name.replace('-', '_')}")
    return Declared(name, module.Options, module.DESCRIPTION)


def summary(description: str, most: int = 92) -> str:
    """The beginning of a description, up to a full stop, a semicolon or a colon; where it is long up to a comma."""
    text = description
    for end in (". ", "; ", ": "):
        text = text.partition(end)[0]
    text = text.removesuffix(".")
    while len(text) > most and ", " in text:
        text = text.rpartition(", ")[0]
    return text
