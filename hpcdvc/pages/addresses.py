"""Where a page is to be found: the port or the socket, what is printed about it, the browser of this machine."""

import getpass
import ipaddress
import logging
import os
import shlex
import shutil
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Mapping
from html import escape
from pathlib import Path

from tornado.netutil import bind_sockets, bind_unix_socket

from hpcdvc.errors import UserError
from hpcdvc.options.pages import Served

log = logging.getLogger("hpcdvc")

#: Port that tunnels to a socket are shown with.
TUNNEL = 8899


class Place:
    """Where a server listens; made once, `close` tidies up.

    Parameters
    ----------
    options : port, socket

    Attributes
    ----------
    sockets : that listen
    host : as addresses have it
    port : of this machine; of a socket the one that a tunnel to it is shown with
    path : of the socket, or None

    Raises
    ------
    UserError : the port is taken, or no socket can be made
    """

    def __init__(self, options: Served) -> None:
        self.path, self._folders = None, []
        self.host = "localhost" if options.unix_socket else options.bind
        self.host = f"[{self.host}]" if ":" in self.host else self.host
        try:
            if options.unix_socket:
                folder = self._folder(os.environ.get("XDG_RUNTIME_DIR") or None)
                self.path = folder / "page.sock"
                self.sockets, self.port = [bind_unix_socket(str(self.path), mode=0o600)], TUNNEL
            else:
                _refuse_all_addresses(options.bind)
                self.sockets = bind_sockets(options.port, options.bind, backlog=16)
                self.port = self.sockets[0].getsockname()[1]
        except (OSError, OverflowError) as error:
            self.close()
            wanted = "--unix-socket" if options.unix_socket else f"--port {options.port} at {options.bind}"
            raise UserError(f"{wanted}: the page cannot listen there: {error}") from error
        if options.bind != "127.0.0.1":
            log.warning(
                "--bind %s: others of this network can reach the page; the token is all that stops them", options.bind
            )

    def lines(self, token: str, environment: Mapping[str, str] = os.environ) -> list[str]:
        """What is printed: the address, and how to reach it from another machine."""
        end = f"{self.host}:{self.port}" if self.path is None else shlex.quote(str(self.path))
        user, node = _user(), socket.gethostname()
        through = ""
        if environment.get("SLURM_JOB_ID"):
            through = f"-J {user}@{environment.get('SLURM_SUBMIT_HOST') or 'LOGIN-NODE'} "
        return [
            self.address(token),
            "from another machine, then open that address there:",
            f"ssh -N -L {self.port}:{end} {through}{user}@{node}",
        ]

    def address(self, token: str) -> str:
        """Of the page, with the token where no server sees it."""
        return f"http://{self.host}:{self.port}/#{token}"

    def browse(self, token: str) -> None:
        """Open the browser of this machine by a file that only its user can read: `ps` shows no token."""
        if self.path is not None:
            return
        page = self._folder() / "open.html"
        address = escape(self.address(token), quote=True)
        with open(page, "x", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(f'<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0; url={address}">\n')
        threading.Thread(target=webbrowser.open, args=(page.as_uri(),), daemon=True).start()

    def close(self) -> None:
        """Remove the socket, and the file for the browser."""
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, parent: str | None = None) -> Path:
        """A folder that is this user's alone (0700)."""
        folder = tempfile.mkdtemp(prefix="hpcdvc-", dir=parent)
        self._folders.append(folder)
        return Path(folder)


def _refuse_all_addresses(bind: str) -> None:
    """0, *, ::0 ... are names of all addresses of this machine."""
    found = {about[4][0] for about in socket.getaddrinfo(bind, 0, flags=socket.AI_PASSIVE)}
    if any(ipaddress.ip_address(address).is_unspecified for address in found):
        raise UserError(f"--bind {bind}: name one address of this machine, not all of them")


def _user() -> str:
    """Name of the user; in containers that know none, what is to be put in its place."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "USER"
