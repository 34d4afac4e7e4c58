"""Small images, deformations of them and short ways to run hpcdvc-deformImage, for its tests.

Names of files are relative: the tests run in a folder of their own.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from ldic_cases import FIELD, FLAT_FIELD, FLAT_SHAPE, SHAPE, images, save_field, save_pair
from synthetic import DisplacementField

from hpcdvc.options.parser import parse
from hpcdvc.ranks.team import Team
from hpcdvc.workflows import deformImage


def nodes(shape: tuple[int, ...] = SHAPE, spacing: int = 8) -> np.ndarray:
    """Positions (n, 3) of nodes that reach to the faces of an image."""
    axes = [np.linspace(0, n - 1, max(2, round(n / spacing))) if n > 1 else np.zeros(1) for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def save_all(shape: tuple[int, int, int] = SHAPE) -> None:
    """Write im1.tif and im2.tif, and the deformation between them as reg.tsv and field.tsv."""
    save_pair(*images(replace(FIELD), shape))  # a copy: FIELD itself stands for images of SHAPE
    save_deformations(FIELD, shape)


def save_flat() -> None:
    """The same in two dimensions."""
    save_pair(*images(FLAT_FIELD, FLAT_SHAPE))
    save_deformations(FLAT_FIELD, (1, *FLAT_SHAPE))


def save_deformations(field: DisplacementField, shape: tuple[int, int, int]) -> None:
    dimensions = 2 if shape[0] == 1 else 3
    positions = nodes(shape)

    class Lifted:
        """The field at positions with three coordinates."""

        def phi(self, points: np.ndarray) -> np.ndarray:
            return field.phi(points[:, 3 - dimensions :])

    centre = np.zeros(3)
    centre[3 - dimensions :] = getattr(field, "centre", 0)
    save_field("reg.tsv", Lifted(), centre[None])
    save_field("field.tsv", Lifted(), positions)


def run_here(*words) -> list[str]:
    """Run hpcdvc-deformImage in this process, on one rank; the paths written."""
    return deformImage.run(parse(deformImage.Options, [str(word) for word in words]), Team())


def deformed(*words, im1: str = "im1.tif") -> np.ndarray:
    """The image that the command makes of im1.tif with these words; overwrites."""
    return tifffile.imread(run_here(im1, "--force", *words)[0])


def rms(a: np.ndarray) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(a, dtype=float))))


def contents(folder: Path | str) -> dict[str, bytes]:
    """All results in a folder: what does not depend on the number of ranks."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if not path.name.endswith(".run.json")}
