"""Volumes in Zarr stores, folders of chunks, by the package zarr (versions 2 and 3 of the format).

Zarr reads a chunk that is not there as its fill value, and says nothing, whether it was left out or got lost: as in
HDF5, all of them have to be there.
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
    """Shape and type of an array, all of whose chunks are there."""
    files = tuple(_files(spec, path, folder))
    check_size(spec, math.prod(array.shape) * array.dtype.itemsize, files)
    _check_chunks(array, spec, folder)
    name = f"/{array.path}" if array.path else None
    depth = _grid(array)[-3] if array.ndim - len(index) >= 3 else 1
    return make_info(
        spec, path, array.shape, np.dtype(array.dtype), "zarr", dataset=name, files=files, depth=depth, index=index
    )


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


def _grid(array) -> tuple[int, ...]:
    """Voxels of what a file holds, along the axes: a chunk, or a shard of several."""
    return array.shards or array.chunks


def _check_chunks(array, spec: str, folder: str) -> None:
    """Refuse an array whose chunks are not all there, or are cut."""
    packed = not array.shards and array.compressors and type(array.compressors[-1]).__name__.startswith("Blosc")
    axes = tuple(zip(array.shape, _grid(array), array.chunks, strict=True))
    missing = 0
    for number in itertools.product(*(range(-(-size // step)) for size, step, _ in axes)):
        file = os.path.join(folder, array.metadata.encode_chunk_key(number))
        # a shard at the end of the array has places for chunks beyond it
        inside = [-(-min(step, size - k * step) // chunk) for k, (size, step, chunk) in zip(number, axes, strict=True)]
        if not os.path.isfile(file):
            missing += math.prod(inside)
        elif array.shards:
            missing += _missing_in_shard(file, array, inside)
        elif packed:
            _check_blosc(spec, file)
    if missing:
        count = math.prod(-(-size // chunk) for size, _, chunk in axes)
        raise UserError(
            f"{spec} is not whole: {missing} of its {count} chunks {'is' if missing == 1 else 'are'} not there; where "
            "they were left out because nothing but the fill value is in them, save it anew with write_empty_chunks"
        )


def _check_blosc(spec: str, file: str) -> None:
    """Refuse a chunk of Blosc that is shorter than its header says (bytes 12 to 15): Blosc reads on beyond its end."""
    with open(file, "rb") as chunk:
        header = chunk.read(16)
    asked = int.from_bytes(header[12:], "little")
    if len(header) < 16 or os.path.getsize(file) < asked:
        raise UserError(f"{spec} is truncated: {file} has {os.path.getsize(file)} bytes, its header asks for {asked}")


def _missing_in_shard(file: str, array, inside: list[int]) -> int:
    """Chunks of a shard that are not there, by its index: offset and size of each, all bits 1 where there is none.

    Parameters
    ----------
    file : the shard
    array : that it belongs to
    inside : its chunks along the axes that have voxels of the array
    """
    codec = array.metadata.codecs[0]
    places = [step // chunk for step, chunk in zip(array.shards, array.chunks, strict=True)]
    count = 16 * math.prod(places)
    checksum = 4 * (len(codec.index_codecs) - 1)  # behind the bytes of the index comes crc32c, or nothing
    with open(file, "rb") as shard:
        if codec.index_location.value == "end":
            shard.seek(max(os.path.getsize(file) - count - checksum, 0))
        index = np.frombuffer(shard.read(count), "u8").reshape(*places, 2)
    return int(np.count_nonzero(index[(*map(slice, inside), 0)] == 2**64 - 1))


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
