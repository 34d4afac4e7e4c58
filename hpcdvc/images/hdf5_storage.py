"""Where the voxels of an HDF5 dataset are, and that all of them are there.

HDF5 reads what is nowhere, chunks that were never written or a source of a virtual dataset that has moved, as a fill
value, and says nothing.
"""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib import import_module

from hpcdvc.errors import UserError, quoted
from hpcdvc.images.files import check_size, is_regular, is_within
from hpcdvc.images.hdf5_links import find_file, follow
from hpcdvc.images.hdf5_numbers import is_read_rightly
from hpcdvc.images.volume import header_seconds, reading

#: Filters by their registered numbers; those of `PLUGGED` come with the package hdf5plugin.
FILTERS = {
    4: "szip",
    307: "bzip2",
    32000: "LZF",
    32001: "Blosc",
    32004: "LZ4",
    32008: "bitshuffle",
    32013: "ZFP",
    32015: "Zstandard",
    32017: "SZ",
    32018: "FCIDECOMP",
    32024: "SZ3",
    32026: "Blosc2",
    32028: "SPERR",
}
PLUGGED = FILTERS.keys() - {4, 32000}

#: Whether datasets may have been made and not written yet.
_planned = ContextVar("planned", default=False)


@contextmanager
def planned() -> Iterator[None]:
    """Take datasets that were made, but never written, for what they are to be: of a scan that is still to come."""
    token = _planned.set(True)
    try:
        yield
    finally:
        _planned.reset(token)


def is_planned() -> bool:
    """Whether it is so."""
    return _planned.get()


def load_filters(data, spec: str) -> None:
    """Make sure that a dataset can be decompressed in this process.

    Parameters
    ----------
    data : h5py.Dataset
    spec : the volume, for messages

    Raises
    ------
    UserError
        A filter is not there, by its name, and what helps.
    """
    missing = _missing_filters(data)
    if missing or data.is_virtual:  # whose sources may be compressed
        with suppress(ImportError):
            import_module("hdf5plugin")  # registers its filters
            missing = _missing_filters(data)
    for number, stored in missing:
        name = FILTERS.get(number) or stored.split(";")[0] or "an unknown filter"
        way = (
            "try `pip install hdf5plugin`"
            if number in PLUGGED
            else "HDF5_PLUGIN_PATH must name the folder of its plugin"
        )
        raise UserError(f"{spec} is compressed with {name} (HDF5 filter {number}), which is not installed here: {way}")


def _missing_filters(data) -> list[tuple[int, str]]:
    """Number and name of filters that HDF5 does not find."""
    from h5py import h5z

    plist = data.id.get_create_plist()
    used = [plist.get_filter(k) for k in range(plist.get_nfilters())]
    return [(code, name.decode(errors="replace")) for code, _, _, name in used if not h5z.filter_avail(code)]


def files_of(data, spec: str, within: tuple = ()) -> tuple[str, ...]:
    """The files that hold the voxels of a dataset, its own first; every voxel has been found.

    Parameters
    ----------
    data : h5py.Dataset
    spec : the volume, for messages
    within : the virtual datasets that have led here

    Raises
    ------
    UserError
        Voxels are missing, cannot be decompressed, or lie where nothing is read from; the sentence says which.
    """
    from h5py import h5d

    own, layout = data.file.filename, data.id.get_create_plist().get_layout()
    if layout == h5d.VIRTUAL:
        if data in within:
            raise UserError(f"{spec} is damaged: the virtual dataset {data.name} in {own} is made of itself")
        return (own, *_sources(data, spec, (*within, data)))
    with reading(spec, header_seconds(own)):
        if layout == h5d.CHUNKED:
            _check_chunks(data, spec)
        return (own, *(_raw_files(data, spec) if layout == h5d.CONTIGUOUS and data.size else ()))


def _check_chunks(data, spec: str) -> None:
    """Refuse a dataset whose chunks are not all there, or do not fit in their file."""
    load_filters(data, spec)
    own, wanted = (
        data.file.filename,
        math.prod(-(-n // chunk) for n, chunk in zip(data.shape, data.chunks, strict=True)),
    )
    written = data.id.get_num_chunks()
    if written < wanted and is_planned():
        return
    if written < wanted:
        raise UserError(
            f"{spec} is not whole: only {written} of the {wanted} chunks of {data.name} in {own} were ever written"
        )
    word = data.id.get_type().get_size()
    check_size(spec, math.prod(data.chunks) * word, (own,))
    claimed, size = data.size * word, os.path.getsize(own)
    if claimed > size and not data.id.get_create_plist().get_nfilters():
        raise UserError(f"{spec} is damaged: {own} has {size} bytes, its header asks for {claimed}")


def external_folder(data) -> str | None:
    """The folder of the external files of a dataset, that of its own file by default; None if it has none."""
    if not data.id.get_create_plist().get_external_count():
        return None
    beside = os.path.dirname(data.file.filename)
    named = os.environ.get("HDF5_EXTFILE_PREFIX", "")
    return named.replace("${ORIGIN}", os.path.abspath(beside)) if named else beside


def _raw_files(data, spec: str) -> list[str]:
    """Files beside the HDF5 file that hold the voxels of a contiguous dataset; none if they stand in itself."""
    own, how = data.file.filename, data.id.get_create_plist()
    folder, rest = external_folder(data), data.size * data.id.get_type().get_size()
    if folder is None:
        offset = data.id.get_offset()
        if offset is None and is_planned():
            return []
        if offset is None:
            raise UserError(f"{spec} is not whole: {data.name} in {own} was made, but never written")
        end, size = offset + rest, os.path.getsize(own)
        if end > size:
            raise UserError(f"{spec} is truncated: {own} has {size} bytes, its header asks for {end}")
        return []
    paths = []
    for k in range(how.get_external_count()):
        name, offset, size = how.get_external(k)
        path, part = os.path.join(folder, os.fsdecode(name)), min(size, rest)
        if not is_within(path, folder):
            raise UserError(
                f"{spec} takes its voxels from {quoted(os.fsdecode(name))}, which is not in the folder of {own}"
            )
        if not is_regular(path, spec) or os.path.getsize(path) < offset + part:
            raise UserError(f"{spec} is not whole: {path}, which holds its voxels, is not there or too short")
        paths.append(path)
        rest -= part
    return paths


def _sources(data, spec: str, within: tuple) -> list[str]:
    """Files of the sources of a virtual dataset, each of which is whole."""
    found, covered = {}, {}
    with reading(spec, header_seconds(data.file.filename)):
        mapped = data.virtual_sources()
    for target, file_name, name, source in mapped:
        if "%b" in file_name or "%b" in name:
            raise UserError(f"{spec} is a virtual dataset of numbered sources, {file_name}:{name}: copy it to one file")
        key = (file_name.replace("%%", "%"), name.replace("%%", "%"))
        if key not in found:
            found[key] = _source(data, *key, spec, within)
        if found[key]:
            shape, _ = found[key]
            place, count = (key, math.prod(shape)) if _grows(target) else _extent(target, data.shape)
            if not _is_inside(source, shape, count):
                what = f"{':'.join(key)}, its source, has shape {shape}, not what is mapped"
                raise UserError(f"{spec} is not whole: {what}")
            covered[place] = count  # a part that is mapped twice counts once
    absent = [":".join(key) for key, source in found.items() if source is None]
    if absent:
        count = f"{len(absent)} of its {len(found)} sources are missing, {absent[0]}" + " first" * (len(absent) > 1)
        raise UserError(f"{spec} is not whole, a virtual dataset: {count}")
    if sum(covered.values()) < data.size:
        raise UserError(f"{spec} is not whole: parts of the virtual dataset {data.name} have no source")
    return list(dict.fromkeys(path for _, paths in found.values() for path in paths))


def _source(
    data, file_name: str, name: str, spec: str, within: tuple
) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """Shape of a source of a virtual dataset, and the files that hold it; None if it is not there."""
    import h5py

    path = find_file(data.file.filename, file_name, "HDF5_VDS_PREFIX", spec)
    if path is None:
        return None
    with reading(spec, header_seconds(path)):
        part = follow(h5py.File(path, "r")["/"], name, spec)
        if not isinstance(part, h5py.Dataset):
            return None
        if external_folder(part) is not None or not is_read_rightly(part, data):
            what = f"{path}:{name}, whose numbers cannot be read from there"
            raise UserError(f"{spec} is a virtual dataset of {what}: copy it to one file")
    return part.shape, files_of(part, spec, within)


def _grows(space) -> bool:
    """Whether a part of a virtual dataset has no end of its own, but that of its source."""
    from h5py import h5s

    if space.get_select_type() != h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        return False
    _, _, count, block = space.get_regular_hyperslab()
    return h5s.UNLIMITED in (*count, *block)


def _is_all(space) -> bool:
    """Whether a part is the whole dataset; its shape is not kept then."""
    from h5py import h5s

    return space.get_select_type() == h5s.SEL_ALL


def _extent(space, shape: tuple[int, ...]) -> tuple[tuple, int]:
    """First and last voxel of a part of a dataset, and how many it has."""
    if _is_all(space):
        return ((0,) * len(shape), tuple(n - 1 for n in shape)), math.prod(shape)
    return space.get_select_bounds(), space.get_select_npoints()


def _is_inside(space, shape: tuple[int, ...], count: int) -> bool:
    """Whether what is selected of a source of some shape is there; of all of it, whether it has so many voxels."""
    if _grows(space):
        return True
    if _is_all(space):
        return math.prod(shape) == count
    _, last = space.get_select_bounds()
    return len(last) == len(shape) and all(k < n for k, n in zip(last, shape, strict=True))
