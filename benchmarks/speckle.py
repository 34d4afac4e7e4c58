"""The speckle pair that the benchmarks run on: a texture evaluated at moved points, so the truth is exact.

Cached in benchmarks/.cache; 500^3 takes some minutes to make.
"""

import os
import sys
from pathlib import Path

import numpy as np
import tifffile

HERE = Path(__file__).resolve().parent
CACHE = HERE / ".cache"
sys.path.insert(0, str(HERE.parent / "tests" / "support"))

from synthetic import Affine, Grey, lattice_texture, render  # noqa: E402

#: ZYX: 0.4 % of stretch, shear and contraction about the middle, and a shift
STRAIN = np.array([[0.004, 0.001, 0.0], [0.0, -0.002, 0.001], [0.001, 0.0, 0.002]])
SHIFT = (0.3, -0.4, 0.2)
GREY = Grey(mean=30000, contrast=5000, noise=0.06)  # noise: 300 grey values, 1 % of the mean
SEED = 7


def truth(size: int) -> Affine:
    """The field that moves im2 of the pair of `size`^3 voxels."""
    return Affine(np.eye(3) + STRAIN, np.array(SHIFT), np.full(3, (size - 1) / 2))


def speckle_pair(size: int) -> tuple[Path, Path]:
    """Paths of the two uint16 TIFF files of `size`^3 voxels; made when they are not in the cache."""
    texture = lattice_texture(SEED)
    paths = CACHE / f"speckle{size}_1.tif", CACHE / f"speckle{size}_2.tif"
    for i, path in enumerate(paths):
        if path.exists():
            continue
        print(f"making {path.name}, once", flush=True)
        CACHE.mkdir(exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        out = tifffile.memmap(temporary, shape=(size,) * 3, dtype="u2", photometric="minisblack")
        render(texture, (size,) * 3, truth(size) if i else None, GREY, seed=2 * SEED + i, out=out)
        out.flush()
        del out
        temporary.rename(path)
    return paths


if __name__ == "__main__":
    speckle_pair(int(sys.argv[1]) if len(sys.argv) > 1 else 500)
