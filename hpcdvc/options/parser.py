"""From a command line to an options dataclass: argparse, with abbreviations, short messages and our own help."""

import argparse
import re
import typing
from collections.abc import Sequence
from functools import partial

from hpcdvc import __version__
from hpcdvc.errors import UserError
from hpcdvc.options.declare import REQUIRED, WORDS, Declaration, OptionSet, declarations

Options = typing.TypeVar("Options", bound=OptionSet)


def parse(options_class: type[Options], argv: Sequence[str], prog: str = "hpcdvc", description: str = "") -> Options:
    """Read the command line `argv` (without the program's name).

    Any unambiguous beginning of a flag will do. `--help` and `--version` print and raise SystemExit(0).

    Raises
    ------
    UserError : one sentence, what is wrong with which option
    """
    parser = build_parser(options_class, prog, description)
    given = parser.parse_intermixed_args(_spelled_out(argv, options_class, prog))
    return options_class(**vars(given))


def build_parser(options_class: type[OptionSet], prog: str, description: str = "") -> argparse.ArgumentParser:
    """Make the argparse parser; its namespace holds only what was given, by field name."""
    parser = _Parser(options_class, prog, description)
    parser.add_argument("--version", action="version", version=f"{prog} {__version__}")
    for declared in declarations(options_class):
        details: dict[str, typing.Any] = {"default": argparse.SUPPRESS}
        if declared.is_switch:
            details["action"] = "store_false" if declared.default is True else "store_true"
        else:
            details.update(type=_reader(declared), nargs=declared.nargs, metavar=declared.metavar)
        if declared.flags:
            parser.add_argument(*declared.flags, dest=declared.name, required=declared.default is REQUIRED, **details)
        else:
            parser.add_argument(declared.name, **details)
    return parser


class _Parser(argparse.ArgumentParser):
    """Raises UserError instead of leaving, and prints the help from the rows that the documentation shows."""

    def __init__(self, options_class: type[OptionSet], prog: str, description: str) -> None:
        # argparse makes a formatter for each option, which would ask for the width of the terminal each time
        formatter = partial(argparse.HelpFormatter, width=80)
        super().__init__(prog=prog, description=description, allow_abbrev=False, formatter_class=formatter)
        self.options_class = options_class

    def error(self, message: str) -> typing.NoReturn:
        message = re.sub(r"^argument (-[^\s/]+)\S*: ", r"\1 ", message)
        if message.startswith("the following arguments are required: "):
            names = message.partition(": ")[2].split(", ")
            message = f"missing: {', '.join(name.split('/')[0] for name in names)}"
        message = re.sub(r"expected (.*) argument", r"takes \1 value", message)
        message = re.sub(r"ignored explicit argument .*", "takes no value", message)
        raise UserError(f"{message} (all options: {self.prog} --help)")

    def format_usage(self) -> str:
        words = [declared.metavar for declared in declarations(self.options_class) if not declared.flags]
        return f"usage: {' '.join([self.prog, *words])} [options]\n"

    def format_help(self) -> str:
        from hpcdvc.options.help import help_text  # shutil and textwrap, for nothing else

        return help_text(self.options_class, self.format_usage(), self.description or "")


def _reader(declared: Declaration) -> typing.Callable[[str], typing.Any]:
    """The function that turns one word into a value."""

    def read(word: str) -> typing.Any:
        try:
            return declared.type(word)
        except ValueError:
            kind = WORDS.get(declared.type, declared.type.__name__)
            raise argparse.ArgumentTypeError(f"takes {kind}, not {word.strip()!r}") from None

    return read


def _spelled_out(argv: Sequence[str], options_class: type[OptionSet], prog: str) -> list[str]:
    """Replace abbreviated flags by full ones.

    argparse's own abbreviations take `-hsw` for `-h` and call `-ti` ambiguous between two spellings of one option.
    """
    declared = {flag: option for option in declarations(options_class) for flag in option.flags}
    owners = {flag: option.name for flag, option in declared.items()}
    owners |= {"-h": "help", "--help": "help", "--version": "version"}
    words = []
    for position, word in enumerate(argv):
        if word == "--":
            return [*words, *argv[position:]]
        flag, equals, value = word.partition("=")
        if not word.startswith("-") or word == "-" or flag in owners:
            words.append(_with_value(word, declared))
        elif _is_number(word):
            words.append(f" {word}")  # argparse would take -1e-3 and -inf for options; not so with a space
        elif _has_value_attached(word, declared):
            words.append(word)
        else:
            words.append(_with_value(_full_flag(flag, owners, prog) + equals + value, declared))
    return words


def _with_value(word: str, declared: dict[str, Declaration]) -> str:
    """The word; a flag that may stand alone gets the value that it has then."""
    option = declared.get(word)
    return f"{word}={option.alone}" if option is not None and option.alone else word


def _full_flag(flag: str, owners: dict[str, str], prog: str) -> str:
    matches = {name: full for full, name in sorted(owners.items(), reverse=True) if full.startswith(flag)}
    if len(matches) == 1:
        return next(iter(matches.values()))
    if matches:
        raise UserError(f"{flag} could be {' or '.join(sorted(matches.values()))}")
    import difflib  # 10 ms, only for a typing mistake

    near = difflib.get_close_matches(flag, owners, n=1)
    hint = f"did you mean {near[0]}?" if near else f"all options: {prog} --help"
    raise UserError(f"unknown option {flag} ({hint})")


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _has_value_attached(word: str, declared: dict[str, Declaration]) -> bool:
    """True for `-o3`: a one-letter option directly followed by its value."""
    option = declared.get(word[:2])
    return option is not None and not option.is_switch and (_is_number(word[2:]) or word[2:] in (option.choices or ()))
