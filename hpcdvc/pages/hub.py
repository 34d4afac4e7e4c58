"""All that look at a page: who may write, what each is told, what is saved, what works in the background."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Protocol

from hpcdvc.errors import RunError, UserError
from hpcdvc.pages.aside import Aside
from hpcdvc.pages.autosave import Autosave
from hpcdvc.pages.messages import Message, pack, unpack

log = logging.getLogger("hpcdvc")

#: Seconds that the last writing may take when the command is told to end, and that work may take to stop then.
LAST, STOPPING = 10.0, 4.0


class Stopped(Exception):
    """Raised in work in the background that shall end."""


class Shown(Protocol):
    """What the hub asks of a page; see `hpcdvc.pages.page.Page`."""

    reading: frozenset[str]

    def answer(self, message: dict[str, Any]) -> Any: ...

    def state(self) -> dict[str, Any]: ...

    def save(self) -> None: ...


class Client(Protocol):
    """A page in a browser."""

    def tell(self, data: bytes) -> None:
        """Send a message; nothing happens where nobody is there any more."""


class Hub:
    """Those who look, in the order in which they have come. To be made in the thread of the loop.

    Parameters
    ----------
    page : what they look at

    Attributes
    ----------
    over : set when the server shall end
    """

    def __init__(self, page: "Shown") -> None:
        self.page, self.clients, self.writer = page, [], None
        self._loop = asyncio.get_running_loop()
        self._one = ThreadPoolExecutor(1, "page")
        self._autosave = Autosave(self._save)
        self._aside, self._late = Aside(), set()
        self.over = asyncio.Event()
        self._job: threading.Event | None = None
        self._workers: list[threading.Thread] = []
        self._failed, self._ending = "", False

    # in the thread of the loop

    async def join(self, client: Client) -> None:
        """Somebody has come who knows the token; who finds no writer is it."""
        if self._ending:
            return
        self.clients.append(client)
        if self.writer is None:
            self.writer = client
        client.tell(pack(await self._in_thread(lambda: self._hello(client))))

    def leave(self, client: Client) -> None:
        """Somebody has gone."""
        if client in self.clients:
            self.clients.remove(client)
        if self.writer is client:
            self.writer = None

    async def receive(self, client: Client, data: str | bytes) -> None:
        """Answer a message; from the last save on nothing is done any more, and nothing answered."""
        if self._ending:
            return
        number = None
        try:
            message = unpack(data)
            number = message.get("number") if isinstance(message.get("number"), int) else None
            answer = await self._answer(client, message)
        except Exception as error:
            answer = _complaint(error)
        if isinstance(answer, Future):  # the next message shall not wait for it
            task = self._loop.create_task(self._answer_late(client, answer, number))
            self._late.add(task)
            task.add_done_callback(self._late.discard)
        else:
            client.tell(pack(answer, number))

    async def _answer_late(self, client: Client, answer: Future, number: int | None) -> None:
        try:
            found = await asyncio.wrap_future(answer)
        except Exception as error:
            found = _complaint(error)
        client.tell(pack(found, number))

    async def _answer(self, client: Client, message: dict[str, Any]) -> Message | Future:
        if message["type"] == "take over":
            self.writer = client
            for one in self.clients:
                if one is not client:
                    one.tell(pack(Message("role", {"writer": False})))
            return Message("role", {"writer": True})
        if client is not self.writer and message["type"] not in self.page.reading:
            raise UserError("another page writes: take over first")
        if message["type"] == "cancel":
            self.cancel()
            return Message("cancelled")
        return await self._in_thread(lambda: self.page.answer(message))

    async def end(self) -> None:
        """Save for the last time, and let what works in the background stop.

        A thread that Python leaves in a library of C++ when it ends takes the process down with it.
        """
        self._ending = True
        self.cancel()
        self._autosave.end()
        try:
            await asyncio.wait_for(self._in_thread(self.page.save), LAST)
        finally:
            self._one.shutdown(wait=False, cancel_futures=True)
            await asyncio.to_thread(self._wait_for_workers)

    def _wait_for_workers(self) -> None:
        end = time.monotonic() + STOPPING
        for worker in self._workers:
            worker.join(max(0.0, end - time.monotonic()))
        self._aside.end(max(0.0, end - time.monotonic()))

    def _in_thread(self, call: Callable[[], Any]) -> asyncio.Future:
        return self._loop.run_in_executor(self._one, call)

    def _hello(self, client: Client) -> Message:
        return Message("hello", {"writer": self.writer is client, "state": self.page.state()})

    async def _save(self) -> None:
        """Write what is there; where that fails all are told, and the next change tries again."""
        try:
            await self._in_thread(self.page.save)
            self._failed = ""
        except Exception as error:
            if str(error) != self._failed:
                expected = isinstance(error, UserError | RunError | OSError)
                log.warning("not saved: %s", error, exc_info=None if expected else error)
            self._failed = str(error)
            self._tell_all(Message("error", {"text": f"not saved: {error}"}))
        else:
            self._tell_all(Message("saved"))

    def _tell_all(self, message: Message, others: bool = False) -> None:
        data = pack(message)
        for client in self.clients:
            if not (others and client is self.writer):
                client.tell(data)

    # from any thread

    def tell(self, message: Message) -> None:
        """Tell all pages."""
        with suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(self._tell_all, message)

    def changed(self, by_page: bool = True) -> None:
        """The state has changed: save it, and tell those who look; the writer only where it is not `by_page`."""
        message = Message("state", {"state": self.page.state()})
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._tell_all, message, by_page)
            self._loop.call_soon_threadsafe(self._autosave.changed)

    def in_turn(self, call: Callable[[], None]) -> None:
        """Let the thread of `answer`, `state` and `save` call this: the way for a result from the background."""
        with suppress(RuntimeError):
            self._one.submit(_logged, call)

    def aside(self, call: Callable[[], Message]) -> Future:
        """Let a thread beside that of `answer` call this: what `answer` may return where it takes longer."""
        return self._aside.submit(call)

    def finish(self) -> None:
        """Let the server end, as when the command is told to."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self.over.set)

    def cancel(self) -> None:
        """Ask what works in the background to stop."""
        if self._job is not None:
            self._job.set()

    def background(self, work: Callable[[Callable[[], None]], None]) -> None:
        """Work in a thread of its own; one at a time, the one before is asked to stop.

        Parameters
        ----------
        work : gets a function to be called often, which raises `Stopped` when it shall end
        """
        self.cancel()
        stop = self._job = threading.Event()

        def check() -> None:
            if stop.is_set():
                raise Stopped

        worker = threading.Thread(target=self._work, args=(work, check), name="page work", daemon=True)
        self._workers = [one for one in self._workers if one.is_alive()] + [worker]
        worker.start()

    def _work(self, work: Callable[[Callable[[], None]], None], check: Callable[[], None]) -> None:
        try:
            work(check)
        except Stopped:
            pass
        except (UserError, RunError) as error:
            log.warning("%s", error)
            self.tell(Message("error", {"text": str(error)}))
        except Exception:
            log.exception("work for the page has failed")
            self.tell(Message("error", {"text": "this did not work; the terminal of the command says more"}))


def _complaint(error: Exception) -> Message:
    """What is told of an error."""
    if isinstance(error, UserError | RunError):
        return Message("error", {"text": str(error)})
    log.error("a message of the page was not understood", exc_info=error)
    return Message("error", {"text": "this did not work; the terminal of the command says more"})


def _logged(call: Callable[[], None]) -> None:
    try:
        call()
    except Exception:
        log.exception("work for the page has failed")
