"""pyvale, a program for DIC in images (MIT; C++): installed from PyPI, run by run_pyvale.py on one thread."""

from pathlib import Path

import environments
import numpy as np

VERSION = "2026.10.2"
SPACING = 5


def install() -> Path:
    """Folder of its commands; installed on the first call."""
    return environments.install("pyvale", VERSION)


def words(im1: Path, im2: Path, out: Path, half: int, shape: str, filtered: bool) -> list[str]:
    """The words of one run.

    Parameters
    ----------
    im1, im2 : images
    out : folder for the result
    half : half window, pixels
    shape : AFFINE or QUAD
    filtered : smooth the images first, as it does unless told not to
    """
    script = Path(__file__).with_name("run_pyvale.py")
    options = [im1, im2, out, 2 * half + 1, SPACING, crop(half), shape, "filtered" if filtered else "as-they-are"]
    return [str(install() / "python"), str(script), *map(str, options)]


def import_words(folder: Path) -> list[str]:
    """The words that import it, in a folder for the log file that this leaves, and do nothing."""
    return [str(install() / "python"), "-c", f"import os; os.chdir({str(folder)!r}); import pyvale.dic"]


def crop(half: int) -> int:
    """First rows and columns to leave out, so that its nodes, half + k SPACING, are multiples of SPACING."""
    return -half % SPACING


def read(folder: Path, half: int) -> tuple[np.ndarray, int]:
    """What it calls converged: rows y, x, displacement along y, along x (n, 4); and how many nodes there were."""
    (path,) = folder.glob("*.csv")
    with open(path) as file:
        names = [name.strip('"') for name in file.readline().strip(",\n").split(",")]
    table = np.genfromtxt(path, delimiter=",", skip_header=1, usecols=range(len(names)))
    columns = dict(zip(names, table.T, strict=True))
    field = np.stack([columns[name] for name in ("subset_y", "subset_x", "disp_v", "disp_u")], axis=1)
    field[:, :2] += crop(half)
    return field[columns["converged"] == 1], len(field)
