"""What takes longer than an answer may: it is done aside, while other messages are answered."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any


class Aside:
    """A thread that does one thing after the other; a process that ends does not wait for it."""

    def __init__(self) -> None:
        self._queue: SimpleQueue = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, call: Callable[[], Any]) -> Future:
        """Let the thread call this; returns what its result comes with."""
        future: Future = Future()
        self._queue.put((future, call))
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="page aside", daemon=True)
            self._thread.start()
        return future

    def _run(self) -> None:
        while True:
            future, call = self._queue.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)
