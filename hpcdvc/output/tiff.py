"""Fields as float32 TIFF images, one voxel per node of the grid."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output import files, views

#: what a local DVC writes
LOCAL = ("Zdisp", "Ydisp", "Xdisp", "error", "iterations", "returnStatus", "deltaPhiNorm")


def write_tiffs(stem: str | Path, field: Field, names: Sequence[str] | None = None) -> list[Path]:
    """Write `<stem>-<name>.tif` for each name, an image of the shape of the grid (one slice in two dimensions).

    Parameters
    ----------
    stem : directory and beginning of the file names
    field : on a grid
    names : columns as in the TSV; by default those of a local DVC, without `Zdisp` in two dimensions

    Returns
    -------
    the files

    Raises
    ------
    UserError : the points form no grid
    RunError : no space left, or a file cannot be written
    """
    import tifffile  # slow to load, and rarely asked for

    if field.grid is None:
        raise UserError(f"{stem}: images are made of fields on a regular grid; these {len(field)} points form none")
    if names is None:
        # the nodes of an image in two dimensions stand at z = 0, those of a volume never do
        flat = field.grid.shape[0] == 1 and field.grid.origin[0] == 0
        names = LOCAL[1:] if flat else LOCAL
    paths = [Path(f"{stem}-{name}.tif") for name in names]
    for path, name in zip(paths, names, strict=True):
        image = views.column(field, name).astype(np.float32).reshape(field.grid.shape)
        with files.whole_file(path, image.nbytes) as temporary:
            tifffile.imwrite(temporary, image, photometric="minisblack")
    return paths
