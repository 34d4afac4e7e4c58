"""How a run can end other than with a result."""


class UserError(ValueError):
    """A mistake in the command line or the input files: one sentence, exit code 2, nothing computed."""

    exit_code = 2


class RunError(RuntimeError):
    """A failure that needs no traceback (disk full, lost file): one sentence, exit code 1."""

    exit_code = 1


class Unfinished(RunError):
    """The run was asked to leave (SIGUSR1); what was measured is on disk, `--resume` goes on: exit code 75."""

    exit_code = 75


#: Errors that need no traceback.
SENTENCES = (UserError, RunError, OSError)


def shortened(text: str, most: int = 80) -> str:
    """The beginning of a text that somebody else has written, for a message."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def quoted(value: object) -> str:
    """A value as a message quotes it: in its Python form, which shows control characters, and cut where it is long."""
    return shortened(repr(value))
