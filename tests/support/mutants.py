"""Files with some bytes wrong, read one after the other by a process that may end over one of them.

    python mutants.py READER FOLDER FIRST LAST

reads mutants FIRST to LAST - 1 of the files in FOLDER by a function ``read(path)`` of the module READER, and writes the
number of each to its standard output before it reads it.
"""

import importlib
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np

from hpcdvc.errors import RunError, UserError

#: Seconds for a process; bytes of memory that it may take at most, libraries included.
PATIENCE, MEMORY = 170, 1 << 30


#: What stands in tables where it should not.
WORDS = (
    "nan",
    "inf",
    "1e999",
    "1e300",
    "-1",
    "",
    "1\t2",
    "1\n2",
    "1\r",
    "0x1",
    "1_0",
    "1.5",
    "-0",
    "9" * 40,
    "\0",
    "\x1b[2J",
)


def wrong_words(content: bytes, random: np.random.Generator) -> bytes:
    """A table with one to three entries that are others."""
    entries = re.split(rb"([\t\n])", content)
    for _ in range(random.integers(1, 4)):
        entries[2 * int(random.integers((len(entries) + 1) // 2))] = str(random.choice(WORDS)).encode()
    return b"".join(entries)


def mutant(content: bytes, random: np.random.Generator) -> bytes:
    """A file with one to four faults: bits, bytes, words, copies of other parts, an end that is missing."""
    if content.isascii() and random.integers(2):
        return wrong_words(content, random)
    wrong = bytearray(content)
    for _ in range(random.integers(1, 5)):
        place, kind = int(random.integers(len(wrong))), random.integers(8)
        if kind < 2:
            wrong[place] ^= 1 << random.integers(8)
        elif kind < 4:
            wrong[place] = random.choice([0, 1, 127, 128, 255, random.integers(256)])
        elif kind < 6:
            word = random.choice([0, 1, 2**31, 2**32 - 1, 2**63, len(wrong), random.integers(2**32)], shuffle=False)
            wrong[place : place + 8] = int(word).to_bytes(8, "little")[: random.choice([2, 4, 8])]
        elif kind < 7:
            other, size = int(random.integers(len(wrong))), int(random.integers(1, 64))
            wrong[place : place + size] = wrong[other : other + size]
        elif random.integers(4) == 0:
            del wrong[max(place, 1) :]
    return bytes(wrong)


def read_all(reader: str, folder: Path, first: int, last: int) -> None:
    """Read mutants; what is wrong with one of them is a sentence."""
    read = importlib.import_module(reader).read
    seeds = sorted(path for path in folder.iterdir() if path.is_file())
    contents = [path.read_bytes() for path in seeds]
    for number in range(first, last):
        seed = seeds[number % len(seeds)]
        path = folder / "mutants" / f"{number}{seed.suffix}"
        path.write_bytes(mutant(contents[number % len(seeds)], np.random.default_rng(number)))
        print(number, flush=True)
        try:
            read(str(path))
            ended = "read"
        except (UserError, RunError) as error:
            ended = str(error)
            assert "\n" not in ended and str(path) in ended, ended
        print(ended, flush=True)
        path.unlink()
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, flush=True)


def check_mutants(reader: str, folder: Path, count: int) -> list[str]:
    """Read mutants 0 to `count` - 1 and check that each is read, or refused in one sentence; how each ended.

    Parameters
    ----------
    reader : name of a module in tests/support with a function ``read(path)``
    folder : of the seeds
    count : how many mutants
    """
    (folder / "mutants").mkdir(exist_ok=True)
    ended: list[str] = []
    while len(ended) < count:
        line = [sys.executable, __file__, reader, str(folder), str(len(ended)), str(count)]
        process = subprocess.run(line, capture_output=True, text=True, timeout=PATIENCE)
        lines = process.stdout.splitlines()
        if process.returncode == 0:
            peak = int(lines.pop().removeprefix("peak "))
            assert peak < MEMORY, f"{peak} bytes of memory"
            return ended + lines[1::2]
        # the guard has ended it, in one sentence
        what = f"mutant {lines[-1]} of {folder}: exit code {process.returncode}\n{process.stderr[-2000:]}"
        assert process.returncode == 1 and process.stderr.count("\n") == 1 and "Traceback" not in what, what
        ended += [*lines[1::2], process.stderr.strip()]
    return ended


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    read_all(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
