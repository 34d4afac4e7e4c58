"""What mutants of images are read by, within little CPU time."""

import numpy as np

from hpcdvc.images import describe, open_volume, volume

volume.HEADER_SECONDS = 1.0


def read(path: str) -> None:
    """Header, and voxels unless they are many."""
    info = describe(path)
    if np.prod(info.shape, dtype=float) < 1e7:
        open_volume(info).sum()
