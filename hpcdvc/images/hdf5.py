"""Volumes in HDF5 and NeXus files."""

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.files import is_within
from hpcdvc.images.hdf5_links import broken, follow
from hpcdvc.images.hdf5_numbers import block_offset, number_type, read_numbers
from hpcdvc.images.hdf5_storage import external_folder, files_of, load_filters
from hpcdvc.images.volume import VolumeInfo, header_seconds, make_info, reading, split_index


def _attribute(node, name: str) -> str | None:
    """A text attribute, however it was stored."""
    value = node.attrs.get(name)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else None
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _is_image(item) -> bool:
    """Whether it is a dataset of numbers in two or three dimensions, or in more."""
    import h5py

    if not isinstance(item, h5py.Dataset) or item.ndim < 2:
        return False
    try:
        return number_type(item).kind in "biufc"
    except TypeError:  # a type that numpy has not
        return True


def _signal(group, spec: str):
    """The dataset that an NXdata group is about, or None."""
    name = _attribute(group, "signal")
    if not isinstance(name, str) or name not in list(group):
        return None
    found = follow(group, name, spec)
    if found is None:
        raise broken(group, name, spec)
    return found if _is_image(found) else None


def _all_items(group, spec: str) -> Iterator:
    """All groups and datasets below a group, links followed, each once."""
    import h5py

    seen, waiting = {group}, [group]
    for parent in waiting:
        # what stands here goes before what is only linked
        for name in sorted(parent, key=lambda name: parent.id.links.get_info(os.fsencode(name)).type):
            item = follow(parent, name, spec)
            if item is None:
                raise broken(parent, name, f"{spec}: name the image (file.h5:/path)")
            if item not in seen:
                seen.add(item)
                yield item
                if isinstance(item, h5py.Group):
                    waiting.append(item)


def _is_mesh(group, spec: str) -> bool:
    """Whether it is what ParaView opens as a mesh or points: their numbers look like those of a 2-D image."""
    node = follow(group, "VTKHDF", spec) if "VTKHDF" in list(group) else None
    return node is not None and _attribute(node, "Type") == "UnstructuredGrid"


def _find(group, spec: str):
    """The image in a file or group: NeXus' default plot, else the only signal, 3-D dataset or 2-D dataset in it."""
    import h5py

    node, seen = group, set()
    while isinstance(node, h5py.Group) and isinstance(_attribute(node, "default"), str):
        if node in seen:
            raise UserError(f"{spec}: its attributes `default` lead in a circle, name the image (file.h5:/path)")
        seen.add(node)
        node = follow(node, _attribute(node, "default"), spec)
    if isinstance(node, h5py.Group) and _signal(node, spec) is not None:
        return _signal(node, spec)
    signals, arrays = [], {2: [], 3: [], 4: [], 5: []}
    for item in _all_items(group, spec):
        if _is_image(item):
            arrays[min(item.ndim, 5)].append(item)
        elif isinstance(item, h5py.Group) and _attribute(item, "NX_class") == "NXdata":
            signal = _signal(item, spec)
            signals += [signal] if signal not in [None, *signals] else []
    if not signals and not arrays[3] and _is_mesh(group, spec):
        raise UserError(f"{spec} holds a mesh or points, and no image")
    for candidates in (signals, arrays[3], arrays[2], arrays[4], arrays[5]):
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            names = ", ".join(sorted(item.name for item in candidates)[:8])
            raise UserError(f"{spec} holds several images, name one of them (file.h5:/path): {names}")
    raise UserError(f"{spec} holds no 2-D or 3-D dataset")


def _dataset(file, spec: str, name: str | None):
    """The dataset that the user means."""
    import h5py

    node = file["/"]
    for part in filter(None, (name or "").split("/")):
        if not isinstance(node, h5py.Group) or part not in list(node):
            raise UserError(f"{spec}: there is no dataset {name} in {file.filename}")
        found = follow(node, part, spec)
        if found is None:
            raise broken(node, part, spec)
        node = found
    return _find(node, spec) if isinstance(node, h5py.Group) else node


def _indexed(file, spec: str, name: str | None) -> tuple:
    """The same, and the index behind its name; a dataset whose own name ends in brackets goes before."""
    plain, index = split_index(name or "")
    if not index or plain and name in file:
        return _dataset(file, spec, name), ()
    return _dataset(file, spec, plain), index


def describe(spec: str, path: str, name: str | None) -> VolumeInfo:
    """Header of a dataset; see `hpcdvc.images.describe`."""
    import h5py

    with reading(spec, header_seconds(path)):
        file = h5py.File(path, "r")
    with file:
        with reading(spec, header_seconds(path)):
            data, index = _indexed(file, spec, name)
            info = _header(data, spec, path, index)
        # a file that is linked to holds the voxels, not the one that is named
        own, *others = files_of(data, spec)
        files = (path if os.path.samefile(path, own) else own, *others)
        return replace(info, files=files, notes=_notes(path, files, external_folder(data) is not None))


def _header(data, spec: str, path: str, index: tuple[int, ...]) -> VolumeInfo:
    """Shape and type of a dataset, and where it may be mapped."""
    import h5py

    if not isinstance(data, h5py.Dataset) or data.shape is None:
        raise UserError(f"{spec} is no dataset of numbers")
    depth = data.chunks[-3] if data.chunks and data.ndim - len(index) >= 3 else 1
    try:
        stored, offset = number_type(data), block_offset(data)
        return make_info(spec, path, data.shape, stored, "hdf5", offset, data.name, depth=depth, index=index)
    except TypeError as error:
        raise UserError(f"{spec} holds voxels of a type that cannot be read ({error}): convert it") from error


def _notes(path: str, files: tuple[str, ...], raw: bool) -> tuple[str, ...]:
    """That voxels are read from files beside an HDF5 file that are none, or from any that are elsewhere."""
    away = [other for other in files if raw or not is_within(other, os.path.dirname(os.path.abspath(path)))]
    away = [other for other in away if other != path]
    more = f" and {len(away) - 1} more" if len(away) > 1 else ""
    return (f"its voxels are read from {away[0]}{more}",) if away else ()


def _open(file, name: str):
    """A dataset, whose external files are looked for beside its own file, not in the working folder."""
    import h5py

    data = file[name]
    folder = external_folder(data)
    if folder is None:
        return data
    del data  # an open dataset keeps the folder that it was opened with
    access = h5py.h5p.create(h5py.h5p.DATASET_ACCESS)
    access.set_efile_prefix(os.fsencode(os.path.abspath(folder)))
    return h5py.Dataset(h5py.h5d.open(file.id, os.fsencode(name), access))


def fill_box(info: VolumeInfo, box: np.ndarray, start: tuple[int, int, int]) -> None:
    """Read the box (dz, dy, dx) of a dataset that begins at a voxel, ZYX."""
    import h5py

    with h5py.File(info.files[0], "r") as file:
        data = _open(file, info.dataset)
        load_filters(data, info.spec)
        read_numbers(data, (*_lead(info, data, 3), *start), box)


def _lead(info: VolumeInfo, data, axes: int) -> tuple[int, ...]:
    """Numbers along the axes before the last ones: the index, and 0 along those of length 1 behind it."""
    return (*info.index, *(0,) * (data.ndim - axes - len(info.index)))


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx).

    Of a chunked dataset: the layers of chunks that begin there, so that no chunk is decompressed by two ranks.
    """
    import h5py

    with h5py.File(info.files[0], "r") as file:
        data = _open(file, info.dataset)
        load_filters(data, info.spec)
        if data.ndim - len(info.index) == 2:
            if start == 0 < stop:
                read_numbers(data, info.index, volume[0])
            return
        if info.frames is not None:
            for k in range(start, stop):
                read_numbers(data, (*_lead(info, data, 4), *divmod(k, info.frames)), volume[k])
            return
        lead = _lead(info, data, 3)
        depth = data.chunks[-3] if data.chunks else stop - start
        first = -(-start // depth) * depth if data.chunks else start
        for k in range(first, stop, max(depth, 1)):
            read_numbers(data, (*lead, k), volume[k : min(k + depth, info.shape[0])])
