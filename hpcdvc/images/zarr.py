"""Volumes in Zarr stores, folders of chunks, by the package zarr (versions 2 and 3 of the format).

Zarr reads a chunk that is not there as its fill value, and says nothing: here it is counted, and said or refused.
"""

import itertools
import math
import os
from collections.abc import Iterator

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.files import check_size, is_regular, is_within
from hpcdvc.images.volume import HEADER_SECONDS, VolumeInfo, make_info, split_index

#: Files that make a folder a store: an array or a group of version 2, or either of version 3.
MARKS = (".zarray", ".zgroup", "zarr.json")
#: Files that are looked at in a second, at least.
FILE_RATE = 1000


def is_zarr(path: str) -> bool:
    """Whether a folder is a store."""
    return any(os.path.isfile(os.path.join(path, name)) for name in MARKS)


def header_seconds(path: str) -> float:
    """Seconds of CPU time that a look at a store may take."""
    return HEADER_SECONDS + sum(len(names) for _, _, names in os.walk(path)) / FILE_RATE


def _package(spec: str):
    try:
        import zarr
    except ImportError:
        raise UserError(
            f"{spec} is a Zarr store, which the package zarr reads: try `pip install zarr`, or hpcdvc[formats]"
        ) from None
    return zarr


def describe(spec: str, path: str, name: str | None) -> VolumeInfo:
    """Header of an array; see `hpcdvc.images.describe`.

    Parameters
    ----------
    spec, path : as the user named it, and the folder
    name : ``/array``, ``/array[0]`` or ``[0]``; None: the only array, or that of full resolution in OME-Zarr
    """
    zarr = _package(spec)
    plain, index = split_index(name or "")
    node = zarr.open(path, mode="r")
    for part in filter(None, plain.split("/")):
        if isinstance(node, zarr.Array) or part not in node:
            raise UserError(f"{spec}: there is no array {plain} in {path}")
        node = node[part]
    array = node if isinstance(node, zarr.Array) else _only(node, zarr, spec)
    return _header(array, spec, path, os.path.join(path, array.path), index)


def _only(group, zarr, spec: str):
    """The array that a group is about."""
    described = dict(group.attrs)
    scales = described.get("multiscales", described.get("ome", {}).get("multiscales"))
    try:
        return group[scales[0]["datasets"][0]["path"]]
    except (TypeError, KeyError, IndexError):
        pass
    found = list(_arrays(group, zarr))
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(sorted(f"/{array.path}" for array in found)[:8])
        raise UserError(f"{spec} holds several arrays, name one of them (folder.zarr:/path): {names}")
    raise UserError(f"{spec} holds no array")


def _arrays(group, zarr) -> Iterator:
    for _, member in sorted(group.members()):
        if isinstance(member, zarr.Array):
            yield member
        else:
            yield from _arrays(member, zarr)


def _header(array, spec: str, path: str, folder: str, index: tuple[int, ...]) -> VolumeInfo:
    """Shape and type of an array, all of whose chunks are there or declared."""
    grid = array.shards or array.chunks
    files = tuple(_files(spec, path, folder))
    check_size(spec, math.prod(array.shape) * array.dtype.itemsize, files)
    notes = _missing(array, spec, folder, grid)
    name = f"/{array.path}" if array.path else None
    depth = grid[-3] if array.ndim - len(index) >= 3 else 1
    return make_info(
        spec, path, array.shape, np.dtype(array.dtype), "zarr", dataset=name, files=files, notes=notes, depth=depth,
        index=index,
    )  # fmt: skip


def _files(spec: str, store: str, folder: str) -> Iterator[str]:
    """All files of an array, in order.

    Raises
    ------
    UserError
        One is a pipe or a device, or a link leads out of the store.
    """
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names + folders):
            path = os.path.join(place, name)
            if os.path.islink(path) and not is_within(path, store):
                raise UserError(f"{spec}: {path} leads out of the store")
            if is_regular(path, spec):
                yield path


def _missing(array, spec: str, folder: str, grid: tuple[int, ...]) -> tuple[str, ...]:
    """What is to be said about chunks that are not there; UserError where nothing declares what they hold."""
    numbers = itertools.product(*(range(-(-size // step)) for size, step in zip(array.shape, grid, strict=True)))
    inside = math.prod(-(-step // chunk) for step, chunk in zip(grid, array.chunks, strict=True))
    count = missing = 0
    for number in numbers:
        file = os.path.join(folder, array.metadata.encode_chunk_key(number))
        count += inside
        missing += (_missing_in_shard(file, inside) if inside > 1 else 0) if os.path.isfile(file) else inside
    if not missing:
        return ()
    words = f"{missing} of its {count} chunks {'is' if missing == 1 else 'are'} not there"
    if array.fill_value is None:
        raise UserError(f"{spec} is not whole: {words}, and no fill_value says what they hold")
    return (f"{words}, their voxels are taken to be {array.fill_value}, its fill_value",)


def _missing_in_shard(file: str, count: int) -> int:
    """Chunks of a shard that are not there, by the index at its end: offset and size of each, and a checksum."""
    with open(file, "rb") as shard:
        shard.seek(max(os.path.getsize(file) - 16 * count - 4, 0))
        index = np.frombuffer(shard.read(16 * count), "<u8")
    return int(np.count_nonzero(index[::2] == 2**64 - 1))


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx): the layers of chunks that begin there."""
    node = _package(info.spec).open(info.path, mode="r")
    array = node if info.dataset is None else node[info.dataset.strip("/")]
    if array.ndim - len(info.index) == 2:
        if start == 0 < stop:
            volume[0] = array[info.index]
        return
    lead = (*info.index, *(0,) * (array.ndim - 3 - len(info.index)))
    for k in range(-(-start // info.depth) * info.depth, stop, info.depth):
        volume[k : k + info.depth] = array[(*lead, slice(k, min(k + info.depth, len(volume))))]
