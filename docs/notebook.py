"""Notebooks of the documentation: run cell by cell, and shown as pages with what each cell gives.

The build of the pages writes `docs/generated/<notebook>.md`, and its pictures beside it. No kernel is needed.
"""

import ast
import contextlib
import io
import json
import os
import textwrap
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent / "notebooks"


@dataclass
class Cell:
    """A cell that was run.

    Attributes
    ----------
    kind : "markdown" or "code"
    source : its text
    said : what it has printed
    value : of its last line, None where that is no expression
    missing : packages that it needs and that are not installed: it was not run
    """

    kind: str
    source: str
    said: str = ""
    value: Any = None
    missing: list[str] = field(default_factory=list)


def run(path: Path) -> Iterator[Cell]:
    """Run a notebook in its folder; a cell that is tagged with names of packages only where these are installed.

    Parameters
    ----------
    path : the notebook

    Yields
    ------
    its cells, in order
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(path.read_text())["cells"], 1):
        found = Cell(cell["cell_type"], "".join(cell["source"]))
        if found.kind == "code":
            found.missing = [name for name in cell["metadata"].get("tags", []) if find_spec(name) is None]
            if not found.missing:
                _run(found, names, f"{path.name}, cell {number}", path.parent)
        yield found


def _run(cell: Cell, names: dict[str, Any], place: str, folder: Path) -> None:
    tree, out = ast.parse(cell.source, place), io.StringIO()
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        exec(compile(tree, place, "exec"), names)
        if last is not None:
            cell.value = eval(compile(ast.Expression(last.value), place, "eval"), names)
    cell.said = out.getvalue()


def page(path: Path, pictures: Path) -> str:
    """A notebook as a page; pictures are written into a folder.

    Parameters
    ----------
    path : the notebook
    pictures : folder for them, seen from the page as its own
    """
    parts = []
    for number, cell in enumerate(run(path), 1):
        if cell.kind == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        if cell.missing:
            parts.append(f"*Not run here: {', '.join(cell.missing)} is not installed.*")
        if cell.said:
            parts.append(f"```text\n{cell.said}```")
        if cell.value is not None:
            parts.append(_shown(cell.value, pictures / f"{path.stem}-{number}.png"))
    return "\n\n".join(parts) + "\n"


def _shown(value: Any, picture: Path) -> str:
    """A value as a notebook shows it: a picture where it can be one, else its text."""
    if hasattr(value, "_repr_png_"):
        picture.write_bytes(value._repr_png_())
        return f"```{{image}} generated/{picture.name}\n:alt: {value._suptitle.get_text()}\n```"
    lines = [
        textwrap.fill(line, 110, subsequent_indent="    ") if len(line) > 110 else line
        for line in repr(value).splitlines()
    ]
    return "\n".join(["```text", *lines, "```"])


def write_pages(folder: Path) -> None:
    """Run the notebooks and write their pages; what has not changed is left alone."""
    folder.mkdir(exist_ok=True)
    for path in sorted(FOLDER.glob("*.ipynb")):
        text, place = page(path, folder), folder / f"{path.stem}.md"
        if not place.exists() or place.read_text() != text:
            place.write_text(text)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "Agg")
    write_pages(FOLDER.parent / "generated")
