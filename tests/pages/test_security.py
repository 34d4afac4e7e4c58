"""Who is let in to a page and who is not: the whole table, letter by letter."""

import json
import os
import signal
import stat
import time
from contextlib import suppress

import pytest

pytest.importorskip("tornado")

from served import LIMIT, TOY, UPGRADE, Served, Talk, request  # noqa: E402
from tornado.websocket import WebSocketClosedError  # noqa: E402

from hpcdvc.pages.gate import PATIENCE  # noqa: E402

PAGES = ["/", "/base.js", "/base.css", "/icon.svg", "/toy_page.js"]
#: Paths that are none, spelled in all the ways in which servers have been led astray.
NOWHERE = [
    "/index.html", "/toy_page.py", "/x.json", "/static/base.js", "/BASE.JS", "/base.js/", "/base%2ejs",
    "/..", "/../", "/../setup.py", "/./base.js", "/x/../base.js", "/%2e%2e/setup.py", "/%2e%2e%2fsetup.py",
    "/..%2fsetup.py", "/..%5csetup.py", "/%5c..%5csetup.py", "/..\\setup.py", "//", "//base.js", "//etc/passwd",
    "/etc/passwd", "/%00", "/base.js%00", "/base.js;x", "/ws/", "/ws/../base.js", "/%77s/", "http://127.0.0.1/base.js",
    "/%252e%252e/setup.py", "/\xff", "*", "base.js", "/favicon.ico",
]  # fmt: skip


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toy")
    with Served([*TOY, folder / "x.json"]) as served:
        yield served


def is_refused(answer: tuple) -> None:
    status, headers, content = answer
    assert 400 <= status < 500, answer
    assert len(content) < 60
    assert b"import" not in content and b"root" not in content


def test_address(toy):
    assert toy.url == f"http://127.0.0.1:{toy.port}/#{toy.token}"
    assert len(toy.token) == 43
    assert toy.line("ssh ").startswith(f"ssh -N -L {toy.port}:127.0.0.1:{toy.port} ")
    assert toy.lines[0] == toy.url


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_headers_of_what_is_given(toy, path, method):
    status, headers, content = request(toy.port, path, method)
    assert status == 200 and bool(content) == (method == "GET")
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["script-src"] == "'self'" and policy["style-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'" and policy["connect-src"] == "'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert not {"set-cookie", "server", "access-control-allow-origin", "etag"} & set(headers)
    assert toy.token.encode() not in content


def test_kinds(toy):
    kinds = {path: request(toy.port, path)[1]["content-type"].split(";")[0] for path in PAGES}
    assert kinds["/"] == "text/html" and kinds["/base.js"] == "text/javascript"
    assert kinds["/base.css"] == "text/css" and kinds["/icon.svg"] == "image/svg+xml"


def test_pages_hold_no_data_and_no_foreign_address(toy):
    for path in PAGES:
        text = request(toy.port, path)[2].decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text.replace('"https:" ? "wss:" : "ws:"', "") and "//cdn" not in text


@pytest.mark.parametrize("path", NOWHERE)
def test_paths_that_are_none(toy, path):
    is_refused(request(toy.port, path))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "GOTO"])
def test_other_methods(toy, method):
    is_refused(request(toy.port, "/", method))


@pytest.mark.parametrize("path", ["/", "/base.js", "/ws"])
@pytest.mark.parametrize("port", ["", ":{port}", ":80"])
@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "127.0.0.2", "0.0.0.0", "127.1", ""]
)
def test_wrong_host(toy, host, port, path):
    name = host + port.format(port=toy.port)
    is_refused(request(toy.port, path, Host=name, Origin=f"http://{name}", **(UPGRADE if path == "/ws" else {})))


@pytest.mark.parametrize("host", ["127.0.0.1:x", "127.0.0.1:80:80", "[::1", "a@127.0.0.1", "127.0.0.1/", "127.0.0.1 x"])
def test_hosts_that_are_none(toy, host):
    is_refused(request(toy.port, Host=host))


def test_no_host(toy):
    is_refused(request(toy.port, Host=None))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_right_hosts_are_taken_through_tunnels_too(toy, host):
    for port in (toy.port, 9000):
        assert request(toy.port, Host=f"{host}:{port}")[0] == 200


@pytest.mark.parametrize("path", ["/", "/ws"])
@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "http://127.0.0.1", "http://127.0.0.1:1", "http://localhost:{port}", "null", "",
     "http://127.0.0.1:{port}.evil.example", "file://", "ftp://127.0.0.1:{port}", "http://127.0.0.1:{port}/"],
)  # fmt: skip
def test_wrong_origin(toy, origin, path):
    more = UPGRADE if path == "/ws" else {}
    is_refused(request(toy.port, path, Origin=origin.format(port=toy.port), **more))


def test_no_websocket(toy):
    is_refused(request(toy.port, "/ws"))
    is_refused(request(toy.port, "/ws", **(UPGRADE | {"Sec_WebSocket_Version": "7"})))


def test_the_token_lets_in(toy):
    for first in (toy.token, json.dumps({"token": toy.token}), toy.token.encode()):
        with Talk(toy.port, first) as talk:
            assert talk.hear()["type"] == "hello"


@pytest.mark.parametrize(
    "first",
    ["", "x", "{}", '{"type": "look"}', '{"token": ["a"]}', '{"token": 1}', "null", "[" * 9000, b"\xff\0", "NaN"],
)
def test_no_token(toy, first):
    with Talk(toy.port, first) as talk:
        assert talk.hear() is None
        assert talk.close_code == 4001


def test_part_of_the_token(toy):
    for first in (toy.token[:-1], toy.token + "A", toy.token.swapcase(), f" {toy.token}"):
        with Talk(toy.port, first) as talk:
            assert talk.hear() is None and talk.close_code == 4001


def test_nothing_is_said_to_who_says_nothing(tmp_path):
    assert PATIENCE == 5
    with Served([*TOY, tmp_path / "x.json", "patience=0.5"]) as served:
        start = time.monotonic()
        with Talk(served.port, None) as talk:
            assert talk.hear() is None
            assert talk.close_code == 4001
        assert 0.4 < time.monotonic() - start < max(PATIENCE, 10 * served.took)


def test_a_token_of_another_run_is_none(toy, tmp_path):
    with Served([*TOY, tmp_path / "x.json"]) as other:
        assert other.token != toy.token
        with Talk(other.port, toy.token) as talk:
            assert talk.hear() is None


def test_the_port_is_this_machines_alone(toy):
    listening = [line.split() for line in open("/proc/net/tcp").readlines()[1:]]
    mine = {fields[1] for fields in listening if fields[3] == "0A" and int(fields[1].split(":")[1], 16) == toy.port}
    assert mine == {f"0100007F:{toy.port:04X}"}


FUZZ = [
    "", "x", "null", "[]", "7", '"a"', "{}", '{"type": 7}', '{"type": null}', '{"type": "no such"}', '{"type": "set"}',
    '{"type": "set", "x": NaN}', '{"type": "set", "x": Infinity}', '{"type": "set", "x": 1e999}', "\x00",
    '{"type": "set", "x": 1e300}', '{"type": "set", "x": ' + "9" * 5000 + "}", '{"type": "set", "x": "1"}',
    '{"type": "set", "x": true}', '{"type": "set", "x": [1]}', '{"type": "set", "x": [[[[]]]]}',
    '{"type": "set", "x": {}}', "[" * 100000, '{"type": "set", "x": ' + "[" * 100000, '{"type": "spoil"}', b"\x00\x01",
    b"", b'{"type": "look"}', '{"type": "' + "a" * 100000 + '"}',
    '{"type": "look", "number": "x"', '{"type": "\\ud800"}',
]  # fmt: skip


@pytest.mark.parametrize("words", FUZZ, ids=range(len(FUZZ)))
def test_messages_that_are_none_are_answered_by_an_error(toy, words):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        talk.say(words)
        answer = talk.hear()
        assert answer["type"] == "error" and 0 < len(answer["text"]) < 400
        assert talk.ask({"type": "look"})["type"] == "planes", "the server lives"


def test_a_message_beyond_all_size_ends_its_link_only(toy):
    with Talk(toy.port, toy.token) as talk:
        talk.hear("hello")
        with suppress(WebSocketClosedError):  # the server may hang up before all of it has gone out
            talk.say("x" * (2**20 + 1))
        assert talk.hear() is None
    with Talk(toy.port, toy.token) as talk:
        assert talk.hear()["type"] == "hello"


def test_the_token_is_not_in_ps_and_the_file_for_the_browser_is_ours_alone(tmp_path):
    """The browser gets a file, which leads to the address, and goes at the end."""
    told, browser = tmp_path / "told", tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" >{told}.part && mv {told}.part {told}\n')
    browser.chmod(0o700)
    env = {"BROWSER": str(browser), "TMPDIR": str(tmp_path)}
    with Served([*TOY, tmp_path / "x.json", "no_browser="], env) as served:
        end = time.monotonic() + LIMIT
        while not told.exists():
            assert time.monotonic() < end, "no browser was started"
            time.sleep(0.05)
        address = told.read_text().strip()
        assert address.startswith("file:///") and served.token not in address
        page = address.removeprefix("file://")
        assert stat.S_IMODE(os.stat(page).st_mode) == 0o600
        assert stat.S_IMODE(os.stat(os.path.dirname(page)).st_mode) == 0o700
        assert served.url in open(page).read()
        assert served.token not in open(f"/proc/{served.process.pid}/cmdline").read()
        served.end()
        assert not os.path.exists(os.path.dirname(page))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_unix_socket(tmp_path, number):
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    with Served([*TOY, tmp_path / "x.json", "unix_socket=1"], env) as served:
        (path,) = tmp_path.glob("*/*")
        assert stat.S_ISSOCK(path.stat().st_mode) and stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert f":{path} " in served.line("ssh -N -L ")
        assert served.url.startswith("http://localhost:")
        for port in ("", ":8899", ":1"):
            assert request(str(path), Host=f"localhost{port}")[0] == 200
        is_refused(request(str(path), Host="evil.example"))
        is_refused(request(str(path), Host="localhost:8899", Origin="http://localhost:8898"))
        sockets = set()
        for link in os.scandir(f"/proc/{served.process.pid}/fd"):
            with suppress(FileNotFoundError):  # closed meanwhile: those of the requests above
                sockets.add(os.readlink(link.path))
        inodes = {f"socket:[{line.split()[9]}]" for line in open("/proc/net/tcp").readlines()[1:]}
        assert not sockets & inodes, "no port"
        assert served.end(number) == (0, "")
        assert not path.parent.exists()


def test_no_room_for_a_socket(tmp_path):
    import subprocess

    from served import ROOT

    env = os.environ | {"PYTHONPATH": str(ROOT), "XDG_RUNTIME_DIR": str(tmp_path / "missing")}
    ended = subprocess.run([*TOY, str(tmp_path / "x.json"), "unix_socket=1"], env=env, capture_output=True, text=True)
    assert "UserError: --unix-socket: the page cannot listen there" in ended.stderr
