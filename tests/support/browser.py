"""A real browser without a window, driven by its DevTools protocol: Chromium as Debian has it, and tornado."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from served import LIMIT, end_loop
from tornado.websocket import websocket_connect

FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-extensions --hide-scrollbars --remote-debugging-port=0"
).split()
#: Keys by name: DOM key, code, number.
KEYS = {
    "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "PageUp": 33, "PageDown": 34, "Enter": 13,
    "Escape": 27, "Tab": 9, "Delete": 46, "Backspace": 8, "Home": 36, "End": 35,
}  # fmt: skip
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


def chromium() -> str:
    """Path of the browser; the test is skipped where there is none."""
    named = os.environ.get("HPCDVC_CHROMIUM")
    path = named or shutil.which("chromium") or shutil.which("chromium-browser")
    if not path:
        pytest.skip("no Chromium: apt-get install chromium, or name it in HPCDVC_CHROMIUM")
    return path


class Browser:
    """One browser with one page at a time; to be used by `with`.

    Attributes
    ----------
    errors : what the page has complained about since it was opened: exceptions, errors of the console, refused policies
    requests : addresses it has asked for
    """

    def __init__(self, width: int = 1280, height: int = 900) -> None:
        self._folder = tempfile.mkdtemp(prefix="chromium-")
        command = [
            chromium(),
            *FLAGS,
            f"--user-data-dir={self._folder}",
            f"--window-size={width},{height}",
            "about:blank",
        ]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._loop, self._socket, self._number = asyncio.new_event_loop(), None, 0
        self.errors, self.requests, self._frames = [], [], []
        port = self._port()
        self._tabs = f"http://127.0.0.1:{port}/json"

    def _port(self) -> int:
        file, end = Path(self._folder, "DevToolsActivePort"), time.monotonic() + LIMIT
        while time.monotonic() < end:
            with suppress(OSError, ValueError, IndexError):
                return int(file.read_text().split()[0])
            assert self._process.poll() is None, "the browser has not started"
            time.sleep(0.05)
        raise AssertionError("the browser does not say where it listens")

    def close(self) -> None:
        """End the browser."""
        self._leave()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_loop(self._loop)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        self.close()

    # the protocol

    def _leave(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def attach(self, tab: dict) -> None:
        """Drive another tab."""
        self._leave()
        self._socket = self._run(lambda: websocket_connect(tab["webSocketDebuggerUrl"], max_message_size=2**28))
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.errors, self.requests, self._frames = [], [], []

    def _run(self, call: Callable, seconds: float = LIMIT) -> Any:
        async def inside():
            return await asyncio.wait_for(call(), seconds)

        return self._loop.run_until_complete(inside())

    def call(self, method: str, **parameters: Any) -> dict:
        """A call of the protocol, and its result; what else is heard meanwhile is kept."""
        self._number += 1
        number = self._number
        self._run(
            lambda: self._socket.write_message(json.dumps({"id": number, "method": method, "params": parameters}))
        )
        while True:
            heard = self._run(self._socket.read_message)
            assert heard is not None, "the tab is gone"
            message = json.loads(heard)
            if message.get("id") == number:
                assert "error" not in message, (method, message["error"])
                return message["result"]
            self._note(message.get("method"), message.get("params", {}))

    def _note(self, method: str | None, about: dict) -> None:
        if method == "Runtime.exceptionThrown":
            details = about["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Runtime.consoleAPICalled" and about["type"] in ("error", "assert"):
            self.errors.append(" ".join(str(one.get("value", one.get("description"))) for one in about["args"]))
        elif method == "Log.entryAdded" and about["entry"]["level"] == "error":
            self.errors.append(f"{about['entry']['text']} {about['entry'].get('url', '')}")
        elif method == "Network.requestWillBeSent":
            self.requests.append(about["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.requests.append(about["url"])
        elif method in ("Network.webSocketFrameSent", "Network.webSocketFrameReceived"):
            self._frames.append((method.removeprefix("Network.webSocketFrame").lower(), about["response"]))

    # what people do

    def open(self, address: str) -> dict:
        """Show an address in a tab of its own and drive that; returns the tab, for `attach`."""
        request = urllib.request.Request(f"{self._tabs}/new?about:blank", method="PUT")
        with urllib.request.urlopen(request, timeout=LIMIT) as answer:
            tab = json.load(answer)
        self.attach(tab)
        self.call("Page.bringToFront")
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")
        return tab

    def reload(self) -> None:
        """Load the page again."""
        self.evaluate("window.before = true")
        self.call("Page.reload")
        self.wait("!window.before && document.readyState === 'complete'")

    def close_tab(self, tab: dict) -> None:
        """Close a tab; its links are gone with it."""
        with urllib.request.urlopen(f"{self._tabs}/close/{tab['id']}", timeout=LIMIT):
            pass
        end = time.monotonic() + LIMIT
        while tab["id"] in self._open_tabs():
            assert time.monotonic() < end, "the tab does not close"
            time.sleep(0.02)

    def _open_tabs(self) -> set[str]:
        with urllib.request.urlopen(self._tabs, timeout=LIMIT) as answer:
            return {one["id"] for one in json.load(answer)}

    def key(self, name: str, *modifiers: str) -> None:
        """Press a key: a letter, or a name of `KEYS`; `modifiers` of `MODIFIERS`."""
        held = sum(MODIFIERS[one] for one in modifiers)
        number = KEYS.get(name) or ord(name.upper())
        code = name if name in KEYS else f"Key{name.upper()}" if name.isalpha() else f"Digit{name}"
        if name == " ":
            code = "Space"
        about = {"key": name, "code": code, "windowsVirtualKeyCode": number, "modifiers": held}
        text = {"text": name} if len(name) == 1 and not held & ~MODIFIERS["Shift"] else {}
        text = {"text": "\r"} if name == "Enter" else text
        self.call("Input.dispatchKeyEvent", type="keyDown", **about, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.call("Input.insertText", text=text)

    def middle(self, selector: str, right: float = 0.5, down: float = 0.5) -> tuple[float, float]:
        """Where an element is in the window; of shares of its size."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoViewIfNeeded();"
            " const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
        )
        return box[0] + right * box[2], box[1] + down * box[3]

    def mouse(
        self, kind: str, x: float, y: float, *modifiers: str, button: str = "left", held: int = 0, **more
    ) -> None:
        """An event of the mouse: mousePressed, mouseMoved, mouseReleased, mouseWheel."""
        which = sum(MODIFIERS[one] for one in modifiers)
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, buttons=held, modifiers=which, **more)

    def click(self, selector: str, right: float = 0.5, down: float = 0.5, *modifiers: str) -> None:
        """Click an element, at shares of its size."""
        x, y = self.middle(selector, right, down)
        self.mouse("mouseMoved", x, y, *modifiers, button="none")
        self.mouse("mousePressed", x, y, *modifiers, held=1, clickCount=1)
        self.mouse("mouseReleased", x, y, *modifiers, clickCount=1)

    def drag(self, selector: str, by: tuple[float, float], *modifiers: str, start=(0.5, 0.5), steps: int = 5) -> None:
        """Drag from a place in an element, given as shares of its size, by so many pixels to the right and down."""
        x, y = self.middle(selector, *start)
        self.mouse("mouseMoved", x, y, *modifiers, button="none")
        self.mouse("mousePressed", x, y, *modifiers, held=1, clickCount=1)
        for k in range(1, steps + 1):
            self.mouse("mouseMoved", x + by[0] * k / steps, y + by[1] * k / steps, *modifiers, held=1)
        self.mouse("mouseReleased", x + by[0], y + by[1], *modifiers, clickCount=1)

    def wheel(self, selector: str, down: float, *modifiers: str) -> None:
        """Turn the wheel over an element."""
        self.mouse("mouseWheel", *self.middle(selector), *modifiers, button="none", deltaX=0, deltaY=down)

    # what is seen

    def evaluate(self, expression: str) -> Any:
        """Value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def text(self, selector: str = "body") -> str:
        """Text of an element as it is shown."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def wait(self, expression: str, seconds: float = LIMIT) -> Any:
        """Wait until a JavaScript expression is true; returns its value."""
        end = time.monotonic() + seconds
        while True:
            with suppress(AssertionError):  # while a page goes and another comes
                value = self.evaluate(expression)
                if value:
                    return value
            assert time.monotonic() < end, f"{expression} does not become true; errors: {self.errors}"
            time.sleep(0.02)

    def wait_text(self, selector: str, part: str, seconds: float = LIMIT) -> str:
        """Wait until the text of an element holds `part`."""
        self.wait(f"document.querySelector({json.dumps(selector)})?.innerText.includes({json.dumps(part)})", seconds)
        return self.text(selector)

    def check_alone(self, host: str) -> None:
        """Make sure that the page has complained about nothing, and asked no other host for anything."""
        assert self.errors == []
        hosts = {address.split("/")[2] for address in self.requests if not address.startswith(("data:", "blob:"))}
        assert hosts == {host}

    def frames(self) -> list[tuple[str, str | bytes]]:
        """What went through websockets: ("sent" or "received", the message)."""
        self.evaluate("0")
        return [
            (way, frame["payloadData"] if frame["opcode"] == 1 else base64.b64decode(frame["payloadData"]))
            for way, frame in self._frames
        ]

    def offline(self, off: bool) -> None:
        """Cut the network of the page, or bring it back; links that exist stay."""
        self.call(
            "Network.emulateNetworkConditions", offline=off, latency=0, downloadThroughput=-1, uploadThroughput=-1
        )

    @contextmanager
    def sized(self, width: int, height: int = 800) -> Iterator[None]:
        """As in a window, or on a telephone, of another size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=True)
        try:
            yield
        finally:
            self.call("Emulation.clearDeviceMetricsOverride")

    def least_width(self, selector: str) -> int:
        """Width in pixels of the narrowest of the elements that are shown."""
        shown = f"[...document.querySelectorAll({json.dumps(selector)})].filter((e) => e.checkVisibility())"
        return self.evaluate(f"Math.min(...{shown}.map((e) => e.clientWidth))")

    def screenshot(self, path: str | Path) -> None:
        """A picture of the window, PNG."""
        Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))
