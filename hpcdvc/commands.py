"""Each command as a function: ``hpcdvc.commands.ldic(im1, im2, half_window_size=10, node_spacing=20)``.

The functions are made of the options of the commands when they are asked for; ``help(hpcdvc.commands.ldic)`` tells what
one takes. Pages in a browser (`hpcdvc-view` and the like) are started from a shell.
"""

from collections.abc import Callable
from typing import Any

from hpcdvc.calls.names import command_names, options_class

__all__ = [name for name in command_names() if "bind" not in options_class(name).__dataclass_fields__]  # noqa: PLE0605


def _function(name: str) -> Callable[..., Any]:
    """The function of a command."""
    from hpcdvc.calls.signature import signature_of, text_of

    def command(*given: Any, **named: Any) -> Any:
        from hpcdvc.calls.call import call

        return call(name, given, named)

    command.__name__ = command.__qualname__ = name
    command.__module__ = __name__
    command.__doc__ = text_of(name)
    command.__signature__ = signature_of(options_class(name))
    return command


def __getattr__(name: str) -> Callable[..., Any]:
    if name not in __all__:
        hint = f": hpcdvc-{name.replace('_', '-')} is a page, to be started from a shell" * (name in command_names())
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    made = globals()[name] = _function(name)
    return made


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
