"""Failures of the machine are told apart from mistakes, in one sentence, whichever library has met them."""

import errno
import os
import resource
import subprocess

import numpy as np
import pytest
from ldic_cases import save_pair
from running import command_line

from hpcdvc.errors import RunError, UserError, error_number, file_error, memory_error, quoted
from hpcdvc.output import files
from hpcdvc.output.places import check_folder
from hpcdvc.runs.lock import _read
from hpcdvc.runs.shards import Shards

#: HDF5 says what the system has said somewhere within its text.
FULL = (
    "Unable to synchronously create dataset (file write failed: time = Sat Nov 28 12:00:00 2026\n, filename = 'a.hdf', "
    "file descriptor = 5, errno = 28, error message = 'No space left on device', buf = 0x55, total write size = 10)"
)


def failure(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "number", "kind"),
    [
        (failure(errno.ENOENT), errno.ENOENT, UserError),
        (failure(errno.EACCES), errno.EACCES, UserError),
        (failure(errno.EIO), errno.EIO, RunError),
        (failure(errno.ENFILE), errno.ENFILE, RunError),
        (OSError(FULL), errno.ENOSPC, RunError),
        (RuntimeError(FULL), errno.ENOSPC, RunError),
        (KeyError(FULL.replace("28,", "5,")), errno.EIO, RunError),
        (OSError("truncated file"), 0, None),
        (ValueError("of another size"), 0, None),
    ],
)
def test_files(error, number, kind):
    assert error_number(error) == number
    said = file_error("a.hdf", error)
    assert type(said) is (kind or type(None))
    assert said is None or str(said) == f"a.hdf cannot be read: {os.strerror(number)}"


@pytest.mark.parametrize("error", [OSError(FULL), RuntimeError(FULL), failure(errno.ENOSPC), failure(errno.EDQUOT)])
def test_a_full_disk(error):
    with pytest.raises(RunError) as caught, files.write_errors("a.hdf"):
        raise error
    assert str(caught.value) == "a.hdf was not written: no space left on its disk; free some space and run again"


def test_memory():
    library = ImportError("Original error was: /lib/libblas.so: failed to map segment from shared object")
    outer = ImportError("numpy is broken")
    outer.__cause__ = library
    assert str(memory_error(outer)) == "not enough memory to load libblas.so"
    assert str(memory_error(MemoryError())) == "not enough memory"
    assert str(memory_error(MemoryError("Unable to allocate\n3 GB"))) == "not enough memory: Unable to allocate 3 GB"
    assert memory_error(ImportError("no module")) is None and memory_error(ValueError()) is None
    assert str(file_error("a.tif", failure(errno.ENOMEM))) == "not enough memory: a.tif cannot be read"


def test_too_little_to_start(tmp_path, monkeypatch):
    """Where numpy itself cannot be loaded: 37 lines of advice otherwise."""
    monkeypatch.chdir(tmp_path)
    save_pair()
    ended = subprocess.run(
        command_line("ldic", "im1.tif", "im2.tif", "-ns", 16, "-hws", 5),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (45 << 20, 45 << 20)),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("hpcdvc-ldic: not enough memory to load ") and ended.stderr.count("\n") == 1


def test_quoted():
    assert quoted("a\x1b") == "'a\\x1b'"
    assert len(quoted("x" * 1000)) == 80 and quoted("x" * 1000).endswith("...")


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.EIO, RunError), (errno.ENOSPC, RunError), (errno.EACCES, UserError)]
)
def test_folder(tmp_path, monkeypatch, number, kind):
    def fail(*words, **more):
        raise failure(number)

    monkeypatch.setattr("hpcdvc.output.places.tempfile.TemporaryFile", fail)
    with pytest.raises(kind, match=f"the output folder .* cannot be written: {os.strerror(number)}"):
        check_folder(tmp_path / "out")


@pytest.mark.parametrize(("number", "kind"), [(errno.EIO, RunError), (errno.EACCES, UserError)])
def test_lock(monkeypatch, number, kind):
    def fail(*words, **more):
        raise failure(number)

    monkeypatch.setattr(files, "open_regular", fail)
    with pytest.raises(kind, match=r"^a\.lock, the lock of a run, cannot be read: "):
        _read("a.lock")


def test_shards_go_before_their_key(tmp_path, monkeypatch):
    """What is left when the disk fails in between can be gone on with."""
    shards = Shards(str(tmp_path / "a"), {"options": {}})
    os.mkdir(shards.folder)
    for name in ("key.json", "1.rec", "2.rec"):
        np.zeros(1).tofile(f"{shards.folder}/{name}")
    removed, unlink = [], os.unlink

    def fail(path, **more):
        removed.append(os.path.basename(path))
        if len(removed) == 2:
            raise failure(errno.EIO)
        unlink(path, **more)

    monkeypatch.setattr(os, "unlink", fail)
    with pytest.raises(RunError, match=r"a\.parts cannot be removed: Input/output error"):
        shards.clear()
    assert removed == ["1.rec", "2.rec"] and os.path.exists(f"{shards.folder}/key.json")
