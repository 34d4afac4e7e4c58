"""The screenshots of docs/paraview.md, which are kept in the repository.

Measures the cement of the gallery, and has ParaView draw the results by paraview_script.py:

`python docs/paraview_pictures.py` where pvbatch is on PATH.
"""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS.parent), str(DOCS.parent / "tests" / "support")]

import gallery  # noqa: E402
from pages import measurements  # noqa: E402
from pvbatch import run_pvbatch  # noqa: E402

from hpcdvc.cli import main  # noqa: E402

NAMES = ("paraview-ldic.png", "paraview-gdic.png")


def draw(folder: Path) -> list[Path]:
    """Run the lines of the page in a folder, and ParaView on what they wrote; the pictures."""
    gallery.save_cement(folder)
    with contextlib.chdir(folder):
        for name, words in measurements(DOCS / "paraview.md"):
            assert main(name, [*words, "-q"]) == 0, words
    script = (DOCS / "paraview_script.py").read_text()
    run_pvbatch(folder, script, ["out/cement-0-cement-1-ldic.hdf", "out/cement-0-cement-1-GDIC.hdf", "."])
    return [folder / name for name in NAMES]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for picture in draw(Path(folder)):
            shutil.copyfile(picture, DOCS / picture.name)
