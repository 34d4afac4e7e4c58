"""`python -m hpcdvc <command> ...`, for where the scripts of bin/ cannot be used."""

import pkgutil
import sys

from hpcdvc import __version__, cli, workflows
from hpcdvc.errors import UserError
from hpcdvc.ranks import launch


def main(argv: list[str]) -> int:
    """Run the command that the first argument names."""
    commands = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(workflows.__path__))
    if argv and argv[0] in commands:
        sys.argv[0] = f"hpcdvc-{argv[0]}"
        return cli.main(argv[0], argv[1:])
    if argv in (["--version"], ["-h"], ["--help"]):
        text = f"hpcdvc {__version__}" if argv == ["--version"] else f"usage: python -m hpcdvc {'|'.join(commands)} ..."
        if launch.launched_rank() == 0:
            print(text)
        return 0
    problem = f"unknown command {argv[0]!r}" if argv else "no command is given"
    return cli.refuse("hpcdvc", UserError(f"{problem}, the commands are {', '.join(commands)}"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
