"""What is said reaches whoever listens, is harmless to a terminal, and nobody has to listen."""

import io
import logging
import os
import subprocess
import sys

import pytest

from hpcdvc.errors import UserError
from hpcdvc.ranks import guard, messages
from hpcdvc.ranks.team import Team
from hpcdvc.ranks.terminal import one_line, printable, tell

EVIL = "a\x1b[2J\x07\x9b31m\u202egnp\rb\x7f\ud800"


def test_what_moves_a_cursor_is_replaced():
    assert printable(EVIL) == "a?[2J??31m?gnp?b??"
    assert printable("größe µ 日本\nx") == "größe µ 日本\nx"
    assert one_line("a\nb") == "a?b"


def test_messages_with_names_from_files(capsys):
    log = logging.getLogger("hpcdvc")
    messages.set_up_messages("prog", 0, False, False)
    log.info("wrote %s, %d times", f"{EVIL}\nwrote other", 3)
    log.info("two\nlines")
    log.warning("%s is odd", EVIL)
    out, err = capsys.readouterr()
    assert out == "wrote a?[2J??31m?gnp?b???wrote other, 3 times\ntwo\nlines\n"
    assert err == "prog: a?[2J??31m?gnp?b?? is odd\n"


@pytest.mark.parametrize("error", [UserError(f"{EVIL}\nno image"), OSError(2, "No such file", f"{EVIL}\n")])
def test_how_a_run_ends(capsys, monkeypatch, error):
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr("threading.excepthook", None)
    monkeypatch.setattr(sys, "argv", ["prog"])

    def fail():
        raise error

    guard.run_guarded(Team(), fail)
    said = capsys.readouterr().err
    assert said.startswith("prog: a?[2J??31m?gnp?b???") and said.count("\n") == 1 and said.rstrip("\n").isprintable()


@pytest.mark.parametrize("device", ["/dev/full", "pipe", "closed"])
def test_nobody_listens(device):
    """Neither a write nor the end of Python, which flushes, says anything more."""
    code = (
        "import os, sys\n"
        "from hpcdvc.ranks import terminal\n"
        f"{'os.close(1)' if device == 'closed' else ''}\n"
        "for k in range(3): terminal.tell('x' * 10000, sys.stdout)\n"
        "sys.stdout.write('more')\n"
        "sys.stderr.write('done')\n"
    )
    if device == "/dev/full":
        with open(device, "w") as stdout:
            ended = subprocess.run([sys.executable, "-c", code], stdout=stdout, stderr=subprocess.PIPE)
    else:
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.close()
        _, stderr = process.communicate()
        ended = subprocess.CompletedProcess([], process.returncode, None, stderr)
    assert (ended.returncode, ended.stderr) == (0, b"done")


def test_letters_that_a_terminal_has_not():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    tell("größe\n", stream)
    assert stream.buffer.getvalue() == b"gr\\xf6\\xdfe\n"


def test_closed_streams_are_opened():
    """Else the next file has the number of stderr, and what libraries print goes into it."""
    code = (
        "import os, sys\n"
        "from hpcdvc.ranks import terminal\n"
        "terminal.open_streams()\n"
        "number = os.open('/dev/null', os.O_RDONLY)\n"
        "print('x'); print('y', file=sys.stderr)\n"
        "sys.exit(number > 2 and os.get_inheritable(1) and sys.stdin.read() == '')\n"
    )
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        script = f'exec "$0" -c "$1" {closed}'
        done = subprocess.run(["sh", "-c", script, sys.executable, code], stdin=subprocess.DEVNULL, capture_output=True)
        assert done.returncode == 1, (closed, done.stderr)


def test_relay(tmp_path):
    """Launchers die of a closed pipe: a process between them and it does not."""
    code = (
        "import os, sys, time\n"
        "from hpcdvc.ranks import terminal\n"
        "terminal.relay_pipes()\n"
        "os.write(2, b'first\\n')\n"
        "os.write(1, b'first\\n')\n"
        "sys.stdin.read()\n"
        "for k in range(50): os.write(1, b'y' * 10000)\n"
        "os.write(2, b'last\\n')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert os.read(process.stdout.fileno(), 100) == b"first\n"
    process.stdout.close()
    process.stdin.close()
    assert process.stderr.read() == b"first\nlast\n"
    assert process.wait(10) == 0
