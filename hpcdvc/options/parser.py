"""From a command line to an options dataclass: argparse, with short messages and our own help."""

import argparse
import re
import typing
from collections.abc import Sequence
from functools import partial

from hpcdvc import __version__
from hpcdvc.errors import UserError, quoted, shortened
from hpcdvc.options.declare import REQUIRED, Declaration, OptionSet, declarations
from hpcdvc.options.values import WORDS, is_number, number, whole_number

Options = typing.TypeVar("Options", bound=OptionSet)


def parse(options_class: type[Options], argv: Sequence[str], prog: str = "hpcdvc", description: str = "") -> Options:
    """Read the command line `argv` (without the program's name).

    Flags are taken as they are declared, without abbreviations. `--help` and `--version` print and raise SystemExit(0).

    Raises
    ------
    UserError : one sentence, what is wrong with which option
    """
    parser = build_parser(options_class, prog, description)
    rest, argv = _after_dashes(list(argv), options_class)
    if options_class.after_dashes and not rest and not {"-h", "--help", "--version"} & set(argv):
        parser.error(f"missing: {usage_words(options_class)[-1]}")  # else the flags of a command without -- are unknown
    given = parser.parse_intermixed_args(_prepared(argv, options_class, prog))
    return options_class(**vars(given), **rest)


def build_parser(options_class: type[OptionSet], prog: str, description: str = "") -> argparse.ArgumentParser:
    """Make the argparse parser; its namespace holds only what was given, by field name."""
    parser = _Parser(options_class, prog, description)
    parser.add_argument("--version", action="version", version=f"{prog} {__version__}")
    for declared in declarations(options_class):
        details: dict[str, typing.Any] = {"default": argparse.SUPPRESS}
        if declared.is_switch:
            details["action"] = "store_false" if declared.default is True else "store_true"
        elif _is_list_of_numbers(declared):
            details.update(type=_numbers_reader(declared), metavar=declared.metavar)
        else:
            details.update(type=_reader(declared), nargs=declared.nargs, metavar=declared.metavar)
            details["action"] = partial(_Replacing, instead_of=declared.instead_of) if declared.instead_of else "store"
        if declared.name == options_class.after_dashes:
            continue
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
        message = re.sub(
            r"(?<=unrecognized arguments: ).*", lambda match: shortened(match[0]), message, flags=re.DOTALL
        )
        message = re.sub(r"expected (.*) argument", r"takes \1 value", message)
        message = re.sub(r"ignored explicit argument .*", "takes no value", message)
        raise UserError(f"{message} (all options: {self.prog} --help)")

    def format_usage(self) -> str:
        return f"usage: {' '.join([self.prog, *usage_words(self.options_class)])}\n"

    def format_help(self) -> str:
        from hpcdvc.options.help import help_text  # shutil and textwrap, for nothing else

        return help_text(self.options_class, self.format_usage(), self.description or "")


class _Replacing(argparse.Action):
    """Stores a value instead of those of other options that stand before it."""

    def __init__(self, *words: typing.Any, instead_of: Sequence[str], **details: typing.Any) -> None:
        super().__init__(*words, **details)
        self.instead_of = instead_of

    def __call__(self, parser: typing.Any, namespace: typing.Any, values: typing.Any, flag: typing.Any = None) -> None:
        for name in self.instead_of:
            namespace.__dict__.pop(name, None)
        setattr(namespace, self.dest, values)


def usage_words(options_class: type[OptionSet]) -> list[str]:
    """What follows the name of the command in its usage; a command line after `--` comes last."""
    words = [declared for declared in declarations(options_class) if not declared.flags]
    last = [declared.metavar for declared in words if declared.name == options_class.after_dashes]
    return [*(declared.metavar for declared in words if declared.metavar not in last), "[options]", *last]


def _after_dashes(argv: list[str], options_class: type[OptionSet]) -> tuple[dict[str, tuple[str, ...]], list[str]]:
    """The command line that follows `--`, by the name of its option, where the class has one; and the words before."""
    if not options_class.after_dashes or "--" not in argv:
        return {}, argv
    place = argv.index("--")
    rest = tuple(argv[place + 1 :])
    return {options_class.after_dashes: rest} if rest else {}, argv[:place]


def _reader(declared: Declaration) -> typing.Callable[[str], typing.Any]:
    """The function that turns one word into a value."""

    convert = {int: whole_number, float: number}.get(declared.type, declared.type)

    def read(word: str) -> typing.Any:
        word = word.removeprefix(" ") if is_number(word) else word  # see `_prepared`
        if word == declared.or_word:
            return word
        try:
            return convert(word)
        except ValueError:
            kind = WORDS.get(declared.type, declared.type.__name__)
            raise argparse.ArgumentTypeError(f"takes {kind}, not {quoted(word.strip())}") from None

    return read


def _numbers_reader(declared: Declaration) -> typing.Callable[[str], typing.Any]:
    """The function that turns words with spaces between them, see `_numbers_joined`, into values."""
    read = _reader(declared)
    return lambda words: tuple(map(read, words.split()))


def _is_list_of_numbers(option: Declaration | None) -> bool:
    """Whether it takes as many numbers as there are. The list ends where another word stands, so files may follow."""
    return option is not None and option.nargs == "+" and option.type in (int, float)


def _numbers_joined(argv: Sequence[str], declared: dict[str, Declaration]) -> list[str]:
    """The words, where a list of numbers is one of them with its flag: ``--flag=1 2 3``."""
    words: list[str] = []
    option = None
    for position, word in enumerate(argv):
        if word == "--":
            return [*words, *argv[position:]]
        if option and (is_number(word) or word == option.or_word):
            words[-1] += f"{' ' if '=' in words[-1] else '='}{word}"
            continue
        words.append(word)
        named = declared.get(word.partition("=")[0])
        option = named if _is_list_of_numbers(named) else None
    return words


def _prepared(argv: Sequence[str], options_class: type[OptionSet], prog: str) -> list[str]:
    """The words as argparse takes them rightly: no unknown flags, and none that look like flags and are numbers."""
    declared = {flag: option for option in declarations(options_class) for flag in option.flags}
    known = [*declared, "-h", "--help", "--version"]
    words = []
    argv = _numbers_joined(argv, declared)
    for position, word in enumerate(argv):
        if word == "--":
            return [*words, *argv[position:]]
        flag = word.partition("=")[0]
        if not word.startswith("-") or word == "-" or flag in known:
            words.append(_with_value(word, declared))
        elif is_number(word):
            words.append(f" {word}")  # argparse would take -1e-3 and -inf for options; not so with a space
        elif position and _is_length_below_zero(word, declared.get(argv[position - 1])):
            words[-1] += f"={word}"
        elif _has_value_attached(word, declared):
            words.append(word)
        else:
            raise _unknown(flag, known, prog)
    return words


def _with_value(word: str, declared: dict[str, Declaration]) -> str:
    """The word; a flag that may stand alone gets the value that it has then."""
    option = declared.get(word)
    return f"{word}={option.alone}" if option is not None and option.alone else word


def _unknown(flag: str, known: list[str], prog: str) -> UserError:
    import difflib  # 10 ms, only for a typing mistake

    begun = [full for full in known if full.startswith(flag)]
    near = begun[:1] or difflib.get_close_matches(shortened(flag), known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"all options: {prog} --help"
    return UserError(f"unknown option {shortened(flag)} ({hint})")


def _is_length_below_zero(word: str, option: Declaration | None) -> bool:
    """True for `-1um` behind an option that takes one text, which says what is wrong with it."""
    takes_one = option is not None and option.type is str and option.nargs is None and not option.alone
    return takes_one and re.match(r"-\.?[0-9]", word) is not None


def _has_value_attached(word: str, declared: dict[str, Declaration]) -> bool:
    """True for `-o3`: a one-letter option directly followed by its value."""
    option = declared.get(word[:2])
    return option is not None and not option.is_switch and (is_number(word[2:]) or word[2:] in (option.choices or ()))
