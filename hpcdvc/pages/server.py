"""The server of a page: tornado, on this machine alone, until it is told to end or nobody looks any more.

    serve(page, options)      what a command calls; it comes back when all is saved

Requests are answered when the host, the origin and the name are right; data go through the websocket, whose
first message is the token (`gate`).
"""

import asyncio
import logging
import signal
import time
from contextlib import suppress
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from hpcdvc.options.pages import Served
from hpcdvc.pages.addresses import Place
from hpcdvc.pages.gate import HEADERS, NO_TOKEN, PATIENCE, Gate
from hpcdvc.pages.hub import Hub
from hpcdvc.pages.messages import LARGEST
from hpcdvc.pages.page import STATIC, Page

log = logging.getLogger("hpcdvc")

#: What every page may use, besides its own files.
COMMON_FILES = ("base.js", "base.css", "icon.svg", "views.js", "views.css", "actions.js", "colours.js")
COMMON = {name: STATIC / name for name in COMMON_FILES}
#: Kinds of files; what is none of these is not given.
KINDS = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
#: Signals that end a page; the last one is that of a job whose time is nearly over.
ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
#: Seconds between two pings, which find out that a tunnel was cut, and that the answer may take.
PING = 15.0


def serve(page: Page, options: Served) -> None:
    """Show a page until a signal of `ENDS` comes, or nobody looks for `options.idle_timeout` minutes; then save.

    Raises
    ------
    UserError : there is no place to listen; RunError from the last `page.save`
    """
    asyncio.run(_serve(page, options))


async def _serve(page: Page, options: Served) -> None:
    place = Place(options)
    try:
        gate, hub = Gate([place.host, *options.allow_host]), Hub(page)
        loop = asyncio.get_running_loop()
        for number in ENDS:
            if (number, signal.getsignal(number)) != (signal.SIGHUP, signal.SIG_IGN):  # as nohup leaves it
                loop.add_signal_handler(number, hub.over.set)
        server = HTTPServer(application(page, gate, hub))
        server.add_sockets(place.sockets)
        print(*place.lines(gate.token), sep="\n", flush=True)
        if not options.no_browser:
            place.browse(gate.token)
        page.begin(hub)
        try:
            await _until(hub, options.idle_timeout * 60)
        finally:
            server.stop()
            await hub.end()
            await _close(server)
    finally:
        place.close()


async def _until(hub: Hub, idle: float) -> None:
    """Come back when it shall end, or nobody has looked for `idle` seconds."""
    seen = time.monotonic()
    while not hub.over.is_set():
        if hub.clients:
            seen = time.monotonic()
        left = seen + idle - time.monotonic()
        if left <= 0:
            log.info("nobody has looked at the page for %g min", idle / 60)
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(hub.over.wait(), min(left, 1.0))


async def _close(server: HTTPServer) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(server.close_all_connections(), 1.0)


def application(page: Page, gate: Gate, hub: Hub) -> Application:
    """What answers requests."""
    files = {f"/{name}": (_kind(path), path.read_bytes()) for name, path in (COMMON | dict(page.files)).items()}
    return Application(
        [(r"/ws", Socket, {"gate": gate, "hub": hub}), (r".*", Static, {"gate": gate, "files": files})],
        log_function=lambda handler: None,
        websocket_max_message_size=LARGEST,
        websocket_ping_interval=PING,
        websocket_ping_timeout=PING,
    )


def _kind(path: Path) -> str:
    return f"{KINDS[path.suffix]}; charset=utf-8"


class Guarded(RequestHandler):
    """What all answers have: the headers, and no word to whom the gate does not know."""

    gate: Gate

    def set_default_headers(self) -> None:
        self.clear_header("Server")
        for name, value in HEADERS.items():
            self.set_header(name, value)

    def compute_etag(self) -> None:
        """None: nothing is stored."""

    def prepare(self) -> None:
        host = self.request.headers.get("Host", "")
        if not (self.gate.host(host) and self.gate.origin(self.request.headers.get("Origin"), host)):
            raise HTTPError(403)

    def write_error(self, status_code: int, **more: object) -> None:
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{status_code}\n")


class Static(Guarded):
    """Files of a list: what the address says is compared, letter by letter, and never becomes a path."""

    def initialize(self, gate: Gate, files: dict[str, tuple[str, bytes]]) -> None:
        self.gate, self.files = gate, files

    def get(self) -> None:
        if self.request.path not in self.files:
            raise HTTPError(404)
        kind, content = self.files[self.request.path]
        self.set_header("Content-Type", kind)
        self.finish(content)

    head = get


class Socket(Guarded, WebSocketHandler):
    """A page in a browser, as the hub sees it."""

    def initialize(self, gate: Gate, hub: Hub) -> None:
        self.gate, self.hub, self.known, self.late = gate, hub, False, None

    def check_origin(self, origin: str) -> bool:
        return self.gate.origin(origin, self.request.headers.get("Host", ""))

    def open(self) -> None:
        self.set_nodelay(True)
        self.late = asyncio.get_running_loop().call_later(PATIENCE, self.close, NO_TOKEN, "no token")

    async def on_message(self, data: str | bytes) -> None:
        if self.known:
            await self.hub.receive(self, data)
        elif self.gate.token_of(data):
            self.known = True
            self.late.cancel()
            await self.hub.join(self)
        else:
            self.close(NO_TOKEN, "wrong token")

    def on_close(self) -> None:
        if self.late is not None:
            self.late.cancel()
        self.hub.leave(self)

    def tell(self, data: bytes) -> None:
        """See `hpcdvc.pages.hub.Client`."""
        with suppress(WebSocketClosedError):
            future = self.write_message(data, binary=True)
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
