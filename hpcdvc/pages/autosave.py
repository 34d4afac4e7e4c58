"""What has changed is saved at once, and then again and again, never more than an interval behind."""

import asyncio
from collections.abc import Awaitable, Callable

#: Seconds that what is on the disk may be behind; half of the half second that is promised, the other is for writing.
INTERVAL = 0.25


class Autosave:
    """Calls `save` after changes, with a pause in between: the first change of many is saved first, not the last.

    Parameters
    ----------
    save : writes what is there now
    """

    def __init__(self, save: Callable[[], Awaitable[None]]) -> None:
        self._save, self._task, self._due, self._over = save, None, False, False

    def changed(self) -> None:
        """Something has changed (in the thread of the loop)."""
        if self._over:
            return
        self._due = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    def end(self) -> None:
        """Save nothing more: what is due then is for the last save, which another does."""
        self._due, self._over = False, True

    async def _run(self) -> None:
        while self._due:
            self._due = False
            await self._save()
            await asyncio.sleep(INTERVAL)
