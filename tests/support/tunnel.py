"""A tunnel as ssh makes it, which can be cut and comes back."""

import asyncio
import threading
from contextlib import suppress


class Tunnel:
    """Leads from a port of its own to another one of this machine; to be used by `with`.

    Attributes
    ----------
    port : its end here
    deaf : what goes in does not come out
    """

    def __init__(self, to: int) -> None:
        self.port, self._to, self._links, self.deaf = 0, to, set(), False
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
        with suppress(OSError):
            while data := await reader.read(65536):
                if not self.deaf:
                    writer.write(data)
                    await writer.drain()
        writer.close()

    def __enter__(self) -> "Tunnel":
        return self

    def __exit__(self, *_) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
