"""Fields from the TIFF images that a command has made of one: what such a set of images shows of a field."""

import logging
import math
import os
import re
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import LOWEST_MEASURED, Family, Status
from hpcdvc.images import describe, open_volume
from hpcdvc.output import schema, views
from hpcdvc.output.columns import Column, columns_of

log = logging.getLogger("hpcdvc")

#: Ends of the names of the images of the displacement, ZYX.
DISPLACEMENT = ("Zdisp", "Ydisp", "Xdisp")


def read_tiffs(path: str | Path, spacing: tuple[int, int, int]) -> Field:
    """Read a field from its images, `<stem>-Xdisp.tif` and those beside it, as `write_tiffs` names them.

    They have no F: it is the identity. Nodes begin at the node spacing, as those of hpcdvc-ldic do; without an image
    Zdisp they are those of an image in two dimensions. Where there is no image of the status, points are measured
    that have a displacement.

    Parameters
    ----------
    path : one of the images of the displacement
    spacing : of the nodes, ZYX, voxels

    Returns
    -------
    Field : `extra` holds the columns of which there are images

    Raises
    ------
    UserError : no such image, one is missing, or they do not fit together
    """
    found = re.fullmatch(rf"(.*)-({'|'.join(DISPLACEMENT)})(\.tiff?)", str(path), re.IGNORECASE | re.DOTALL)
    if not found:
        raise UserError(f"{path}: name an image of the displacement, <name>-Xdisp.tif; those beside it are read, too")
    stem, _, end = found.groups()
    flat = not os.path.exists(f"{stem}-Zdisp{end}")
    components = [_image(f"{stem}-{name}{end}") for name in DISPLACEMENT[flat:]]
    shape = components[0].shape
    if flat and shape[0] > 1:
        raise UserError(f"{path} has {shape[0]} slices: {stem}-Zdisp{end} is missing")
    grid = Grid((0.0, *map(float, spacing[1:])), (1.0, *map(float, spacing[1:])), shape)
    if not flat:
        grid = Grid(tuple(map(float, spacing)), tuple(map(float, spacing)), shape)
    phi = np.tile(np.eye(4), (grid.size, 1, 1))
    for axis, image in enumerate(components, int(flat)):
        phi[:, axis, 3] = _fitting(image, shape, f"{stem}-{DISPLACEMENT[axis]}{end}")
    known = {
        column.made_from: _column(column, stem, end, shape, flat)
        for column in columns_of("grid")
        if column.tif and column.made_from != "Phi"
        and all(os.path.exists(f"{stem}-{name}{end}") for name in views.names_of(column, flat))
    }  # fmt: skip
    finite = np.isfinite(phi).all(axis=(1, 2))
    family = _family(known, finite)
    known.setdefault("return_status", np.where(finite, LOWEST_MEASURED[family], Status.NOT_EVALUATED))
    log.info("%s has no F: it is the identity everywhere; nodes begin at the node spacing", path)
    return schema.field_of_members({"Phi": phi, **known}, grid, family=family)


def _image(path: str) -> np.ndarray:
    if not os.path.exists(path):
        raise UserError(f"{path}: no such file; it belongs to the images of a displacement")
    return open_volume(describe(path))


def _fitting(image: np.ndarray, shape: tuple[int, ...], path: str) -> np.ndarray:
    """(n,) numbers of an image."""
    if image.shape != shape:
        sizes = (" x ".join(map(str, size)) for size in (image.shape, shape))
        raise UserError(f"{path} has {next(sizes)} voxels (ZYX), and other images of the field {next(sizes)}")
    return image.reshape(-1)


def _column(column: Column, stem: str, end: str, shape: tuple[int, ...], flat: bool) -> np.ndarray:
    """(n, ...) of a column, ZYX; vectors have no z in two dimensions."""
    result = np.zeros((math.prod(shape), max(math.prod(column.components.shape), 1)))
    names = views.names_of(column, flat)
    for place, name in enumerate(names, result.shape[1] - len(names)):
        path = f"{stem}-{name}{end}"
        result[:, place] = _fitting(_image(path), shape, path)
    unfit = schema.unfit(result, np.dtype(column.dtype))
    if unfit:
        raise UserError(f"{stem}-{names[0]}{end}, node {unfit[0]}: {unfit[1].removeprefix('is ')}")
    return result.reshape(-1, *column.components.shape).astype(column.dtype)


def _family(known: dict[str, np.ndarray], finite: np.ndarray) -> Family:
    """Images show the displacement of measured rows alone: which status is one tells the family."""
    whole = "return_status" in known and ((known["return_status"] == 1) & finite).any()
    return Family.SEARCH if "CC" in known or whole else Family.REGISTRATION
