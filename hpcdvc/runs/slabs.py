"""Images made by all ranks slab by slab: slabs dealt out, written by offset, and gone on with after a kill."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from hpcdvc.output.slab_file import ImageWriter, SlabFile
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.points import measure_points
from hpcdvc.runs.shards import Shards

#: A slab that is in the files: its number, the checksum of its planes in all arrays, and sums over its voxels.
SLAB = np.dtype([("index", "<i8"), ("checksum", "<u8"), ("sums", "<f8", (3,))], align=True)
#: Most voxels per slab: what bounds the memory of a rank.
VOXELS = 2**25

#: From planes first to last - 1: for each, the plane of every array of all files, and three sums over its voxels.
Maker = Callable[[int, int], Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]]


def slab_depth(shape: tuple[int, int, int], layer: int) -> int:
    """Planes per slab: `layer` of them, fewer where these are very large; never a matter of the number of ranks."""
    while layer > 1 and layer * shape[1] * shape[2] > VOXELS:
        layer //= 2
    return layer


def write_slabs(
    team,
    images: list[SlabFile],
    depth: int,
    make: Maker,
    seconds_per_slab: float,
    checkpoint: Checkpoint,
    quiet: bool = False,
    finish: Callable[[list[tuple[str, Any]]], None] | None = None,
) -> np.ndarray:
    """Make files slab by slab, on all ranks. Collective.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    images : of as many planes each; nothing is there under their final names that is not to be overwritten
    depth : planes per slab
    make : gives the planes of a slab
    seconds_per_slab : rough cost
    checkpoint : of rows of `SLAB`; the shards are left to the caller
    quiet : show no progress
    finish : called on all ranks when all slabs are in the files, with these and their offsets, before they get their
        names: it may add what is made of all planes, and may be called again after a kill

    Returns
    -------
    (3,) array
        The sums over all voxels, the same for any number of ranks; zeros on ranks above 0.

    Raises
    ------
    Unfinished
        On every rank, when the run was asked to leave; what is in the files will be used by the next run.
    RunError
        On every rank, when the files cannot be created or written.
    """
    planes = images[0].planes
    slabs = -(-planes // depth)
    places, earlier = team.agree(lambda: _begin(images, checkpoint.shards))
    writers = team.agree_all(
        lambda: [writer for image, place in zip(images, places, strict=True) for writer in image.writers(place)]
    )
    earlier = _intact(team, earlier, lambda row: _is_intact(row, depth, planes, writers))
    write = partial(_written, depth, planes, make, writers)
    rows = measure_points(team, slabs, write, seconds_per_slab, checkpoint, quiet, earlier)
    team.agree_all(lambda: [writer.close() for writer in writers])
    rows, _ = team.collect(rows, slabs)
    if finish is not None:
        team.barrier()
        finish(places)
        team.barrier()  # the files are renamed next
    team.agree(lambda: [image.settle(path) for image, (path, _) in zip(images, places, strict=True)])
    return rows["sums"].sum(axis=0)


def _begin(images: list[SlabFile], shards: Shards) -> tuple[list[tuple[str, Any]], np.ndarray]:
    """Files and offsets, and the slabs that are in them, on one rank: those of an earlier run, or new ones."""
    rows = shards.load()
    places = [image.begun() for image in images] if len(rows) else [None]
    if None in places:
        return [image.create() for image in images], rows[:0]
    return places, rows


def _intact(team, rows: np.ndarray, is_intact: Callable[[np.void], bool]) -> np.ndarray:
    """Those slabs of an earlier run that are still in the files as they were written, on rank 0. Collective.

    A machine that crashed may have kept a row and lost what it is about.
    """
    start, stop = team.spans(len(rows))
    mine = team.agree_all(lambda: [is_intact(row) for row in rows[start:stop]])
    kept = np.array(sum(team.all_gather(mine), []), bool)
    return rows[kept] if team.rank == 0 else rows[:0]


def _is_intact(row: np.void, depth: int, planes: int, writers: list[ImageWriter]) -> bool:
    stored = [writer.stored(z) for writer in writers for z in _planes(row, depth, planes)]
    return None not in stored and sum(stored) % 2**64 == int(row["checksum"])


def _written(depth: int, planes: int, make: Maker, writers: list[ImageWriter], numbers: np.ndarray) -> np.ndarray:
    """Rows of slabs that are made and written."""
    rows = np.zeros(len(numbers), SLAB)
    rows["index"] = numbers
    for row in rows:
        _write_slab(row, depth, planes, make, writers)
    return rows


def _write_slab(row: np.void, depth: int, planes: int, make: Maker, writers: list[ImageWriter]) -> None:
    """Make one slab, write it, and fill in its row."""
    numbers = _planes(row, depth, planes)
    checksums = 0
    for z, (arrays, sums) in zip(numbers, make(numbers.start, numbers.stop), strict=True):
        checksums += sum(writer.write(z, plane) for writer, plane in zip(writers, arrays, strict=True))
        row["sums"] += sums
    row["checksum"] = np.uint64(checksums % 2**64)


def _planes(row: np.void, depth: int, planes: int) -> range:
    first = int(row["index"]) * depth
    return range(first, min(first + depth, planes))
