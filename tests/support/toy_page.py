"""A small page, to try what all pages stand on: `python toy_page.py FILE [option=value ...]` shows it, FILE keeps x."""

import json
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcdvc.options.common import Messages
from hpcdvc.options.pages import Served
from hpcdvc.output.files import fill, whole_file
from hpcdvc.pages.messages import Message, numbers
from hpcdvc.pages.page import Page

HERE = Path(__file__).parent


@dataclass(kw_only=True)
class Options(Served, Messages):
    """Options of the toy."""


def picture(x: float) -> np.ndarray:
    """What the page shows: a ramp that ends at x, (48, 64) uint8."""
    return np.broadcast_to(np.minimum(np.arange(64), x).clip(0, 255), (48, 64)).astype(np.uint8)


class Toy(Page):
    """x in a file."""

    files = {"": HERE / "toy_page.html", "toy_page.js": HERE / "toy_page.js"}
    reading = frozenset({"look"})

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self.x = json.loads(self.path.read_text())["x"] if self.path.exists() else 0
        self.looked = threading.Event()

    def state(self) -> dict:
        return {"x": self.x}

    def answer(self, message: dict) -> Message:
        kind = message["type"]
        if kind == "count":
            self.hub.background(self.count)
            return Message("counting")
        if kind == "look":
            self.looked.set()
        if kind == "read":
            self.looked.clear()
            return self.hub.aside(lambda: self.read(message))
        if kind == "spoil":
            raise ZeroDivisionError
        if kind == "set":
            self.x = float(numbers(message, "x", ()))
            self.hub.changed()
        elif kind != "look":
            return super().answer(message)
        return Message("planes", {"nothing": np.nan}, {"ramp": picture(self.x)}, exact=bool(message.get("exact")))

    def read(self, message: dict) -> Message:
        if message.get("until") == "look":  # what holds up the others waits for ever
            assert self.looked.wait(50)
        else:
            time.sleep(0.5)
        return Message("read", {"half": 1 / message["by"]})

    def count(self, check) -> None:
        for k in range(1000):
            check()
            self.hub.tell(Message("progress", {"done": k}))
            time.sleep(0.01)

    def save(self) -> None:
        if self.x == 13:
            raise TypeError("13 is not for saving")
        with whole_file(self.path) as temporary, fill(temporary) as file:
            json.dump(self.state(), file)


if __name__ == "__main__":
    from hpcdvc.pages import server
    from hpcdvc.pages.show import show

    given = dict(word.split("=") for word in sys.argv[2:])
    server.PATIENCE = float(given.pop("patience", server.PATIENCE))  # tests do not wait so long
    kinds = {"port": int, "unix_socket": bool, "no_browser": bool, "idle_timeout": float}
    values = {name: kinds.get(name, str)(value) for name, value in given.items()}
    show(Toy(sys.argv[1]), Options(**{"no_browser": True} | values))
