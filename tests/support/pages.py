"""What the pages of the documentation tell their readers to type."""

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if not {"_build", "generated"} & set(p.relative_to(DOCS).parts))
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *PAGES]


def label(path: Path) -> str:
    """Name of a page, for messages."""
    return str(path.relative_to(ROOT))


def typed(path: Path) -> list[list[str]]:
    """Words of every line that a reader is told to type (`$ ...`), continuation lines joined, comments dropped."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```", path.read_text(), re.M | re.S)
    lines = [line.strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    parts = [part for line in lines if line.startswith("$ ") for part in line[2:].split("&&")]
    return [shlex.split(part.removesuffix("&"), comments=True) for part in parts]


def expanded(word: str) -> list[str]:
    """What a shell makes of `load*.tif`."""
    return [word.replace("*", str(k)) for k in range(3)] if "*" in word else [word]


#: What makes a line a measurement: a file, also one with a dataset (`scan.h5:/ref`) or an index (`scan.nii[0]`), a body
#: that is made, or a job that says what a machine has.
A_FILE = re.compile(r"\.(\w{3}|h5|fits|hdf\.series)(\[[\d,]+\]|:/\S+)?$|^-(cube|cylinder)$|^hpcdvc-info$")


def measurements(path: Path) -> list[tuple[str, list[str]]]:
    """The commands of ours that a page shows with files or bodies, in its order: names without prefix, and arguments.

    Job files stand for their commands; how many ranks there are is left out.
    """
    return [found for words in typed(path) if (found := measurement(words))]


def measurement(words: list[str]) -> tuple[str, list[str]] | None:
    """The same of one line; None where it is none."""
    place = next((i for i, word in enumerate(words) if re.search(r"(^|/)hpcdvc-[\w-]+(\.sbatch)?$", word)), None)
    if "[options]" in words or place is None or not any(map(A_FILE.search, words[place + 1 :])):
        return None
    name, arguments = re.search(r"hpcdvc-([\w-]+)", words[place])[1], words[place + 1 :]
    if "-np" in arguments:  # a process that the command would become
        number = arguments.index("-np")
        del arguments[number : number + 2]
    return name, [part for word in arguments for part in expanded(word)]
