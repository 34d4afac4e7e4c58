"""The text of `--help`, from the rows that the documentation shows."""

import shutil
import textwrap

from hpcdvc.options.declare import OptionSet, options_table

HELP = {"flags": "-h, --help", "metavar": "", "help": "show this text and leave", "unit": "", "default": ""}
VERSION = {"flags": "--version", "metavar": "", "help": "show the version and leave", "unit": "", "default": ""}


def help_text(options_class: type[OptionSet], usage: str, description: str) -> str:
    """Usage, what the command does, and its options by group, as wide as the terminal but at most 120 columns."""
    width = min(shutil.get_terminal_size().columns, 120)
    lines = [usage, *textwrap.wrap(description, width)]
    group = None
    for row in [*options_table(options_class), {**HELP, "group": "help"}, {**VERSION, "group": "help"}]:
        if row["group"] != group:
            group = row["group"]
            lines += ["", f"{group}:"]
        lines += _lines(row, width)
    return "\n".join(lines) + "\n"


def _lines(row: dict[str, str], width: int, column: int = 34) -> list[str]:
    facts = [row["unit"], f"default {row['default']}" if row["default"] else ""]
    facts = "; ".join(fact for fact in facts if fact)
    facts = " (" + facts.replace(" ", "\xa0") + ")" if facts else ""  # stays on one line
    left = f"  {row['flags']} {row['metavar']}".rstrip() if row["flags"] else f"  {row['metavar']}"
    right = [line.replace("\xa0", " ") for line in textwrap.wrap(row["help"] + facts, max(width - column, 30))]
    first = [left] if len(left) >= column - 1 else [left.ljust(column) + right.pop(0)]
    return first + [" " * column + line for line in right]
