"""Picture of hpcdvc-report: some of its pictures."""

import io
import tempfile
from contextlib import chdir
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import tifffile
from synthetic import Affine, ShearBand, lattice_texture, pair

from hpcdvc.cli import main
from hpcdvc.pages.figures import pictures_of
from hpcdvc.pages.residual import pair_of_planes
from hpcdvc.pages.result_file import open_result

SIZE = 80
#: Row by row.
SHOWN = (("strain",), ("returnStatus",), ("im1", "residual before", "residual after"))


def draw_report(path: Path) -> None:
    """Five pictures of the report of a shear band, pixel by pixel as they are there."""
    middle = np.full(3, (SIZE - 1) / 2)
    normal = np.array([0.0, 0.82, 0.57])
    band = ShearBand(slip=1.6 * np.array([0.0, -0.57, 0.82]), normal=normal, point=middle, width=7.0)
    field = Affine(np.diag([0.99, 1.003, 1.003]), np.array([0.3, -0.4, 0.6]), middle) + band
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        for name, image in zip(("im1.tif", "im2.tif"), pair(lattice_texture(1), (SIZE,) * 3, field), strict=True):
            tifffile.imwrite(name, image, photometric="minisblack")
        assert main("ldic", ["im1.tif", "im2.tif", "-ns", "5", "-hws", "7", "-pre", "x", "-q"]) == 0
        with open_result("x-ldic.hdf") as result:
            found = {one.name: one for one in pictures_of(result, pair_of_planes(result))}
    rows = [np.hstack([plt.imread(io.BytesIO(found[name].png)) for name in names]) for names in SHOWN]
    width = max(row.shape[1] for row in rows)
    plt.imsave(path, np.vstack([np.pad(r, ((0, 0), (0, width - r.shape[1]), (0, 0)), constant_values=1) for r in rows]))
