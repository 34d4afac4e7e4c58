"""The two ways into a volume: `describe` its header, `open_volume` its voxels."""

import mmap
import re
import sys
import weakref
from typing import TYPE_CHECKING

import numpy as np

import hpcdvc.images.block as block
import hpcdvc.images.fits as fits
import hpcdvc.images.hdf5 as hdf5
import hpcdvc.images.metaimage as metaimage
import hpcdvc.images.nifti as nifti
import hpcdvc.images.npy as npy
import hpcdvc.images.picture as picture
import hpcdvc.images.raw as raw
import hpcdvc.images.slices as slices
import hpcdvc.images.tiff as tiff
import hpcdvc.images.zarr as zarr
from hpcdvc.errors import RunError, UserError
from hpcdvc.images.files import check_size
from hpcdvc.images.hdf5_storage import is_planned
from hpcdvc.images.kinds import kind_of, split
from hpcdvc.images.raw import RawLayout
from hpcdvc.images.volume import (
    HEADER_SECONDS,
    SLOWEST,
    VolumeInfo,
    header_seconds,
    no_volume,
    reading,
    split_index,
)
from hpcdvc.kernels import guard

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

#: MAP_NORESERVE of Linux, which Python knows from 3.12 on: memory is not asked for before it is written.
_NO_RESERVE = 0x4000 if sys.platform == "linux" else 0
_FORMATS = {
    "tiff": tiff, "slices": slices, "hdf5": hdf5, "npy": npy, "fits": fits, "picture": picture, "zarr": zarr,
    "raw": block, "nifti": block, "metaimage": block,
}  # fmt: skip


def describe(
    spec: str, every_slice: bool = False, scan: bool = False, raw_layout: RawLayout | None = None
) -> VolumeInfo:
    """Read the header of a volume; the format is recognised by content.

    Parameters
    ----------
    spec
        A TIFF, HDF5/NeXus, FITS, NIfTI, MetaImage, PNG, JPEG, BMP, .npy or raw file, a Zarr store, a folder of slices
        (ordered by their number), ``file.h5:/path/of/dataset``, or ``file.fits[1]``. Without a path the NeXus default,
        or the only 3-D (else 2-D) dataset of the file is taken; without a number the first HDU, or where that is empty
        the only image. Numbers in brackets are those along the first axes: ``file.h5:/scan[3]``, ``file.nii[0,1]``,
        ``file.fits[1][0]``.
    every_slice
        Take every slice of a folder, also where numbers are missing or there are several series.
    scan
        Take a dataset of four dimensions as well, (projections, frames, rows, columns).
    raw_layout
        What raw files hold whose names do not say it.

    Returns
    -------
    VolumeInfo
        Shape (nz, ny, nx), native dtype, and where it may be memory-mapped. No voxel is read.

    Raises
    ------
    UserError
        The file is missing, unreadable, damaged, truncated, no grey image or volume, or of another number type, or some
        of its voxels are nowhere; one sentence that names it.
    """
    with reading(spec):
        info = _describe(spec, every_slice, raw_layout)
        if info.frames is not None and not scan:
            name = f"{info.path}[{info.dataset}]" if info.kind == "fits" else None
            raise no_volume(spec, (info.shape[0] // info.frames, info.frames, *info.shape[1:]), name)
        if not is_planned():
            check_size(spec, info.voxel_bytes, info.files)
        return info


def _describe(spec: str, every_slice: bool, told: RawLayout | None) -> VolumeInfo:
    """Header of a volume, whose size is not in question yet."""
    path, dataset = split(spec)
    kind = kind_of(spec, path, told)
    if kind in ("hdf5", "fits"):
        return _FORMATS[kind].describe(spec, path, dataset)
    if kind == "zarr":
        with reading(spec, zarr.header_seconds(path)):
            return zarr.describe(spec, path, dataset)
    index = split_index(dataset)[1] if dataset and dataset.startswith("[") else ()
    if dataset is not None and (not index or kind in ("slices", "picture")):
        if re.fullmatch(r"\[[-+0-9., ]*\]", dataset):
            words = "has no axes to choose along" if index else "takes whole numbers from 0 on in brackets"
            raise UserError(f"{spec}: {path} {words}")
        wanted, what = ("FITS", "HDU") if dataset.startswith("[") else ("HDF5", "dataset")
        raise UserError(f"{spec}: {path} is no {wanted} file, it has no {what} {dataset}")
    if kind == "slices":
        return slices.describe(spec, path, every_slice)
    if kind == "raw":
        return raw.describe(spec, path, index, told)
    if kind in ("nifti", "metaimage"):
        return {"nifti": nifti, "metaimage": metaimage}[kind].describe(spec, path, index)
    with reading(spec, header_seconds(path)):
        return picture.describe(spec, path) if kind == "picture" else _FORMATS[kind].describe(spec, path, index=index)


def _map(info: VolumeInfo) -> np.ndarray:
    """Memory map of a file; the page cache holds it once per node and loads what is touched."""
    with reading(info.spec):
        array = np.memmap(info.files[0], info.dtype, "r", info.offset, info.shape)
        known = guard.mapped(array.__array_interface__["data"][0], array.nbytes, info.spec)
        weakref.finalize(array._mmap, known.forget)  # the mapping, which all views of it keep alive
        return array.view(np.ndarray)


def _fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Decode slices start to stop into their place."""
    with reading(info.spec, HEADER_SECONDS + info.voxel_bytes / SLOWEST):
        if start < stop:
            _FORMATS[info.kind].fill(info, volume, start, stop)


def _decode(info: VolumeInfo, team: "Team | None") -> np.ndarray:
    """Volume in memory, each rank of the node having read its slab."""
    try:
        volume = np.empty(info.shape, info.dtype) if team is None else team.shared_array(info.shape, info.dtype)
    except (MemoryError, OSError) as error:
        raise RunError(f"not enough memory for the voxels of {info.spec}, {info.voxel_bytes / 1e6:.1f} MB") from error
    if team is None:
        _fill(info, volume, 0, len(volume))
    else:
        team.agree_all(lambda: _fill(info, volume, *team.node_span(len(volume))))
        team.node_barrier()
    return volume


def open_volume(info: VolumeInfo, team: "Team | None" = None) -> np.ndarray:
    """Open the voxels of a volume, one copy per node. All ranks call this together.

    Parameters
    ----------
    info
        From `describe`.
    team
        The ranks of this run; None when there is one process.

    Returns
    -------
    (nz, ny, nx) read-only C-contiguous array of native type
        A memory map where the file allows it, else decoded by the ranks of the node, each a slab.

    Raises
    ------
    UserError, RunError
        A rank cannot read its part: the same sentence on all ranks.
    """
    if info.offset is None:
        volume = _decode(info, team)
    else:
        volume = _map(info) if team is None else team.agree_all(lambda: _map(info))
    volume.flags.writeable = False
    return volume


def read_planes(info: VolumeInfo, start: int, stop: int) -> np.ndarray:
    """Some planes of a volume, by one rank for itself; the others take no memory.

    Parameters
    ----------
    info
        From `describe`.
    start, stop
        The first plane, and the first that is not wanted any more.

    Returns
    -------
    (stop - start, ny, nx) read-only array of native type
        A memory map where the file allows it, else decoded.

    Raises
    ------
    UserError, RunError
        They cannot be read.
    """
    if info.offset is not None:
        planes = _map(info)[start:stop]
    else:
        volume = _reserved(info)
        _fill(info, volume, max(start - info.depth + 1, 0), stop)
        planes = volume[start:stop]
    planes.flags.writeable = False
    return planes


def read_box(info: VolumeInfo, start: tuple[int, int, int], stop: tuple[int, int, int]) -> np.ndarray:
    """A box of a volume, by one rank for itself.

    Of a chunked dataset only the chunks that it meets are read, of other files that are not mapped whole planes.

    Parameters
    ----------
    info
        From `describe`.
    start, stop
        The first voxel, and the first behind the last, ZYX.

    Returns
    -------
    (dz, dy, dx) C-contiguous array of native type

    Raises
    ------
    UserError, RunError
        It cannot be read.
    """
    if info.kind == "hdf5" and info.offset is None and info.frames is None and not info.two_dimensional:
        box = np.empty(np.subtract(stop, start), info.dtype)
        with reading(info.spec, HEADER_SECONDS + box.nbytes / SLOWEST):
            hdf5.fill_box(info, box, start)
        return box
    planes = read_planes(info, start[0], stop[0])
    return np.ascontiguousarray(planes[:, start[1] : stop[1], start[2] : stop[2]])


def mapped_volume(info: VolumeInfo, scattered: bool = False) -> np.ndarray | None:
    """The voxels of a file, mapped; None where it must be decoded.

    Parameters
    ----------
    info
        From `describe`.
    scattered
        Single voxels here and there will be read: nothing is read ahead.
    """
    if info.offset is None:
        return None
    volume = _map(info)
    if scattered:
        volume.base._mmap.madvise(mmap.MADV_RANDOM)
    volume.flags.writeable = False
    return volume


def _reserved(info: VolumeInfo) -> np.ndarray:
    """Room for a volume in the address space: it takes memory where it is written, and gives it back with the array."""
    try:
        memory = mmap.mmap(-1, info.voxel_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NO_RESERVE)
    except (MemoryError, OSError) as error:
        raise RunError(f"no room in the address space for {info.spec}, {info.voxel_bytes / 1e6:.1f} MB") from error
    return np.frombuffer(memory, info.dtype).reshape(info.shape)


class OpenVolumes:
    """Volumes that are open: call it with headers, get voxels. Collective.

    Those of the call before are used again; what is not wanted any more is freed before another is read.

    Parameters
    ----------
    team : the ranks of this run
    """

    def __init__(self, team: "Team") -> None:
        self._team = team
        self._open: dict[VolumeInfo, np.ndarray] = {}

    def __call__(self, *wanted: VolumeInfo) -> list[np.ndarray]:
        self._open = {info: array for info, array in self._open.items() if info in wanted}
        for info in wanted:
            if info not in self._open:
                self._open[info] = open_volume(info, self._team)
        return [self._open[info] for info in wanted]
