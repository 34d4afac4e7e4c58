"""Small image pairs with particles and a jump, and short ways to run the searches, for their tests."""

from functools import cache, partial
from importlib import import_module
from pathlib import Path

import numpy as np
import tifffile
from synthetic import lattice_texture, render

from hpcdvc.options.parser import parse
from hpcdvc.ranks.team import Team

SHAPE = (40, 44, 48)
#: Displacements of the lower and of the upper half, ZYX, voxels.
LOWER, UPPER = (2, -3, 1), (-1, 4, 3)


def shifted(image: np.ndarray, shift: tuple[int, ...]) -> np.ndarray:
    return np.roll(image, shift, (0, 1, 2))


@cache
def _pair() -> tuple[np.ndarray, np.ndarray]:
    im1 = render(lattice_texture(1), SHAPE)
    im2 = np.where(np.arange(SHAPE[2]) < SHAPE[2] // 2, shifted(im1, LOWER), shifted(im1, UPPER))
    return im1, im2.astype(im1.dtype)


def pair() -> tuple[np.ndarray, np.ndarray]:
    """(im1, im2), u2: the half of low x is moved by LOWER, the other by UPPER."""
    return tuple(image.copy() for image in _pair())


def save_pair(im1: np.ndarray | None = None, im2: np.ndarray | None = None) -> None:
    """Write im1.tif and im2.tif, by default `pair`."""
    default = pair()
    for name, image, other in zip(("im1", "im2"), (im1, im2), default, strict=True):
        tifffile.imwrite(f"{name}.tif", other if image is None else image, photometric="minisblack")


def particles() -> tuple[np.ndarray, np.ndarray, dict[int, tuple[int, int, int]]]:
    """(labels, im2, displacements by label) of balls cut out of im1; labels have gaps, one is very large."""
    im1, labels = pair()[0], np.zeros(SHAPE, "u4")
    im2 = render(lattice_texture(9), SHAPE)
    moves = {3: (1, 0, -2), 4: (0, 2, 1), 17: (-2, 1, 0), 4000000000: (2, -1, 1)}
    centres = [(12, 12, 12), (12, 31, 34), (28, 14, 34), (28, 32, 13)]
    grid = np.indices(SHAPE)
    for (label, move), centre in zip(moves.items(), centres, strict=True):
        inside = sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)) <= 49
        labels[inside] = label
        im2[shifted(inside, move)] = im1[inside]
    return labels, im2, moves


def written(folder: str | Path, command: str = "pixelSearch") -> dict[str, bytes]:
    """Results in a folder by name; the record of the run, which may differ, is left out."""
    return {
        path.name: path.read_bytes()
        for path in sorted(Path(folder).glob(f"*{command}*"))
        if path.is_file() and not path.name.endswith(".run.json")
    }


def _run_here(command: str, *words: object) -> list[str]:
    module, options = (import_module(f"hpcdvc.{room}.{command}") for room in ("workflows", "options"))
    return module.run(parse(options.Options, [str(word) for word in words]), Team())


#: Each runs a command in this process, on one rank, and returns the paths written.
search_here, spread_here, points_here = (
    partial(_run_here, command) for command in ("pixelSearch", "pixelSearchPropagate", "guidingPoints")
)
