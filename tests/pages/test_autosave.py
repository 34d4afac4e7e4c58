"""What has changed is on the disk in time, by a clock of its own: whatever else the machine does."""

import asyncio

import pytest

from hpcdvc.pages.autosave import Autosave


class Clockwork(asyncio.SelectorEventLoop):
    """A loop whose time goes on when it has nothing to do, at once to where something is due."""

    now = 0.0

    def time(self) -> float:
        return self.now

    def call_at(self, when, callback, *arguments, context=None):
        self.due = [*getattr(self, "due", ()), when]
        return super().call_at(when, callback, *arguments, context=context)

    def _run_once(self) -> None:
        if not self._ready:
            self.now = max(self.now, min(self.due))
            self.due.remove(min(self.due))
        super()._run_once()


@pytest.mark.parametrize("writing", [0.0, 0.1])
@pytest.mark.parametrize("pause", [0.03, 0.24, 0.26, 0.7])
def test_never_more_than_half_a_second_behind(pause, writing):
    changed, behind, saves = {0: 0.0}, [], []

    async def changes() -> None:
        clock = asyncio.get_running_loop().time

        async def save() -> None:
            newest = max(changed)
            await asyncio.sleep(writing)
            behind.append(clock() - min(changed[x] for x in changed if x > (saves[-1] if saves else 0)))
            saves.append(newest)

        autosave = Autosave(save)
        while clock() < 3:
            changed[len(changed)] = clock()
            autosave.changed()
            await asyncio.sleep(pause)
        await asyncio.sleep(1)

    loop = Clockwork()
    loop.run_until_complete(changes())
    loop.close()
    assert max(behind) < 0.5 and saves[-1] == max(changed)
    assert len(saves) <= 3 / 0.25 + 2, "not at each change"
