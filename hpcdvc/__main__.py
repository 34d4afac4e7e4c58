"""`hpcdvc <command> ...` and `python -P -m hpcdvc <command> ...`: all commands by one name.

Without -P Python takes `hpcdvc.py`, `types.py` and the like from the working folder, before anything of ours is read.
"""

import os
import pkgutil
import sys
from collections.abc import Iterator

from hpcdvc import __version__, cli, workflows
from hpcdvc.errors import RunError, UserError, quoted
from hpcdvc.options.suite import OWN, SHELLS, Declared, declared
from hpcdvc.ranks import launch, terminal

MORE = "(all commands: hpcdvc --help)"


def main(argv: list[str] | None = None) -> int:
    """Run the command that the first argument names; returns its exit code.

    Parameters
    ----------
    argv : the command and its arguments; default those of this process
    """
    again = sys.orig_argv[1:] if argv is None else None
    argv = sys.argv[1:] if argv is None else argv
    name, words = (argv[0], argv[1:]) if argv else ("", [])
    if name in commands():
        sys.argv[0] = f"hpcdvc-{name}"
        return cli.main(name, words, again)
    try:
        text = _own(name, words)
    except (UserError, RunError) as error:
        return cli.refuse("hpcdvc", error)
    if launch.launched_rank() == 0 and not terminal.tell(text, sys.stdout) and name == "completion":
        return cli.refuse("hpcdvc", RunError("the completion is not whole: stdout does not take it"))
    return 0


def commands() -> list[str]:
    """Names of the commands, without their prefix."""
    return sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(workflows.__path__))


def suite() -> list[Declared]:
    """What all of them declare."""
    return [declared(name) for name in commands()]


def shared_files() -> Iterator[tuple[str, str]]:
    """Path below the prefix, and text, of the manual pages and completions that are installed."""
    from hpcdvc.options.completion import completion

    for name, text in manual():
        yield f"share/man/man1/{name}", text
    places = {
        "bash": "share/bash-completion/completions/hpcdvc",
        "zsh": "share/zsh/site-functions/_hpcdvc",
        "fish": "share/fish/vendor_completions.d/hpcdvc.fish",
    }
    for shell, path in places.items():
        yield path, completion(shell, suite())
    for name in commands():  # both look for a file that is named after the program
        yield f"share/bash-completion/completions/hpcdvc-{name}", '. "${BASH_SOURCE[0]%/*}/hpcdvc"\n'
        yield f"share/fish/vendor_completions.d/hpcdvc-{name}.fish", "source (status dirname)/hpcdvc.fish\n"


def manual() -> Iterator[tuple[str, str]]:
    """Name and text of each manual page."""
    from hpcdvc.options.manual import command_page, suite_page

    yield "hpcdvc.1", suite_page(suite())
    for command in suite():
        yield f"hpcdvc-{command.name}.1", command_page(command)


def _own(name: str, words: list[str]) -> str:
    """What `hpcdvc` itself has to say."""
    if name in ("-h", "--help"):
        return _help()
    if name == "--version":
        return f"hpcdvc {__version__}\n"
    if name not in OWN:
        raise UserError(f"unknown command {quoted(name)} {_near(name)}" if name else f"no command is given {MORE}")
    if len(words) != 1 or (name == "completion" and words[0] not in SHELLS) or words[0][:1] in ("", "-"):
        raise UserError(f"{name} takes one word: hpcdvc {name} {OWN[name][0]}")
    return _completion(words[0]) if name == "completion" else _manual_into(words[0])


def _near(name: str) -> str:
    import difflib  # 10 ms, only for a typing mistake

    known = {word.lower(): word for word in (*commands(), *OWN)}
    near = difflib.get_close_matches(name.lower().removeprefix("hpcdvc-")[:80], known, n=1)
    return f"(did you mean {known[near[0]]}?)" if near else MORE


def _help() -> str:
    import shutil
    import textwrap

    rows = [(command.name, command.summary) for command in suite()]
    rows += [(f"{name} {words}", line) for name, (words, line) in OWN.items()]
    width, column = min(shutil.get_terminal_size().columns, 120), max(len(name) for name, _ in rows) + 4
    lines = ["usage: hpcdvc COMMAND [arguments]", "       mpiexec -n N hpcdvc COMMAND [arguments]", ""]
    lines += ["Digital Volume Correlation on any number of MPI ranks. `hpcdvc ldic ...` is `hpcdvc-ldic ...`;"]
    lines += ["`hpcdvc COMMAND --help` lists the options of a command.", "", "commands:"]
    for name, line in rows:
        first, *more = textwrap.wrap(line, max(width - column, 30))
        lines += [f"  {name}".ljust(column) + first, *(" " * column + text for text in more)]
    return "\n".join(lines) + "\n"


def _completion(shell: str) -> str:
    from hpcdvc.options.completion import completion

    return completion(shell, suite())


def _manual_into(folder: str) -> str:
    from hpcdvc.output.files import fill, whole_file
    from hpcdvc.output.places import check_folder

    pages = list(manual())
    if launch.launched_rank() == 0:
        check_folder(folder)
        for name, text in pages:
            with whole_file(os.path.join(folder, name)) as temporary:
                with fill(temporary, encoding="utf-8") as file:
                    file.write(text)
    return f"wrote {len(pages)} pages to {folder}; man -l {os.path.join(folder, 'hpcdvc.1')} shows the first\n"


if __name__ == "__main__":
    raise SystemExit(main())
