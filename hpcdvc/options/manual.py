"""Manual pages (`man hpcdvc-ldic`), from the declarations that `--help` shows."""

from collections.abc import Iterable

from hpcdvc import __version__
from hpcdvc.options.declare import options_table
from hpcdvc.options.help import HELP, VERSION
from hpcdvc.options.parser import usage_words
from hpcdvc.options.suite import OWN, Declared

EXIT_STATUS = (
    ("0", "done"),
    ("1", "failed; one sentence says why, what was measured is kept"),
    ("2", "a mistake in the command line or the input, found before anything was measured"),
    ("75", "left early because it was asked to (SIGUSR1); the same command with --resume goes on"),
    ("130", "interrupted"),
)


def command_page(command: Declared) -> str:
    """The page of one command, for section 1."""
    title = f"hpcdvc-{command.name}"
    words = usage_words(command.options)
    lines = [
        *_head(title, command.summary),
        ".SH SYNOPSIS",
        f".B {_plain(title)}",
        _plain(" ".join(words)),
        ".br",
        f".B hpcdvc {_plain(command.name)}",
        _plain(" ".join(words)),
        ".SH DESCRIPTION",
        _line(command.description),
        ".SH OPTIONS",
    ]
    group = None
    for row in [*options_table(command.options), {**HELP, "group": "help"}, {**VERSION, "group": "help"}]:
        if row["group"] != group:
            group = row["group"]
            lines.append(f".SS {_plain(group.capitalize())}")
        lines += _option(row)
    return _text([*lines, *_exit_status(), ".SH SEE ALSO", ".BR hpcdvc (1)"])


def suite_page(commands: Iterable[Declared]) -> str:
    """The page of all commands together, `hpcdvc(1)`."""
    rows = [(f"hpcdvc {command.name}, hpcdvc-{command.name}", command.summary) for command in commands]
    rows += [(f"hpcdvc {name} {words}", line) for name, (words, line) in OWN.items()]
    lines = [
        *_head("hpcdvc", "Digital volume correlation on any number of MPI ranks"),
        ".SH SYNOPSIS",
        ".B hpcdvc",
        _plain("COMMAND [arguments]"),
        ".br",
        ".B mpiexec",
        _plain("-n N hpcdvc COMMAND [arguments]"),
        ".SH DESCRIPTION",
        _line("Each command is a program of its own too, hpcdvc-COMMAND, which is the same and has its own page."),
        ".SH COMMANDS",
    ]
    for name, line in rows:
        lines += [".TP", f".B {_plain(name)}", _line(line)]
    return _text([*lines, *_exit_status()])


def _head(title: str, line: str) -> list[str]:
    about = line[0].lower() + line[1:]
    return [
        f'.TH {_plain(title.upper())} 1 "" "hpcdvc {__version__}" "hpcdvc"',
        ".SH NAME",
        rf"{_plain(title)} \- {_plain(about)}",
    ]


def _option(row: dict[str, str]) -> list[str]:
    facts = "; ".join(filter(None, (row["unit"], f"default {row['default']}" if row["default"] else "")))
    value = rf" \fI{_plain(row['metavar'])}\fR" if row["metavar"] else ""
    flags = rf"\fB{_plain(row['flags'])}\fR" if row["flags"] else ""
    return [".TP", (flags + value).strip(), _line(row["help"] + (f" ({facts})" if facts else ""))]


def _exit_status() -> list[str]:
    lines = [".SH EXIT STATUS"]
    for code, meaning in EXIT_STATUS:
        lines += [".TP", f".B {code}", _line(meaning)]
    return lines


def _plain(text: str) -> str:
    """Text in which roff finds nothing to do."""
    return text.replace("\\", r"\e").replace("-", r"\-").replace("'", r"\(aq").replace("`", r"\(ga")


def _line(text: str) -> str:
    """A line of text; one that begins as an instruction does begins with nothing before."""
    text = _plain(" ".join(text.split()))
    return rf"\&{text}" if text.startswith(".") else text


def _text(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"
