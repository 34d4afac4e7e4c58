"""What no exception reports while a file is read ends the process with one sentence that names the file."""

import os
import signal
import subprocess
import sys
import time

import pytest

START = "import ctypes, mmap, os, sys, time\nfrom hpcdvc.kernels import guard\nsys.argv = ['/bin/prog']\n"
CRASH = "ctypes.string_at(0)"
MAP = """
with open('a.raw', 'wb') as file:
    file.write(bytes(10 * mmap.PAGESIZE))
with open('a.raw', 'r+b') as file:
    memory = mmap.mmap(file.fileno(), 0)
start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
known = guard.mapped(start, len(memory), 'a.raw')
os.truncate('a.raw', 1)
"""


def run(code, folder):
    """Exit code and stderr of Python code."""
    ended = subprocess.run([sys.executable, "-c", START + code], cwd=folder, capture_output=True, text=True, timeout=20)
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    "code, words",
    [
        (f"with guard.reading('b.h5'): {CRASH}", "b.h5 is damaged and cannot be read"),
        ("with guard.reading('b.h5'): os.kill(os.getpid(), 7)", "b.h5 is damaged and cannot be read"),
        ("with guard.reading('b.h5', 0.1):\n while True: pass", "b.h5 cannot be read: 0.1 s of CPU time"),
        (f"with guard.reading('b.h5'):\n with guard.reading('c.h5'): {CRASH}", "c.h5 is damaged"),
        (f"with guard.reading('b\\x1b[2J.h5'): {CRASH}", "b?[2J.h5 is damaged"),
        (f"{MAP}memory[5 * mmap.PAGESIZE]", "a.raw cannot be read any more: it was truncated"),
        (f"{MAP}\nwith guard.reading('b.h5'): memory[5 * mmap.PAGESIZE]", "a.raw cannot be read any more"),
    ],
)
def test_fault_is_one_sentence(code, words, tmp_path):
    returncode, said = run(code, tmp_path)
    assert returncode == 1
    assert said.count("\n") == 1
    assert said.startswith(f"prog: {words}")


@pytest.mark.parametrize(
    "code, number",
    [
        (f"with guard.reading('b.h5'): pass\n{CRASH}", signal.SIGSEGV),
        (f"{MAP}known.forget()\nmemory[5 * mmap.PAGESIZE]", signal.SIGBUS),
        ("with guard.reading('b.h5'): os.kill(os.getpid(), 24)", signal.SIGXCPU),
    ],
)
def test_fault_elsewhere_goes_where_it_went(code, number, tmp_path):
    assert run(code, tmp_path) == (-number, "")


def test_waiting_costs_no_time(tmp_path):
    assert run("with guard.reading('b.h5', 0.1): time.sleep(0.3)\nprint('there', file=sys.stderr)", tmp_path) == (
        0,
        "there\n",
    )


def test_time_of_one_file_is_not_that_of_the_next(tmp_path):
    code = """
def work():
    end = time.thread_time() + 0.08
    while time.thread_time() < end: pass
for _ in range(4):
    with guard.reading('b.h5', 0.2): work()
"""
    assert run(code, tmp_path) == (0, "")


def test_other_ranks_have_time_to_be_silent(tmp_path):
    began = time.monotonic()
    assert run(f"guard.among_ranks(0.5)\nwith guard.reading('b.h5'): {CRASH}", tmp_path)[0] == 1
    assert time.monotonic() - began > 0.5


@pytest.mark.skipif(not os.path.exists("/proc/self/maps"), reason="needs Linux")
def test_readings_leave_nothing_behind():
    from hpcdvc.kernels import guard

    def size():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1])

    for _ in range(100):
        with guard.reading("a.h5"):
            pass
    before = size()
    for _ in range(5000):
        with guard.reading("a.h5"):
            pass
        guard.mapped(0x10, 10, "b.tif").forget()
    assert size() - before < 100
