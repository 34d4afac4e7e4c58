"""What a command brings to show a page; `server` does the rest."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.pages.messages import Message

if TYPE_CHECKING:
    from concurrent.futures import Future

    from hpcdvc.pages.hub import Hub

STATIC = Path(__file__).parent / "static"


class Page:
    """A page; commands inherit.

    `answer`, `state` and `save` run in one thread, one after the other, and shall take milliseconds: what takes longer
    goes to `hub.background`.

    Attributes
    ----------
    files : what the server gives, by the name in the address; "" is the page itself. Nothing else is given.
    reading : types of messages that a page which may not write is answered
    """

    files: ClassVar[Mapping[str, Path]] = {}
    reading: ClassVar[frozenset[str]] = frozenset()

    def begin(self, hub: "Hub") -> None:
        """Called once when the server listens: keep the hub, and begin to load by `hub.background`."""
        self.hub = hub

    def state(self) -> dict[str, Any]:
        """All that a page needs to show what is now (JSON-able)."""
        return {}

    def answer(self, message: dict[str, Any]) -> "Message | Future[Message]":
        """Answer a message of a page; call `hub.changed()` where it has changed the state.

        What takes longer than some milliseconds comes later: return `hub.aside(call)`, of what makes the message.

        Raises
        ------
        UserError : what is wrong with it, for the page to show
        """
        raise UserError(f"no message {quoted(message['type'])} is known here")

    def save(self) -> None:
        """Write the state to its files: while it changes, and at the end."""
