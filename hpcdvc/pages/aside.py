"""What takes longer than an answer may: it is done aside, while other messages are answered."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Any


class Aside:
    """A thread that does one thing after the other; a process that ends does not wait for long for it."""

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

    def end(self, seconds: float) -> None:
        """Do nothing more, and wait for what is being done.

        A thread that ends with the process may hold a lock, of h5py for example, for which the end of Python waits.
        """
        if self._thread is None:
            return
        while not self._queue.empty():
            with suppress(Empty):
                self._queue.get_nowait()[0].cancel()
        self._queue.put((None, None))
        self._thread.join(seconds)

    def _run(self) -> None:
        while True:
            future, call = self._queue.get()
            if future is None:
                return
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)
