"""A folder of slices: one TIFF file each, in alphabetical order."""

import logging
import os
import re

import numpy as np

import hpcdvc.images.tiff as tiff
from hpcdvc.errors import UserError
from hpcdvc.images.volume import VolumeInfo, make_info, reading, slice_paths

log = logging.getLogger(__name__)


def _number_order(path: str) -> list:
    parts = re.split(r"(\d+)", os.path.basename(path))  # every second part is a number
    return [int(part) if k % 2 else part for k, part in enumerate(parts)]


def _describe_slice(path: str) -> VolumeInfo:
    with reading(path):
        return tiff.describe(path, path, ome=False)


def describe(spec: str, path: str) -> VolumeInfo:
    """Header of a folder of slices; see `hpcdvc.images.describe`."""
    paths = slice_paths(path)
    if not paths:
        raise UserError(f"{spec} is a folder without .tif slices")
    if paths != sorted(paths, key=_number_order):
        log.warning("%s: slices are taken in alphabetical order; fill up their numbers with zeros", spec)
    first, *others = map(_describe_slice, paths)
    if not first.two_dimensional:
        raise UserError(
            f"{first.spec} is a volume of {first.shape[0]} slices in a folder of slices: give the file itself"
        )
    for other in others:
        if (other.shape, other.dtype) != (first.shape, first.dtype):
            raise UserError(
                f"slice {other.spec} has shape {other.shape} and type {other.dtype}, "
                f"but {first.spec} has {first.shape} and {first.dtype}"
            )
    return make_info(spec, path, (len(paths), *first.shape[1:]), first.dtype, "slices")


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx)."""
    paths = slice_paths(info.path)
    if len(paths) != info.shape[0]:
        raise UserError(f"{info.spec} had {info.shape[0]} slices and now has {len(paths)}")
    for k in range(start, stop):
        with reading(paths[k]):
            tiff.read_slices(paths[k], volume[k : k + 1], 0, 1, ome=False)
