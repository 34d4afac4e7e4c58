"""Fields as float32 TIFF images, one voxel per node of the grid."""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output import files, schema, views
from hpcdvc.output.columns import columns_of

#: Bytes of voxels from which on a TIFF file is a BigTIFF: offsets of the other kind have 32 bits.
BIG_TIFF = 2**32 - 2**25


def image_names(flat: bool, extra: Iterable[str] = ()) -> list[str]:
    """Ends of the names of the images that are made of the rows of a grid.

    Parameters
    ----------
    flat : of an image in two dimensions
    extra : columns that the rows hold beside those of every row
    """
    shown = [column for column in columns_of("grid") if schema.in_rows(column) or column.made_from in extra]
    return [name for column in shown for name in views.names_of(column, flat)]


def write_tiffs(stem: str | Path, field: Field) -> list[Path]:
    """Write `<stem>-<name>.tif` for each name that the columns of the field declare for images (`tif`).

    They have the shape of the grid, one slice in two dimensions, and no `Zdisp` there. Rows that are not measured are
    NaN in those columns that say so, and so are numbers that float32 cannot hold.

    Parameters
    ----------
    stem : directory and beginning of the file names
    field : on a grid

    Returns
    -------
    the files

    Raises
    ------
    UserError : the points form no grid
    RunError : no space left, or a file cannot be written
    """
    if field.grid is None:
        raise UserError(f"{stem}: images are made of fields on a regular grid; these {len(field)} points form none")
    paths = []
    for name, values in views.images(field):
        paths.append(Path(f"{stem}-{name}.tif"))
        write_image(paths[-1], values.reshape(field.grid.shape))
    return paths


def write_image(path: str | Path, values: np.ndarray) -> None:
    """Write (nz, ny, nx) numbers as float32, NaN where that cannot hold them. RunError if the disk does not take it."""
    import tifffile  # slow to load, and rarely asked for

    fits = np.isinf(values) | (np.abs(values) <= np.finfo(np.float32).max)
    image = np.where(fits, values, np.nan).astype(np.float32)
    with files.whole_file(path, image.nbytes) as temporary, files.fill(temporary, "w+b") as file:
        tifffile.imwrite(file, image, photometric="minisblack")


def write_pages(path: str | Path, shape: tuple[int, int, int], pages: Iterator[np.ndarray]) -> None:
    """Write float32 pages (ny, nx), one after the other, as an image of a shape (nz, ny, nx), or of one page (ny, nx).

    Raises
    ------
    RunError : the disk does not take it
    """
    import tifffile

    size = 4 * math.prod(shape)
    with files.whole_file(path, size) as temporary, files.fill(temporary, "w+b") as file:
        big = size >= BIG_TIFF
        if shape[0] == 1:
            tifffile.imwrite(file, next(pages), photometric="minisblack", bigtiff=big)
        else:
            tifffile.imwrite(file, pages, shape=shape, dtype=np.float32, photometric="minisblack", bigtiff=big)
