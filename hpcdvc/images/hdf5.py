"""Volumes in HDF5 and NeXus files."""

import os
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.hdf5_storage import block_offset, files_of, load_filters
from hpcdvc.images.volume import VolumeInfo, make_info


def _attribute(node, name: str) -> str | None:
    """A text attribute, however it was stored."""
    value = node.attrs.get(name)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else None
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _is_image(item) -> bool:
    """Whether it is a 2-D or 3-D dataset of numbers."""
    import h5py

    if not isinstance(item, h5py.Dataset) or item.ndim not in (2, 3):
        return False
    try:
        return item.dtype.kind in "biufc"
    except TypeError:  # a type that numpy has not
        return True


def _follow(group, name: str):
    """What a name in a group leads to; None if nowhere."""
    try:
        return group[name]
    except (KeyError, OSError):
        return None


def _link(group, name: str) -> str:
    """Where a link of a group that leads nowhere points to."""
    from h5py import h5l

    links, word = group.id.links, os.fsencode(name)
    if links.get_info(word).type == h5l.TYPE_EXTERNAL:
        return ":".join(part.decode(errors="replace") for part in links.get_val(word))
    return links.get_val(word).decode(errors="replace")


def _broken(group, name: str, spec: str) -> UserError:
    place = f"{group.file.filename}:{group.name.rstrip('/')}/{name}"
    return UserError(f"{spec}: {place} is a link to {_link(group, name)}, which is not there or cannot be read")


def _signal(group, spec: str):
    """The dataset that an NXdata group is about, or None."""
    name = _attribute(group, "signal")
    if not isinstance(name, str) or name not in list(group):
        return None
    found = _follow(group, name)
    if found is None:
        raise _broken(group, name, spec)
    return found if _is_image(found) else None


def _all_items(group, spec: str) -> Iterator:
    """All groups and datasets below a group, links followed, each once."""
    import h5py

    seen, waiting = {group}, [group]
    for parent in waiting:
        # what stands here goes before what is only linked
        for name in sorted(parent, key=lambda name: parent.id.links.get_info(os.fsencode(name)).type):
            item = _follow(parent, name)
            if item is None:
                raise _broken(parent, name, f"{spec}: name the image (file.h5:/path)")
            if item not in seen:
                seen.add(item)
                yield item
                if isinstance(item, h5py.Group):
                    waiting.append(item)


def _find(group, spec: str):
    """The image in a file or group: NeXus' default plot, else the only signal, 3-D dataset or 2-D dataset in it."""
    import h5py

    node = group
    while isinstance(node, h5py.Group) and isinstance(_attribute(node, "default"), str):
        node = _follow(node, _attribute(node, "default"))
    if isinstance(node, h5py.Group) and _signal(node, spec) is not None:
        return _signal(node, spec)
    signals, arrays = [], {2: [], 3: []}
    for item in _all_items(group, spec):
        if _is_image(item):
            arrays[item.ndim].append(item)
        elif isinstance(item, h5py.Group) and _attribute(item, "NX_class") == "NXdata":
            signal = _signal(item, spec)
            signals += [signal] if signal not in [None, *signals] else []
    for candidates in (signals, arrays[3], arrays[2]):
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
        found = _follow(node, part)
        if found is None:
            raise _broken(node, part, spec)
        node = found
    return _find(node, spec) if isinstance(node, h5py.Group) else node


def describe(spec: str, path: str, name: str | None) -> VolumeInfo:
    """Header of a dataset; see `hpcdvc.images.describe`."""
    import h5py

    with h5py.File(path, "r") as file:
        data = _dataset(file, spec, name)
        if not isinstance(data, h5py.Dataset) or data.shape is None:
            raise UserError(f"{spec} is no dataset of numbers")
        try:
            stored, offset = data.dtype, block_offset(data)
        except TypeError as error:
            raise UserError(f"{spec} holds voxels of a type that cannot be read ({error}): convert it") from error
        info = make_info(spec, path, data.shape, stored, "hdf5", offset, data.name)
        # a file that is linked to holds the voxels, not the one that is named
        own, *others = files_of(data, spec)
        return replace(info, files=(path if os.path.samefile(path, own) else own, *others))


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx).

    Of a chunked dataset: the layers of chunks that begin there, so that no chunk is decompressed by two ranks.
    """
    import h5py

    with h5py.File(info.files[0], "r") as file:
        data = file[info.dataset]
        load_filters(data, info.spec)
        values = volume.view(data.dtype) if data.dtype == np.dtype(bool) else volume
        lead = (0,) * (data.ndim - 3)
        if data.ndim == 2:
            if start == 0 < stop:
                data.read_direct(values[0])
            return
        depth = data.chunks[-3] if data.chunks else stop - start
        first = -(-start // depth) * depth if data.chunks else start
        for k in range(first, stop, max(depth, 1)):
            layer = slice(k, min(k + depth, info.shape[0]))
            data.read_direct(values, (*lead, layer), (layer,))
