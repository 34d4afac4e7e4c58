"""Runs of commands in which one call to the file system fails.

    LD_PRELOAD=faults.so python faults.py

reads one run a line from its standard input and carries it out in a process forked from itself, which has everything
loaded: what the failing calls are about is the run alone.
"""

import ctypes
import importlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

#: Kinds of calls, and how each can fail: numbers of errors, 0 for a part of the work. See faults.c.
CALLS = {
    "open": ("EIO", "ENFILE"),
    "read": ("EIO", ""),
    "write": ("EIO", "ENOSPC", ""),
    "sync": ("EIO",),
    "close": ("EIO",),
    "rename": ("EIO",),
    "unlink": ("EIO",),
    "mkdir": ("EIO", "ENOSPC"),
    "size": ("ENOSPC",),
    "map": ("ENOMEM",),
}


def build(folder: Path) -> Path:
    """Compile faults.c into a folder; FileNotFoundError without a compiler."""
    library = folder / "faults.so"
    source = Path(__file__).with_suffix(".c")
    words = [os.environ.get("CC", "cc"), "-O1", "-Wall", "-shared", "-fPIC", "-o", library, source, "-ldl"]
    subprocess.run(words, check=True, capture_output=True)
    return library


class Server:
    """A process that carries out runs; call it with one."""

    def __init__(self, library: Path):
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": str(Path(__file__).parents[2])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, folder: Path, *words: object, call: str = "", number: int = 0, error: int = 0) -> dict:
        """Run a command in a folder.

        Parameters
        ----------
        folder : where; only calls about files in it are counted
        words : command without its prefix, and its arguments
        call, number, error : kind of the call, which of them fails, and with which errno

        Returns
        -------
        dict of `code`, `said` (stdout and stderr) and `count`, how many such calls there were; 0 after an abort
        """
        run = {"folder": str(folder), "words": [str(word) for word in words]}
        settings = {"CALL": call, "PATH": str(folder), "NUMBER": str(number), "ERRNO": str(error)}
        self._process.stdin.write(json.dumps({**run, "settings": settings}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait(10)


def carry_out(run: dict) -> dict:
    """One run in a child."""
    counted, counter = os.pipe()
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.dup2(said.fileno(), 1)
            os.dup2(said.fileno(), 2)
            code = 99
            try:
                code = _run(run, counter)
            finally:
                os._exit(code)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        os.close(counter)
        with open(counted, "rb") as stream:
            count = int(stream.read() or 0)
        said.seek(0)
        return {"code": code, "said": said.read().decode(errors="replace"), "count": count}


def _run(run: dict, counter: int) -> int:
    from hpcdvc import cli

    os.chdir(run["folder"])
    name, *argv = run["words"]
    sys.argv[0] = f"hpcdvc-{name}"
    faults = ctypes.CDLL(None)
    faults.fault_count.restype = ctypes.c_long
    for setting, value in run["settings"].items():
        os.environ[f"FAULT_{setting}"] = value
    faults.fault_begin()
    code = cli.main(name, argv)
    os.write(counter, str(faults.fault_count()).encode())
    return code


if __name__ == "__main__":
    for module in ("h5py", "tifffile", "imagecodecs", "scipy.ndimage", "scipy.spatial", "hpcdvc.output.tiff"):
        importlib.import_module(module)
    for command in ("deformImage", "ldic", "reg"):
        importlib.import_module(f"hpcdvc.workflows.{command}")

    for line in sys.stdin:
        print(json.dumps(carry_out(json.loads(line))), flush=True)
