"""A command that serves a page, started and ended; and what speaks to it without a browser."""

import asyncio
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from queue import Empty, Queue

from tornado.websocket import websocket_connect

ROOT = Path(__file__).resolve().parents[2]
#: Seconds after which nothing comes any more, on a machine that does much else: no promise of a page.
LIMIT = 60.0
TOY = [sys.executable, str(Path(__file__).with_name("toy_page.py"))]


class Served:
    """A command that is running and shows a page; to be used by `with`, ended by SIGTERM.

    Attributes
    ----------
    lines : what it has printed
    port, token : of its address
    took : seconds until it listened, as this machine is busy now
    """

    def __init__(self, command: list, env: dict | None = None, cwd: Path | None = None) -> None:
        begun = time.monotonic()
        environment = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
        self.process = subprocess.Popen(
            ["env", "--default-signal=HUP", *map(str, command)],  # whatever this process ignores
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=cwd,
        )
        self.lines, self._queue = [], Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        address = self.line("http://")
        self.took = time.monotonic() - begun
        self.token = address.split("#")[1].split("=")[-1]
        self.host = address.split("//")[1].split("/")[0]
        self.port = int(self.host.rsplit(":")[-1])
        self.url = address

    def _read(self) -> None:
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))

    def line(self, part: str, seconds: float = LIMIT) -> str:
        """The first line with these letters, waited for."""
        for line in self.lines:
            if part in line:
                return line
        while True:
            try:
                self.lines.append(self._queue.get(timeout=seconds))
            except Empty:
                raise AssertionError(f"no {part!r} in {self.lines}") from None
            if part in self.lines[-1]:
                return self.lines[-1]

    def end(self, number: int = signal.SIGTERM, seconds: float = 15) -> tuple[int, str]:
        """End it by a signal; returns its exit code, and what it has said on stderr."""
        self.process.send_signal(number)
        return self.wait(seconds)

    def wait(self, seconds: float = LIMIT) -> tuple[int, str]:
        """Wait for its end."""
        code = self.process.wait(seconds)
        return code, self.process.stderr.read()

    def __enter__(self) -> "Served":
        return self

    def __exit__(self, *_) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def request(place: int | str, path: str = "/", method: str = "GET", **headers: str | None) -> tuple[int, dict, bytes]:
    """Ask for a path, letter by letter; returns status, headers by small letters, content.

    Parameters
    ----------
    place : port of this machine, or path of a socket
    headers : Host, Origin ...; underscores for hyphens; None leaves out
    """
    family, address = (socket.AF_UNIX, place) if isinstance(place, str) else (socket.AF_INET, ("127.0.0.1", place))
    sent = {"Host": f"127.0.0.1:{place}", "Connection": "close", **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in sent.items() if value is not None]
    with socket.socket(family, socket.SOCK_STREAM) as line:
        line.settimeout(LIMIT)
        line.connect(address)
        line.sendall("\r\n".join([f"{method} {path} HTTP/1.1", *lines, "", ""]).encode("latin-1"))
        with line.makefile("rb") as answer:
            status = int(answer.readline().split()[1])
            found = [text.decode("latin-1").split(":", 1) for text in iter(answer.readline, b"\r\n") if text]
            known = {name.lower(): value.strip() for name, value in found}
            content = answer.read(0 if method == "HEAD" or status == 101 else int(known.get("content-length", 0)))
    return status, known, content


UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec_WebSocket_Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec_WebSocket_Version": "13",
}


class Talk:
    """A page without a browser; to be used by `with`."""

    def __init__(self, port: int, first: str | bytes | None) -> None:
        self._loop, self._over = asyncio.new_event_loop(), False
        self._socket = self._do(websocket_connect, f"ws://127.0.0.1:{port}/ws")
        if first is not None:
            self._do(self._socket.write_message, first, binary=isinstance(first, bytes))

    def _do(self, call, *arguments, seconds: float = LIMIT, **more):
        async def inside():
            return await asyncio.wait_for(call(*arguments, **more), seconds)

        return self._loop.run_until_complete(inside())

    def say(self, message: dict | str | bytes) -> None:
        """Send a message; what is no dictionary goes as it is."""
        data = json.dumps(message) if isinstance(message, dict) else message
        self._do(self._socket.write_message, data, binary=isinstance(data, bytes))

    def hear(self, kind: str | None = None) -> dict | None:
        """The next message, of a type; its planes have their bytes as `data`. None: closed."""
        while True:
            data = self._do(self._socket.read_message)
            if data is None:
                self._over = True
                return None
            (length,) = struct.unpack("<I", data[:4])
            head, at = json.loads(data[4 : 4 + length]), 4 + length
            for plane in head["planes"]:
                plane["data"], at = data[at : at + plane["bytes"]], at + plane["bytes"]
            assert at == len(data)
            if kind in (None, head["type"]):
                return head

    def ask(self, message: dict) -> dict:
        """Send a message and wait for its answer."""
        self.say(message | {"number": 77})
        while True:
            answer = self.hear()
            if answer is None or answer.get("number") == 77:
                return answer

    @property
    def close_code(self) -> int | None:
        return self._socket.close_code

    def __enter__(self) -> "Talk":
        return self

    async def _close(self) -> None:
        self._socket.close()

    def leave(self) -> None:
        """Close the link, and wait until it is closed."""
        self._do(self._close)  # what it writes wants a running loop
        with suppress(TimeoutError):
            while not self._over and self.hear() is not None:
                pass

    def __exit__(self, *_) -> None:
        self.leave()
        end_loop(self._loop)


def end_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Close a loop, and what still waits in it."""
    for task in asyncio.all_tasks(loop):
        task.cancel()
        loop.run_until_complete(asyncio.wait([task]))
    loop.close()
