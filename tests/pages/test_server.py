"""What pages may rely on: one writer, what is saved and when, how it ends, what works in the background."""

import asyncio
import json
import signal
import subprocess
import sys
import threading
import time
import zlib
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace

import pytest

pytest.importorskip("tornado")

from served import LIMIT, ROOT, TOY, Served, Talk  # noqa: E402
from tornado.httpclient import HTTPError  # noqa: E402
from toy_page import Options, picture  # noqa: E402

from hpcdvc.errors import UserError  # noqa: E402
from hpcdvc.pages.addresses import Place  # noqa: E402
from hpcdvc.pages.autosave import INTERVAL  # noqa: E402
from hpcdvc.pages.hub import Hub  # noqa: E402
from hpcdvc.pages.messages import Message  # noqa: E402
from hpcdvc.pages.page import Page  # noqa: E402
from hpcdvc.pages.show import show  # noqa: E402


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.json"


@pytest.fixture
def toy(path):
    with Served([*TOY, path]) as served:
        yield served


def test_nohup(path):
    """Who is to stay when the terminal goes stays."""
    with Served(["nohup", *TOY, path]) as served:
        served.process.send_signal(signal.SIGHUP)
        with Talk(served.port, served.token) as talk:
            talk.hear("hello")
            talk.ask({"type": "set", "x": 5})
        assert served.end(signal.SIGTERM)[0] == 0
    assert kept(path) == 5


def kept(path) -> float | None:
    return json.loads(path.read_text())["x"] if path.exists() else None


def wait_for(what):
    end = time.monotonic() + LIMIT
    while not what():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.01)


def test_planes_arrive_exactly_or_small(toy):
    with Talk(toy.port, toy.token) as talk:
        assert talk.hear()["state"] == {"x": 0}
        answer = talk.ask({"type": "set", "x": 40, "exact": True})
        (plane,) = answer["planes"]
        assert zlib.decompress(plane["data"]) == picture(40).tobytes()
        assert (plane["shape"], plane["dtype"], plane["coding"]) == ([48, 64], "u1", "deflate")
        assert answer["nothing"] is None, "what is not finite"
        assert talk.ask({"type": "look", "exact": False})["planes"][0]["data"][:3] == b"\xff\xd8\xff"


def test_one_writes_and_others_read_until_they_take_over(toy, path):
    with Talk(toy.port, toy.token) as first, Talk(toy.port, toy.token) as second:
        assert first.hear("hello")["writer"] is True
        assert second.hear("hello")["writer"] is False
        assert second.ask({"type": "set", "x": 1})["text"] == "another page writes: take over first"
        assert second.ask({"type": "cancel"})["type"] == "error"
        assert second.ask({"type": "look"})["type"] == "planes"
        first.ask({"type": "set", "x": 2})
        assert second.hear("state")["state"] == {"x": 2}
        assert second.ask({"type": "take over"}) | {"number": 0} == {
            "type": "role", "writer": True, "planes": [], "number": 0,
        }  # fmt: skip
        assert first.hear("role")["writer"] is False
        assert first.ask({"type": "set", "x": 3})["type"] == "error"
        second.ask({"type": "set", "x": 4})
        assert first.hear("state")["state"] == {"x": 4}
        wait_for(lambda: kept(path) == 4)


def test_who_comes_back_writes_again(toy):
    with Talk(toy.port, toy.token) as first:
        first.hear("hello")
        with Talk(toy.port, toy.token) as second:
            second.hear("hello")
    time.sleep(0.1)
    with Talk(toy.port, toy.token) as again:
        assert again.hear("hello")["writer"] is True


def test_saved_while_it_changes_and_not_only_after(toy, path):
    """Changes that follow each other in less than the interval: what is on the disk is never more than 0.5 s behind.

    A machine that does much else comes to nothing in time: what a change takes longer than it should is added.
    """
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        changed, behind, late, start = {}, [], 0.0, time.monotonic()
        while time.monotonic() - start < 2 or len(changed) < 16:
            x, begun = len(changed) + 1, time.monotonic()
            talk.ask({"type": "set", "x": x})
            changed[x] = time.monotonic()
            seen = kept(path) or 0
            missing = [when for number, when in changed.items() if number > seen]
            behind.append(time.monotonic() - missing[0] if missing else 0)
            time.sleep(0.03)
            late = max(late, time.monotonic() - begun - 0.05)
        assert max(behind) < (most := 0.5 + 4 * late)
    killed = time.monotonic()
    toy.process.kill()
    toy.process.wait()
    assert kept(path) >= max((x for x, when in changed.items() if when < killed - most), default=0), (
        "kill -9 loses half a second"
    )


def test_all_changes_are_saved_in_the_end(toy, path):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        for x in range(30):
            talk.ask({"type": "set", "x": x})
        wait_for(lambda: kept(path) == 29)
        assert talk.hear("saved")


def test_one_interval_follows_another(toy, path):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        start = time.monotonic()
        for x in range(60):
            talk.say({"type": "set", "x": x})
            time.sleep(0.01)
        talk.say({"type": "look", "number": 5})
        told = []
        while not told or told[-1].get("number") != 5:
            told.append(talk.hear())
        took = time.monotonic() - start
    assert sum(one["type"] == "saved" for one in told) <= took / INTERVAL + 2, "not at each change"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_save_and_end(toy, path, number):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        talk.ask({"type": "count"})
        for x in (7, 8, 9):  # what is due when the end comes is saved by the end alone, though that takes a while
            talk.say({"type": "set", "x": x})
            talk.hear("planes")
            time.sleep(0.05)
        talk.say({"type": "read", "by": 2, "number": 1})
        talk.ask({"type": "look"})
        start = time.monotonic()
        assert toy.end(number) == (0, "")
    assert time.monotonic() - start < max(5, 10 * toy.took)
    assert kept(path) == 9


class Kept(Page):
    """x, and what was saved of it; saving takes until `goes_on`."""

    def __init__(self) -> None:
        self.x, self.saved, self.writing, self.goes_on = 0, None, threading.Event(), threading.Event()

    def answer(self, message: dict) -> Message:
        self.x = message["x"]
        return Message("done")

    def save(self) -> None:
        self.saved = self.x
        self.writing.set()
        assert self.goes_on.wait(20)


def test_nothing_is_done_after_the_last_save(caplog):
    """What comes then would be answered and lost, or be an error in the terminal."""
    page, told = Kept(), []
    client = SimpleNamespace(tell=told.append)

    async def ends() -> None:
        hub = Hub(page)
        await hub.join(client)
        end = asyncio.create_task(hub.end())
        assert await asyncio.to_thread(page.writing.wait, 20)
        late = asyncio.create_task(hub.receive(client, '{"type": "set", "x": 1}'))
        await asyncio.sleep(0.01)
        page.goes_on.set()
        await end
        await late
        await hub.receive(client, '{"type": "set", "x": 2}')
        await hub.join(SimpleNamespace(tell=told.append))

    asyncio.run(ends())
    assert page.x == page.saved == 0 and len(told) == 1 and not caplog.records


def test_saved_at_the_end_though_nobody_came(toy, path):
    assert kept(path) is None
    assert toy.end() == (0, "")
    assert kept(path) == 0


@contextmanager
def looked_at(path, seconds: float, known: bool):
    """A page that ends when nobody has looked for so long, who looks, and that time: longer where it was not enough."""
    with Served([*TOY, path, f"idle_timeout={seconds / 60}"]) as served, ExitStack() as stack:
        found = None
        with suppress(OSError, HTTPError):
            talk = stack.enter_context(Talk(served.port, served.token if known else None))
            found = not known or talk.hear("hello")
        if found:
            yield served, talk, seconds
            return
    with looked_at(path, 4 * seconds, known) as found:  # it has ended before this busy machine had looked
        yield found


def test_ends_when_nobody_looks(path):
    with looked_at(path, 0.6, known=True) as (served, talk, seconds):
        time.sleep(seconds + 0.4)
        assert served.process.poll() is None, "somebody looks"
        talk.leave()
        assert served.wait()[0] == 0
    assert kept(path) == 0


def test_who_has_no_token_does_not_keep_it_alive(path):
    with looked_at(path, 0.3, known=False) as (served, *_):
        assert served.wait()[0] == 0


def test_work_in_the_background_tells_and_can_be_cancelled(toy):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        assert talk.ask({"type": "count"})["type"] == "counting"
        assert talk.hear("progress")["done"] >= 0
        assert talk.ask({"type": "look"})["type"] == "planes", "answered meanwhile"
        assert talk.ask({"type": "cancel"})["type"] == "cancelled"
        quiet = False
        while not quiet:  # what was on its way may still come
            time.sleep(0.1)
            talk.say({"type": "look", "number": 5})
            quiet = (heard := talk.hear()).get("number") == 5
            while heard.get("number") != 5:
                assert heard.get("done", 0) < 999, "it goes on"
                heard = talk.hear()


def test_what_takes_long_is_answered_later_and_holds_up_nothing(toy):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        talk.say({"type": "read", "by": 2, "number": 1, "until": "look"})
        talk.say({"type": "read", "by": 0, "number": 2, "until": "look"})
        assert talk.ask({"type": "look"})["type"] == "planes", "before it"
        assert talk.hear("read") | {"planes": 0} == {"type": "read", "half": 0.5, "planes": 0, "number": 1}
        refused = talk.hear("error")
        assert refused["number"] == 2 and "terminal" in refused["text"]
        talk.say({"type": "read", "by": 2, "number": 3})
    assert toy.end()[0] == 0, "also in the middle of it"


def test_what_a_page_does_not_expect_is_told_in_the_terminal(toy):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        assert "terminal" in talk.ask({"type": "spoil"})["text"]
    code, said = toy.end()
    assert code == 0 and "ZeroDivisionError" in said


def test_what_cannot_be_saved_is_told_and_tried_again(path):
    folder = path.parent / "gone"
    folder.mkdir()
    with Served([*TOY, folder / "x.json"]) as served, Talk(served.port, served.token) as talk:
        talk.hear("hello")
        folder.rename(path.parent / "elsewhere")
        talk.ask({"type": "set", "x": 3})
        assert "not saved" in talk.hear("error")["text"]
        (path.parent / "elsewhere").rename(folder)
        talk.ask({"type": "set", "x": 4})
        wait_for(lambda: kept(folder / "x.json") == 4)


def test_a_mistake_of_the_program_in_saving_is_told_as_well(toy, path):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        talk.ask({"type": "set", "x": 13})
        assert talk.hear("error")["text"] == "not saved: 13 is not for saving"
        talk.ask({"type": "set", "x": 4})
        wait_for(lambda: kept(path) == 4)
    code, said = toy.end()
    assert code == 0 and said.count("Traceback") == 1 and "TypeError" in said


def test_a_port_that_is_taken(toy):
    with pytest.raises(UserError, match=f"--port {toy.port} at 127.0.0.1: the page cannot listen there"):
        Place(Options(port=toy.port))


def lines(options=None, **environment):
    place = Place(options or Options())
    try:
        return place.port, place.lines("TOKEN", environment)
    finally:
        for one in place.sockets:
            one.close()
        place.close()


def test_printed_lines(monkeypatch):
    monkeypatch.setattr("hpcdvc.pages.addresses.socket", SimpleNamespace(gethostname=lambda: "node17"))
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    port, (address, _, tunnel) = lines()
    assert address == f"http://127.0.0.1:{port}/#TOKEN"
    assert tunnel == f"ssh -N -L {port}:127.0.0.1:{port} ada@node17"
    port, (_, _, tunnel) = lines(SLURM_JOB_ID="12", SLURM_SUBMIT_HOST="login2")
    assert tunnel == f"ssh -N -L {port}:127.0.0.1:{port} -J ada@login2 ada@node17"
    port, (_, _, tunnel) = lines(SLURM_JOB_ID="12")
    assert "-J ada@LOGIN-NODE ada@node17" in tunnel


def test_printed_where_the_user_has_no_name(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: {}["nobody"])
    assert " USER@" in lines()[1][2]


def test_options():
    for wrong, what in [
        ({"bind": "0.0.0.0"}, "name one address"),
        ({"bind": "::"}, "name one address"),
        ({"unix_socket": True, "port": 80}, "neither"),
        ({"port": 65536}, "65535"),
        ({"idle_timeout": 0}, "idle-timeout"),
    ]:
        with pytest.raises(UserError, match=what):
            Options(**wrong)


@pytest.mark.parametrize("name", ["0", "0.0", "0x0", "*", "::0"])
def test_no_name_of_all_addresses_is_taken(name):
    with pytest.raises(UserError, match="name one address"):
        Place(Options(bind=name))


def test_bind_warns(caplog):
    port, (address, *_) = lines(Options(bind="127.0.0.2"))
    assert address.startswith("http://127.0.0.2:")
    assert "can reach the page" in caplog.text


def test_without_the_packages(monkeypatch):
    monkeypatch.setitem(sys.modules, "tornado.httpserver", None)
    monkeypatch.delitem(sys.modules, "hpcdvc.pages.server", raising=False)
    with pytest.raises(UserError, match=r"pip install 'hpcdvc\[gui\]'"):
        show(None, Options())


def test_what_describes_a_page_needs_no_server():
    """`--help`, and what works without a page, load neither tornado nor pillow."""
    code = (
        "import sys, hpcdvc.options.pages, hpcdvc.pages.show, hpcdvc.pages.page, hpcdvc.pages.hub, hpcdvc.pages.levels"
    )
    end = "; assert not {'tornado', 'PIL'} & set(sys.modules), sorted(sys.modules)"
    subprocess.run([sys.executable, "-c", code + end], check=True, cwd=ROOT)
