"""What the hub of a page does at its end."""

import asyncio
import json
import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("tornado")

from toy_page import Toy  # noqa: E402

from hpcdvc.pages.hub import Hub  # noqa: E402


def test_who_says_something_while_work_stops_is_not_answered(tmp_path, caplog):
    """What is answered is saved; and a message that comes too late is no fault of the program."""
    released = threading.Event()

    class Saved(Toy):
        def save(self):
            super().save()
            saved.set()

    async def end() -> list[bytes]:
        page, told = Saved(tmp_path / "x.json"), []
        hub, client = Hub(page), SimpleNamespace(tell=told.append)
        page.begin(hub)
        hub.background(lambda check: released.wait(60))
        over = asyncio.create_task(hub.end())
        await asyncio.to_thread(saved.wait)
        await asyncio.sleep(0.05)  # until it waits for the work
        await hub.join(client)
        await hub.receive(client, json.dumps({"type": "set", "x": 4}))
        released.set()
        await over
        return told

    saved = threading.Event()
    assert asyncio.run(end()) == [] and not caplog.records
    assert json.loads((tmp_path / "x.json").read_text()) == {"x": 0}
