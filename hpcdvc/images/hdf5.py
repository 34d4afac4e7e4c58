"""Volumes in HDF5 and NeXus files."""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images.volume import VolumeInfo, make_info


def _attribute(node, name: str) -> str | None:
    """A text attribute, however it was stored."""
    value = node.attrs.get(name)
    if isinstance(value, np.ndarray):
        value = value.ravel()[0] if value.size else None
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _signal(group):
    """The dataset that an NXdata group is about, or None."""
    import h5py

    name = _attribute(group, "signal")
    found = group.get(name) if isinstance(name, str) else None
    return found if isinstance(found, h5py.Dataset) and found.ndim in (2, 3) else None


def _find(group, spec: str):
    """The image in a file or group: NeXus' default plot, else the only signal, 3-D dataset or 2-D dataset in it."""
    import h5py

    node = group
    while isinstance(node, h5py.Group) and isinstance(_attribute(node, "default"), str):
        node = node.get(_attribute(node, "default"))
    if isinstance(node, h5py.Group) and _signal(node) is not None:
        return _signal(node)
    signals, arrays = [], {2: [], 3: []}

    def visit(_name, item):
        if isinstance(item, h5py.Dataset):
            if item.ndim in arrays and item.dtype.kind in "biufc":
                arrays[item.ndim].append(item)
        elif _attribute(item, "NX_class") == "NXdata" and _signal(item) not in [None, *signals]:
            signals.append(_signal(item))

    group.visititems(visit)
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

    node = file.get(name or "/")
    if node is None:
        raise UserError(f"{spec}: there is no dataset {name} in {file.filename}")
    return _find(node, spec) if isinstance(node, h5py.Group) else node


def describe(spec: str, path: str, name: str | None) -> VolumeInfo:
    """Header of a dataset; see `hpcdvc.images.describe`."""
    import h5py

    with h5py.File(path, "r") as file:
        data = _dataset(file, spec, name)
        if not isinstance(data, h5py.Dataset) or data.shape is None:
            raise UserError(f"{spec} is no dataset of numbers")
        in_one_block = data.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
        offset = data.id.get_offset() if in_one_block else None
        return make_info(spec, path, data.shape, data.dtype, "hdf5", offset, data.name)


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx).

    Of a chunked dataset: the layers of chunks that begin there, so that no chunk is decompressed by two ranks.
    """
    import h5py

    with h5py.File(info.path, "r") as file:
        data = file[info.dataset]
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
