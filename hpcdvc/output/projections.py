"""Dense results of a tomographic scan as one stack of projections a map, as programs for tomography read them."""

import h5py
import numpy as np

from hpcdvc.output.transports import put_text
from hpcdvc.output.voxel_size import TWIN, TWINS

#: Components of `displacement` that are stacks of their own.
COMPONENTS = {"Xdisp": 0, "Ydisp": 1}


def add_projections(file: h5py.File) -> None:
    """Add `/entry/<map>/data`, (projections, rows, columns), for every array of a dense result, which takes no room.

    Scalars are the arrays themselves under a second name, components of the displacement virtual datasets. Each is the
    signal of an NXdata group.

    Parameters
    ----------
    file : laid out, not filled yet
    """
    entry = _group(file, "entry", "NXentry")
    arrays = file["VTKHDF/CellData"]
    for name, dataset in arrays.items():
        if name in TWINS:
            continue
        dataset = arrays.get(name + TWIN, dataset)  # programs that reconstruct count pixels
        if dataset.ndim == 3:
            _data(entry, name)["data"] = dataset
            continue
        for part, component in COMPONENTS.items():
            _part(_data(entry, part + name.removeprefix("displacement")), dataset, component)


def _group(parent: h5py.Group, name: str, kind: str) -> h5py.Group:
    group = parent.create_group(name)
    put_text(group, "NX_class", kind)
    return group


def _data(entry: h5py.Group, name: str) -> h5py.Group:
    group = _group(entry, name, "NXdata")
    put_text(group, "signal", "data")
    return group


def _part(group: h5py.Group, dataset: h5py.Dataset, component: int) -> None:
    """One component of vectors, as a dataset that is read from these."""
    shape = dataset.shape[:3]
    how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    how.set_obj_track_times(False)
    how.set_fill_value(np.array(np.nan, dataset.dtype))
    source = dataset.id.get_space()
    source.select_hyperslab((0, 0, 0, component), (*shape, 1))
    space = h5py.h5s.create_simple(shape)
    how.set_virtual(space, b".", dataset.name.encode(), source)
    h5py.h5d.create(group.id, b"data", dataset.id.get_type(), space, how)
