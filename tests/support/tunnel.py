"""A tunnel as ssh makes it, which can be cut and comes back."""

import asyncio
import threading
from contextlib import suppress


class Tunnel:
    """Leads from a port of its own to another one of this machine; to be used by `with`.

    Parameters
    ----------
    to : port that it leads to
    round_trip : seconds that a byte takes there and back
    rate : bytes per second, each way; None: as many as come

    Attributes
    ----------
    port : its end here
    deaf : what goes in does not come out
    """

    def __init__(self, to: int, round_trip: float = 0.0, rate: float | None = None) -> None:
        self.port, self._to, self._links, self.deaf = 0, to, set(), False
        self._delay, self._rate = round_trip / 2, rate
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.mend()

    def mend(self) -> None:
        """Let it lead there, again at the same port."""
        self._server = self._do(asyncio.start_server(self._link, "127.0.0.1", self.port))
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Close it and all that goes through it."""
        self._do(self._cut())

    def _do(self, what):
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)

    async def _cut(self) -> None:
        self._server.close()
        for writer in self._links:
            writer.close()
        self._links.clear()

    async def _link(self, reader, writer) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._to)
        self._links |= {writer, there_writer}
        await asyncio.gather(self._copy(reader, there_writer), self._copy(there_reader, writer))

    async def _copy(self, reader, writer) -> None:
        chunks, free = asyncio.Queue(), self._loop.time()
        late = asyncio.create_task(self._write(chunks, writer))
        with suppress(OSError):
            while data := await reader.read(4096 if self._rate else 65536):
                if self._rate:  # the line is busy with what came before
                    free = max(free, self._loop.time()) + len(data) / self._rate
                    await asyncio.sleep(free - self._loop.time())
                chunks.put_nowait((self._loop.time() + self._delay, data))
        chunks.put_nowait((0, b""))
        await late

    async def _write(self, chunks: asyncio.Queue, writer) -> None:
        with suppress(OSError):
            while (chunk := await chunks.get())[1]:
                if self._delay:
                    await asyncio.sleep(chunk[0] - self._loop.time())
                if not self.deaf:
                    writer.write(chunk[1])
                    await writer.drain()
        writer.close()

    def __enter__(self) -> "Tunnel":
        return self

    def __exit__(self, *_) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
