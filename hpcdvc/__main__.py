"""`python -P -m hpcdvc <command> ...`, for where the scripts of bin/ cannot be used.

Without -P Python takes `hpcdvc.py`, `types.py` and the like from the working folder, before anything of ours is read.
"""

import pkgutil
import sys

from hpcdvc import __version__, cli, workflows
from hpcdvc.errors import UserError, quoted
from hpcdvc.ranks import launch, terminal


def main(argv: list[str]) -> int:
    """Run the command that the first argument names."""
    commands = sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(workflows.__path__))
    if argv and argv[0] in commands:
        sys.argv[0] = f"hpcdvc-{argv[0]}"
        return cli.main(argv[0], argv[1:])
    if argv in (["--version"], ["-h"], ["--help"]):
        text = (
            f"hpcdvc {__version__}" if argv == ["--version"] else f"usage: python -P -m hpcdvc {'|'.join(commands)} ..."
        )
        if launch.launched_rank() == 0:
            terminal.tell(f"{text}\n", sys.stdout)
        return 0
    problem = f"unknown command {quoted(argv[0])}" if argv else "no command is given"
    return cli.refuse("hpcdvc", UserError(f"{problem}, the commands are {', '.join(commands)}"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
