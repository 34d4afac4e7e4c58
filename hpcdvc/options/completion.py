"""Completion of all commands in bash, zsh and fish, from the declarations of their options."""

import re
from collections.abc import Iterable

from hpcdvc.options.declare import declarations
from hpcdvc.options.suite import OWN, SHELLS, Declared
from hpcdvc.options.values import Declaration

#: Flags that every command has.
EVERYWHERE = {"-h": "show the help and leave", "--help": "show the help and leave", "--version": "show the version"}
#: Values that name a file or a folder, where the option does not say that it reads one.
OF_FILES = re.compile(r"FILE|DIR|PATH")


def completion(shell: str, commands: Iterable[Declared]) -> str:
    """The script for a shell.

    Parameters
    ----------
    shell : one of `hpcdvc.options.suite.SHELLS`
    commands : of the suite
    """
    make = dict(zip(SHELLS, (_bash, _zsh, _fish), strict=True))[shell]
    return f"{make(list(commands))}"


def _values(option: Declaration) -> tuple[str, ...] | None:
    """Words that an option takes, () where it takes numbers or free text, None where it takes files."""
    if option.choices:
        return tuple(map(str, option.choices))
    if option.type is not str or not (option.reads or OF_FILES.search(option.metavar or "")):
        return ()
    return None


def _first_words(names: Iterable[str]) -> list[str]:
    return [*names, *OWN]


# bash


def _bash(commands: list[Declared]) -> str:
    flags, values = [], []
    for command in commands:
        known = [flag for option in declarations(command.options) for flag in option.flags]
        flags.append(f"[{command.name}]='{' '.join([*known, *EVERYWHERE])}'")
        for option in declarations(command.options):
            words = () if option.is_switch or option.alone else _values(option)
            if option.is_switch or option.alone or words is None:
                continue
            for flag in option.flags or ("-",):  # "-": the words of a positional one
                if words or option.flags:
                    values.append(f"['{command.name} {flag}']='{' '.join(words)}'")
    values.append(f"['completion -']='{' '.join(SHELLS)}'")
    programs = " ".join(f"hpcdvc-{command.name}" for command in commands)
    return BASH.format(
        flags="\n    ".join(flags),
        values="\n    ".join(values),
        commands=" ".join([*_first_words(command.name for command in commands), "--help", "--version"]),
        programs=programs,
    )


BASH = """# Completion of the hpcdvc commands in bash, written by: hpcdvc completion bash
declare -gA _hpcdvc_flags=(
    {flags}
)
declare -gA _hpcdvc_values=(
    {values}
)

_hpcdvc() {{
    local command=${{COMP_WORDS[0]##*/}} current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    COMPREPLY=()
    if [[ $command == hpcdvc && $COMP_CWORD -eq 1 ]]; then
        mapfile -t COMPREPLY < <(compgen -W '{commands}' -- "$current")
        return
    elif [[ $command == hpcdvc ]]; then
        command=${{COMP_WORDS[1]}}
    else
        command=${{command#hpcdvc-}}
    fi
    local key="$command $previous"
    if [[ $current == -* && -n ${{_hpcdvc_flags[$command]-}} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${{_hpcdvc_flags[$command]}}" -- "$current")
    elif [[ -n ${{_hpcdvc_values[$key]-}} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${{_hpcdvc_values[$key]}}" -- "$current")
    elif [[ -n ${{_hpcdvc_values[$key]+set}} ]]; then
        compopt +o default +o bashdefault 2>/dev/null || : # a number: no file has its name
    elif [[ -n ${{_hpcdvc_values[$command -]-}} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${{_hpcdvc_values[$command -]}}" -- "$current")
    fi
}}
complete -o bashdefault -o default -F _hpcdvc hpcdvc {programs}
"""


# zsh


def _zsh(commands: list[Declared]) -> str:
    cases = [f"        {command.name})\n            {_zsh_command(command)}\n            ;;" for command in commands]
    cases.append(f"        completion)\n            compadd {' '.join(SHELLS)}\n            ;;")
    cases.append("        man)\n            _files -/\n            ;;")
    first = [(command.name, command.summary) for command in commands] + [(n, line) for n, (_, line) in OWN.items()]
    listed = "\n        ".join(_quoted(f"{name}:{line}") for name, line in first)
    programs = " ".join(f"hpcdvc-{command.name}" for command in commands)
    return ZSH.format(programs=programs, listed=listed, cases="\n".join(cases))


def _zsh_command(command: Declared) -> str:
    specs = []
    for option in declarations(command.options):
        values = _values(option)
        what = "_files" if values is None else f"({' '.join(values)})" if values else " "
        about = re.sub(r"([\[\]:\\])", r"\\\1", option.help)
        name = re.sub(r"([:\\])", r"\\\1", option.metavar or option.name)
        takes = "" if option.is_switch or option.alone else f":{name}:{what}"
        if takes and isinstance(option.nargs, int) and option.nargs > 1:
            takes *= option.nargs
        specs += [_quoted(f"{flag}[{about}]{takes}") for flag in option.flags]
    words = next((v for o in declarations(command.options) if not o.flags and (v := _values(o))), None)
    rest = f"*:word:{{ compadd {' '.join(words)}; _files }}" if words else "*:file:_files"
    specs += [_quoted(f"{flag}[{about}]") for flag, about in EVERYWHERE.items()]
    return " \\\n                ".join(["_arguments", *specs, _quoted(rest)])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


ZSH = """#compdef hpcdvc {programs}
# Completion of the hpcdvc commands in zsh, written by: hpcdvc completion zsh

_hpcdvc() {{
    local command=${{${{words[1]:t}}#hpcdvc-}}
    local -a listed=(
        {listed}
    )
    if [[ $command == hpcdvc ]]; then
        if (( CURRENT == 2 )); then
            _describe command listed
            return
        fi
        shift words
        (( CURRENT-- ))
        command=$words[1]
    fi
    case $command in
{cases}
    esac
}}

if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _hpcdvc "$@"
else
    compdef _hpcdvc hpcdvc {programs}
fi
"""


# fish


def _fish(commands: list[Declared]) -> str:
    lines = ["# Completion of the hpcdvc commands in fish, written by: hpcdvc completion fish"]
    first = [(command.name, command.summary) for command in commands] + [(n, line) for n, (_, line) in OWN.items()]
    for name, line in first:
        lines.append(f"complete -c hpcdvc -n __fish_use_subcommand -f -a {name} -d {_fish_quoted(line)}")
    lines.append(f"complete -c hpcdvc -n '__fish_seen_subcommand_from completion' -f -a '{' '.join(SHELLS)}'")
    for command in commands:
        lines += _fish_command(command, f"-c hpcdvc -n '__fish_seen_subcommand_from {command.name}'")
        lines += _fish_command(command, f"-c hpcdvc-{command.name}")
    return "\n".join(lines) + "\n"


def _fish_command(command: Declared, where: str) -> list[str]:
    lines = []
    for option in declarations(command.options):
        values = _values(option)
        takes = ""
        if not (option.is_switch or option.alone):
            takes = " -r -F" if values is None else f" -x -a '{' '.join(values)}'" if values else " -x"
        about = _fish_quoted(option.help)
        if option.flags:
            lines.append(f"complete {where} {' '.join(map(_fish_flag, option.flags))}{takes} -d {about}")
        elif values:
            lines.append(f"complete {where} -a '{' '.join(values)}' -d {about}")
    lines += [f"complete {where} {_fish_flag(flag)} -d {_fish_quoted(about)}" for flag, about in EVERYWHERE.items()]
    return lines


def _fish_flag(flag: str) -> str:
    """`--long`, `-s` and `-old`, as fish tells them apart."""
    name = flag.lstrip("-")
    return f"-l {name}" if flag.startswith("--") else f"-s {name}" if len(name) == 1 else f"-o {name}"


def _fish_quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
