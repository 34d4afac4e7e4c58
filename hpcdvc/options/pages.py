"""Options of commands that show a page in a browser."""

from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.declare import OptionSet, option, option_group


@option_group
class Served(OptionSet):
    """Where the page is, and for how long."""

    group: ClassVar[str] = "page"

    port: int = option(
        0, "--port", at_least=0, at_most=65535, in_key=False, help="port of this machine; 0: one that is free"
    )
    unix_socket: bool = option(
        False,
        "--unix-socket",
        in_key=False,
        help="no port, but a socket in a folder of yours below XDG_RUNTIME_DIR, for machines that others use too",
    )
    bind: str = option(
        "127.0.0.1", "--bind", metavar="ADDRESS", in_key=False, help="address at which others reach the page, too"
    )
    allow_host: tuple[str, ...] = option(
        (),
        "--allow-host",
        metavar="NAME",
        in_key=False,
        help="more names under which the page is reached, of a proxy for example",
    )
    no_browser: bool = option(False, "--no-browser", in_key=False, help="open no browser here")
    idle_timeout: float = option(
        30.0,
        "--idle-timeout",
        unit="min",
        above=0,
        at_most=10080,
        in_key=False,
        help="end when nobody looks for so long",
    )

    def check(self) -> None:
        if self.bind in ("", "0.0.0.0", "::"):
            raise UserError("--bind: name one address of this machine, not all of them")
        if self.unix_socket and (self.port or self.bind != "127.0.0.1"):
            raise UserError("--unix-socket has neither --port nor --bind")
