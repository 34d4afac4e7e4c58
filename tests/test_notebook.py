"""The notebooks of the documentation run, and show what they should."""

import sys

import pytest
from pages import DOCS

sys.path.append(str(DOCS))
import notebook  # noqa: E402


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(notebook.FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_runs(path, tmp_path):
    before = set(path.parent.iterdir())
    text = notebook.page(path, tmp_path)
    assert text.startswith("# ") and "```{image} generated/" in text
    pictures = sorted(picture.name for picture in tmp_path.iterdir())
    assert pictures and all(name in text for name in pictures)
    assert set(path.parent.iterdir()) == before, "it writes nothing"


def test_first_notebook_is_as_it_is_opened_first():
    """Nothing that was computed elsewhere is kept in it."""
    text = (notebook.FOLDER / "first_field.ipynb").read_text()
    assert '"outputs": []' in text and "image/png" not in text


def test_what_a_cell_gives(tmp_path):
    """What it prints, its last value, the names of the cells before; not what needs a package that is not there."""
    cells = [("x = 2\nprint('two')", []), ("x + 1", []), ("x + 1", ["no_such_package"]), ("1 / 0", [])]
    path = tmp_path / "a.ipynb"
    path.write_text(
        notebook.json.dumps(
            {"cells": [{"cell_type": "code", "metadata": {"tags": tags}, "source": [code]} for code, tags in cells]}
        )
    )
    run = notebook.run(path)
    assert next(run).said == "two\n" and next(run).value == 3 and next(run).missing == ["no_such_package"]
    with pytest.raises(ZeroDivisionError):
        next(run)
