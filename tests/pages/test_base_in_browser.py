"""What all pages share, in a real browser: link, token, planes, take over, a tunnel that is cut."""

import asyncio
import json
import time

import pytest

pytest.importorskip("tornado")

from served import TOY, Served, Talk  # noqa: E402
from toy_page import picture  # noqa: E402
from tunnel import Tunnel  # noqa: E402


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.json"


@pytest.fixture
def toy(path):
    with Served([*TOY, path]) as served:
        yield served


@pytest.fixture
def shown(browser, toy):
    tab = browser.open(toy.url)
    browser.wait_text("#role", "writes")
    yield browser
    browser.close_tab(tab)


def test_page_without_errors_and_foreign_requests(shown, toy, tmp_path):
    shown.key("ArrowRight")
    shown.wait_text("#pixels", "jpeg")
    assert shown.errors == []
    assert {address.split("/")[2] for address in shown.requests if not address.startswith(("data:", "blob:"))} == {
        toy.host
    }
    assert not [address for address in shown.requests if toy.token in address.split("#")[0]]
    shown.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 3000


def test_a_tab_is_driven_again_after_other_loops(browser, toy):
    """A test before may have run a loop of its own, which leaves none behind."""
    tab = browser.open(toy.url)
    asyncio.run(asyncio.sleep(0))
    browser.attach(tab)
    browser.wait_text("#role", "writes")
    browser.close_tab(tab)


def test_the_token_leaves_the_address_and_stays_in_the_tab(shown, toy):
    assert shown.evaluate("location.href") == f"http://{toy.host}/"
    assert shown.evaluate("document.cookie") == ""
    assert shown.evaluate("localStorage.length") == 0
    shown.reload()
    shown.wait_text("#role", "writes")


def test_a_page_without_the_token_says_so(browser, toy):
    tab = browser.open(f"http://{toy.host}/#wrong")
    assert "open the address" in browser.wait_text("#lost", "does not know")
    assert browser.text("#x") == "?"
    browser.close_tab(tab)


def test_pixels_are_those_of_the_server(shown):
    for _ in range(3):
        shown.key("ArrowRight")
    shown.key("e")
    shown.wait_text("#pixels", f"deflate {int(picture(3).sum())}")
    data = shown.evaluate("Array.from(document.getElementById('view').getContext('2d').getImageData(0, 7, 64, 1).data)")
    assert data[::4] == picture(3)[7].tolist()


def test_keys_held_down_settle_on_the_newest(shown, path):
    for _ in range(60):
        shown.key("ArrowRight")
    assert shown.text("#x") == "60"
    end = time.monotonic() + 60
    while not path.exists() or json.loads(path.read_text())["x"] != 60:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_drag(shown):
    shown.drag("#view", (20, 0), start=(0.25, 0.5))
    shown.wait_text("#x", "36")


def test_a_second_tab_reads_and_takes_over(browser, shown, toy):
    with Talk(toy.port, toy.token) as other:
        assert other.hear("hello")["writer"] is False
        shown.key("ArrowRight")
        assert other.hear("state")["state"] == {"x": 1}
        other.ask({"type": "take over"})
        shown.wait_text("#role", "reads")
        other.ask({"type": "set", "x": 7})
        shown.wait_text("#x", "7")
        shown.key("ArrowRight")
        shown.wait_text("#error", "another page writes")
        shown.click("#take")
        shown.wait_text("#role", "writes")
        assert other.hear("role")["writer"] is False


def test_a_tunnel_that_is_cut(browser, toy, path):
    """What is done meanwhile is kept, sent when the link is there again, and the link answers then."""
    with Tunnel(toy.port) as tunnel:
        tab = browser.open(f"http://localhost:{tunnel.port}/#{toy.token}")
        browser.wait_text("#role", "writes")
        browser.key("ArrowRight")
        browser.wait_text("#saved", "saved")
        tunnel.deaf = True
        browser.key("ArrowRight")  # is on its way when the link goes
        browser.key("ArrowRight")  # waits for its turn
        tunnel.cut()
        browser.key("ArrowRight")
        browser.wait_text("#lost", "is tried again")
        browser.key("ArrowRight")
        assert browser.text("#x") == "5"
        assert json.loads(path.read_text())["x"] == 1
        tunnel.deaf = False
        tunnel.mend()
        browser.wait("document.getElementById('lost').textContent === ''")
        browser.key("e")
        browser.wait_text("#pixels", f"deflate {int(picture(5).sum())}")
        browser.key("ArrowRight")
        browser.wait_text("#pixels", "jpeg")
        browser.close_tab(tab)
    assert toy.end() == (0, "")
    assert json.loads(path.read_text())["x"] == 6


def test_a_server_that_is_killed(browser, toy, path):
    """The server is gone, and there again with what was saved: the page has gone on, and sends what it has."""
    tab = browser.open(toy.url)
    browser.wait_text("#role", "writes")
    browser.key("ArrowRight")
    browser.wait_text("#saved", "saved")
    toy.process.send_signal(19)  # SIGSTOP: nothing is answered
    browser.key("ArrowRight")
    browser.key("ArrowRight")
    toy.process.kill()
    browser.wait_text("#lost", "is tried again")
    browser.key("ArrowRight")
    assert browser.text("#x") == "4"
    with Served([*TOY, path, f"port={toy.port}"]) as again:
        assert again.port == toy.port
        browser.evaluate(f"sessionStorage.setItem('hpcdvc-token', '{again.token}')")
        browser.wait_text("#lost", "does not know")
        browser.reload()
        browser.wait_text("#role", "writes")
        assert browser.text("#x") == "1", "what was saved before the end"
    browser.close_tab(tab)
