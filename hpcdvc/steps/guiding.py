"""Points that a file names, to be measured."""

from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo

NAMES = ("Zpos", "Ypos", "Xpos")


def read_points(path: str, image: VolumeInfo, flat: bool = False) -> np.ndarray:
    """Read the points of `-gp`, or of `-pts`.

    Parameters
    ----------
    path : text with Z Y X in each line, separated by blanks, tabs or commas; lines that begin with # do not count. Or a
        table with one header line that names Zpos, Ypos and Xpos
    image : the image that they lie in
    flat : lines of Y X will do, too

    Returns
    -------
    (n, 3) float64 array, ZYX, voxels

    Raises
    ------
    UserError
        No such file, no points, a line that is none, or a point outside the image.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    rows = [(number, _words(line)) for number, line in enumerate(lines, start=1)]
    rows = [(number, words) for number, words in rows if words and not words[0].startswith("#")]
    if not rows:
        raise UserError(f"{path} holds no points")
    places, wanted = [0, 1, 2], 3
    if set(NAMES) <= set(rows[0][1]):
        (_, head), *rows = rows
        places, wanted = [head.index(name) for name in NAMES], len(head)
    if flat and wanted == 3:
        rows = [(number, ["0", *words] if len(words) == 2 else words) for number, words in rows]
    points = np.array([_point(path, number, words, places, wanted) for number, words in rows]).reshape(-1, 3)
    if not len(points):
        raise UserError(f"{path} has a header line, but no rows")
    outside = ~((points >= 0) & (points <= np.array(image.shape) - 1)).all(axis=1)
    if outside.any():
        where = " ".join(f"{v:g}" for v in points[outside][0])
        raise UserError(
            f"{path}, line {rows[np.flatnonzero(outside)[0]][0]}: the point {where} lies outside {image.spec}"
        )
    return points


def _words(line: str) -> list[str]:
    return line.replace(",", " ").split()


def _point(path: str, number: int, words: list[str], places: list[int], wanted: int) -> list[float]:
    try:
        point = [float(words[place]) for place in places]
    except (ValueError, IndexError):
        point = []
    if len(words) != wanted or not np.isfinite(point).all() or not point:
        raise UserError(f"{path}, line {number}: three numbers Z Y X are needed, not {' '.join(words)!r}")
    return point
