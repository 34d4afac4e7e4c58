"""Pictures of a registration across modalities, as the command draws them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
from matplotlib.figure import Figure
from modal_pairs import THREE, modal_pair, rigid

from hpcdvc.options.mmr import Options
from hpcdvc.output.stored import opened
from hpcdvc.ranks.team import Team
from hpcdvc.steps.modal_result import figures_of
from hpcdvc.workflows.mmr import run

SHAPE = (72, 80, 88)


@cache
def figures() -> dict[str, Figure]:
    """Of a body of three phases that was turned by some degrees between two machines, registered here and now."""
    field = rigid(SHAPE, 4, 8.0, 0.05)
    images = modal_pair(SHAPE, field, 4, THREE, feature=8.0, noise=0.04)
    with TemporaryDirectory() as folder:
        names = [str(Path(folder) / name) for name in ("x-rays.tif", "neutrons.tif")]
        for name, image in zip(names, images, strict=True):
            tifffile.imwrite(name, np.clip(200 * image + 20, 0, 255).astype("u1"))
        options = Options(im1=names[0], im2=names[1], auto=True, rigid=True, n_phases=(3,), bins=96, quiet=True)
        result = next(path for path in run(options, Team()) if path.endswith(".hdf"))
        with opened(result) as stored:
            return figures_of(stored, ("x-rays", "neutrons"))


def draw_modal_histogram(path: Path) -> None:
    """The joint histogram and its phases."""
    figures()["histogram"].savefig(path)


def draw_modal_phases(path: Path) -> None:
    """The phase diagram."""
    figures()["phases"].savefig(path)


def draw_checkerboard(path: Path) -> None:
    """Checkerboards before and after."""
    figures()["checkerboard"].savefig(path)
