"""Where the voxels of an HDF5 dataset are, and that all of them are there.

HDF5 reads what is nowhere, chunks that were never written or a source of a virtual dataset that has moved, as a fill
value, and says nothing.
"""

import math
import os
from contextlib import suppress
from importlib import import_module

from hpcdvc.errors import UserError

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


def block_offset(data) -> int | None:
    """Where the voxels start in the file of a dataset, if they lie there as numpy would write them; else None."""
    from h5py import h5d, h5t

    how = data.id.get_create_plist()
    # words wider than their precision, or with their bits elsewhere, are no numbers of numpy
    alike = data.id.get_type() == h5t.py_create(data.dtype, logical=True)
    in_one_block = how.get_layout() == h5d.CONTIGUOUS and not how.get_external_count()
    return data.id.get_offset() if alike and in_one_block else None


def files_of(data, spec: str) -> tuple[str, ...]:
    """The files that hold the voxels of a dataset, its own first; every voxel has been found.

    Parameters
    ----------
    data : h5py.Dataset
    spec : the volume, for messages

    Raises
    ------
    UserError
        Voxels are missing, or cannot be decompressed; the sentence says what is missing.
    """
    from h5py import h5d

    own, layout = data.file.filename, data.id.get_create_plist().get_layout()
    if layout == h5d.VIRTUAL:
        return (own, *_sources(data, spec))
    if layout == h5d.CHUNKED:
        load_filters(data, spec)
        wanted = math.prod(-(-n // chunk) for n, chunk in zip(data.shape, data.chunks, strict=True))
        written = data.id.get_num_chunks()
        if written < wanted:
            raise UserError(
                f"{spec} is not whole: only {written} of the {wanted} chunks of {data.name} in {own} were ever written"
            )
    elif layout == h5d.CONTIGUOUS and data.size:
        return (own, *_raw_files(data, spec))
    return (own,)


def _raw_files(data, spec: str) -> list[str]:
    """Files beside the HDF5 file that hold the voxels of a contiguous dataset; none if they stand in itself."""
    own, how = data.file.filename, data.id.get_create_plist()
    if not how.get_external_count():
        offset = data.id.get_offset()
        if offset is None:
            raise UserError(f"{spec} is not whole: {data.name} in {own} was made, but never written")
        end, size = offset + data.size * data.id.get_type().get_size(), os.path.getsize(own)
        if end > size:
            raise UserError(f"{spec} is truncated: {own} has {size} bytes, its header asks for {end}")
        return []
    folder = os.environ.get("HDF5_EXTFILE_PREFIX", "").replace("${ORIGIN}", os.path.dirname(os.path.abspath(own)))
    paths, rest = [], data.size * data.id.get_type().get_size()
    for k in range(how.get_external_count()):
        name, offset, size = how.get_external(k)
        path, part = os.path.join(folder, os.fsdecode(name)), min(size, rest)
        if not os.path.isfile(path) or os.path.getsize(path) < offset + part:
            raise UserError(f"{spec} is not whole: {path}, which holds its voxels, is not there or too short")
        paths.append(path)
        rest -= part
    return paths


def _sources(data, spec: str) -> list[str]:
    """Files of the sources of a virtual dataset, each of which is whole."""
    found, covered = {}, {}
    for target, file_name, name, source in data.virtual_sources():
        if "%b" in file_name or "%b" in name:
            raise UserError(f"{spec} is a virtual dataset of numbered sources, {file_name}:{name}: copy it to one file")
        key = (file_name.replace("%%", "%"), name.replace("%%", "%"))
        if key not in found:
            found[key] = _source(data.file.filename, *key, spec)
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


def _source(own: str, file_name: str, name: str, spec: str) -> tuple[tuple[int, ...], tuple[str, ...]] | None:
    """Shape of a source of a virtual dataset in the file `own`, and the files that hold it; None if it is not there."""
    import h5py

    path = next((path for path in _places(own, file_name) if h5py.is_hdf5(path)), None)
    if path is None:
        return None
    with h5py.File(path, "r") as file:
        part = file.get(name)
        return (part.shape, files_of(part, spec)) if isinstance(part, h5py.Dataset) else None


def _places(own: str, name: str) -> list[str]:
    """Where HDF5 looks for a source of a virtual dataset in the file `own`, in this order."""
    if name == ".":
        return [own]
    last = os.path.basename(name) if os.path.isabs(name) else name
    prefixes = os.environ.get("HDF5_VDS_PREFIX", "").replace("${ORIGIN}", os.path.dirname(os.path.abspath(own)))
    folders = [*filter(None, prefixes.split(":")), os.path.dirname(own), "", os.path.dirname(os.path.realpath(own))]
    return [name] * os.path.isabs(name) + [os.path.join(folder, last) for folder in folders]


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
