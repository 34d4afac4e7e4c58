"""Who may talk to a page: the token, the names of this machine, what browsers are told to refuse.

The token stands in the fragment of the address, which browsers send to nobody; the page sends it as its first message.
Cookies are not used: all servers on 127.0.0.1 share them.
"""

import json
import re
import secrets
from collections.abc import Iterable
from contextlib import suppress

#: Nothing but what this server itself gives.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: Seconds that a page has for its token, and what it is told when it has none.
PATIENCE, NO_TOKEN = 5.0, 4001
#: Names of this machine for itself, and for the end of a tunnel whose port may be any.
OWN = ("127.0.0.1", "localhost", "[::1]")


class Gate:
    """Lets in who knows the token.

    Parameters
    ----------
    names : more hosts under which the page may be asked for

    Attributes
    ----------
    token : 43 characters
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.token = secrets.token_urlsafe(32)
        self._names = {name.lower() for name in (*OWN, *names)}

    def host(self, host: str) -> bool:
        """Whether a request for this host (perhaps with a port) is for us: a page of others that leads here is not."""
        found = re.fullmatch(r"(\[[0-9a-f:.]+\]|[^\[\]:]+)(:\d{1,5})?", host.lower())
        return found is not None and found[1] in self._names

    def origin(self, origin: str | None, host: str) -> bool:
        """Whether a request comes from our own page; no browser leaves the origin of a websocket out."""
        return origin is None or origin.lower() in (f"http://{host}".lower(), f"https://{host}".lower())

    def token_of(self, data: str | bytes) -> bool:
        """Whether a first message is the token: as text, or as the `token` of a JSON object."""
        with suppress(ValueError, RecursionError):
            found = json.loads(data)
            data = found.get("token", "") if isinstance(found, dict) else data
        if not isinstance(data, str | bytes):
            return False
        given = data.encode(errors="replace") if isinstance(data, str) else data
        return secrets.compare_digest(given, self.token.encode())
