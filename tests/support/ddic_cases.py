"""Small pairs of images with labelled grains, and short ways to run hpcdvc-ddic on them."""

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import tifffile
from grains import Grains, packing
from search_cases import _run_here
from synthetic import lattice_texture

from hpcdvc.labels.scan import centres_of, scan_labels

#: What labels 1 to 8 are called: with gaps, one of them as large as can be.
NUMBERS = np.array([0, 2, 3, 5, 7, 11, 13, 17, 2**32 - 1], "u4")
ddic_here = partial(_run_here, "ddic")


@cache
def eight() -> tuple[Grains, np.ndarray, np.ndarray, np.ndarray]:
    """Eight grains, im1, im2 and the labels of im1 with the numbers of NUMBERS."""
    grains = packing(lattice_texture(1), 2, 7, gap=2)
    return grains, grains.image(False), grains.image(True), NUMBERS[grains.labels()]


def after(steps: int) -> Grains:
    """The eight grains where they are after so many equal steps, as one motion."""
    grains, turns = eight()[0], np.broadcast_to(np.eye(3), (8, 3, 3))
    for _ in range(steps):
        turns = grains.turns @ turns
    return replace(grains, turns=turns, moves=steps * grains.moves)


def at(steps: int) -> Grains:
    """The same, as bare grains that stand there: for their labels, and for the truth of the next step."""
    grains, gone = eight()[0], after(steps)
    return replace(grains, centres=grains.centres + gone.moves, frames=gone.turns @ grains.frames)


def save_eight(folder: str | Path = ".") -> None:
    """im1.tif, lab.tif, im2.tif and im3.tif, in which the grains have gone on once more."""
    _, im1, im2, labels = eight()
    for name, image in (("im1", im1), ("lab", labels), ("im2", im2), ("im3", after(2).image(True))):
        tifffile.imwrite(Path(folder) / f"{name}.tif", image, photometric="minisblack")


def truth_of_eight() -> np.ndarray:
    """(8, 3, 4) Phi about the centres of mass."""
    grains, _, _, labels = eight()
    return grains.truth(centres_of(scan_labels(labels)))
