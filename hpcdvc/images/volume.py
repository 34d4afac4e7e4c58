"""What is known of a volume before its voxels are read, and the checks that need no more than that."""

import math
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError, UserError, file_error, shortened
from hpcdvc.images.packed import Block
from hpcdvc.kernels import guard

#: The number types of voxels; everything else is refused.
VOXEL_TYPES = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")


@dataclass(frozen=True)
class VolumeInfo:
    """Header of a volume.

    Attributes
    ----------
    spec : the name as the user wrote it, for messages
    path : the file or folder
    dataset : path of the dataset inside an HDF5 file or Zarr store, number of the HDU of a FITS file, else None
    shape : (nz, ny, nx) voxels; nz is 1 for a 2-D image
    dtype : native number type of the voxels
    two_dimensional : True when there is one slice
    offset : byte offset of the first voxel when the file can be memory-mapped (contiguous, uncompressed, native
        byte order, aligned), else None
    kind : ``"tiff"``, ``"slices"``, ``"hdf5"``, ``"npy"``, ``"fits"``, ``"picture"``, ``"zarr"``, or, of voxels in one
        block, ``"raw"``, ``"nifti"`` and ``"metaimage"``
    files : those that hold voxels: the slices of a folder in order; of HDF5 the file of the dataset, behind a link
        another one than `path`, then the sources of a virtual dataset; `offset` is one of the first
    notes : what the user has to know of how the voxels are taken, in words that follow a colon
    depth : planes that are stored together, and decoded together
    frames : of a dataset (projections, frames, rows, columns), whose planes are all frames of one projection after the
        other: how many a projection has; else None
    index : numbers along the first axes of the file that were asked for, ``file.h5:/scan[3]``; the volume is what they
        lead to
    block : where voxels are that lie in one block behind a header of another kind, and what they are; else None
    """

    spec: str
    path: str
    dataset: str | None
    shape: tuple[int, int, int]
    dtype: np.dtype
    two_dimensional: bool
    offset: int | None
    kind: str
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()
    depth: int = 1
    frames: int | None = None
    index: tuple[int, ...] = ()
    block: Block | None = None

    @property
    def voxel_bytes(self) -> int:
        """Bytes of all voxels."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stem(self) -> str:
        """Beginning of the names of files made from this volume: its own name, and that of the dataset if given."""
        name = os.path.basename(os.path.normpath(self.path))
        name = name if self.kind == "slices" else os.path.splitext(name.removesuffix(".gz"))[0]
        chosen = "".join(f"-{number}" for number in self.index)
        asked = self.spec[len(self.path) :].removesuffix(f"[{','.join(map(str, self.index))}]" if self.index else "")
        if self.dataset is None or not asked:
            return name + chosen
        # behind a link the dataset has another name, in another file
        dataset = self.dataset if self.kind != "hdf5" or self.files[0] == self.path else asked[1:]
        return f"{name}-{dataset.strip('/').replace('/', '-')}{chosen}"


#: Seconds of CPU time that a header may take, a slow disk takes none; one more for so many bytes, which may be pages.
HEADER_SECONDS, HEADER_RATE = 10.0, 1e9
#: Bytes of voxels that the slowest decoder gives in a second.
SLOWEST = 1e6


def header_seconds(path: str) -> float:
    """Seconds of CPU time that reading the header of a file may take."""
    return HEADER_SECONDS + os.path.getsize(path) / HEADER_RATE


@contextmanager
def reading(spec: str, cpu_seconds: float = 0.0) -> Iterator[None]:
    """Turn what the libraries raise on unreadable files into one sentence.

    They raise anything from struct.error to AttributeError on damaged files, so everything is caught. What no exception
    reports, a crash of a library or that it never comes back, ends the process: see `hpcdvc.kernels.guard`.

    Parameters
    ----------
    spec : the file or volume
    cpu_seconds : most CPU time that reading may take; 0: any

    Raises
    ------
    UserError
        Naming `spec`; RunError when memory or the disk fails. Both pass through unchanged when raised inside.
    """
    try:
        with guard.reading(spec, round(cpu_seconds, 1)):
            yield
    except (UserError, RunError):
        raise
    except MemoryError as error:
        raise RunError(f"not enough memory to read {spec}") from error
    except Exception as error:
        reason = shortened(" ".join(str(error).split()), 160)
        what = "cannot be read:"
        if not isinstance(error, OSError):
            what = f"is damaged and cannot be read: {type(error).__name__}"
        damaged = UserError(f"{spec} {what} {reason}".rstrip())
        raise file_error(spec, error) or damaged from error


def make_info(
    spec: str,
    path: str,
    shape: tuple[int, ...],
    stored: np.dtype,
    kind: str,
    offset: int | None = None,
    dataset: str | None = None,
    files: Iterable[str] = (),
    notes: Iterable[str] = (),
    depth: int = 1,
    index: tuple[int, ...] = (),
) -> VolumeInfo:
    """Check what a file declares and bring it to (nz, ny, nx) voxels of a native type.

    Parameters
    ----------
    spec, path, kind, dataset, notes, depth, index : see `VolumeInfo`
    shape : the shape in the file, ZYX; leading axes of length 1 are dropped
    stored : the number type in the file, in its byte order
    offset : where the voxels of the file start, when they lie in it as one C-ordered block
    files : see `VolumeInfo`; by default `path`

    Raises
    ------
    UserError
        The type is not one of `VOXEL_TYPES` (or bool, read as u1), or this is not one image in two to four dimensions;
        those of four are for `describe` to refuse.
    """
    dtype = _voxel_type(spec, stored)
    before, size = part_of(spec, shape, index)
    while len(size) > 3 and size[0] == 1:
        size = size[1:]
    if len(size) == 2:
        size = (1, *size)
    if len(size) not in (3, 4) or 0 in size:
        raise no_volume(spec, size if index else shape, f"{path}[{dataset}]" if kind == "fits" else None)
    frames = size[1] if len(size) == 4 else None
    if frames is not None:
        size, depth = (size[0] * frames, *size[2:]), 1
    if offset is not None:
        offset += before * math.prod(size) * stored.itemsize
    # compiled loops need aligned voxels
    mappable = offset is not None and stored.isnative and offset % dtype.itemsize == 0
    place = int(offset) if mappable else None
    held, flat = tuple(files) or (path,), size[0] == 1
    return VolumeInfo(spec, path, dataset, size, dtype, flat, place, kind, held, tuple(notes), depth, frames, index)


def _voxel_type(spec: str, stored: np.dtype) -> np.dtype:
    """The native type of voxels that are stored so."""
    # a stored bool is one byte, 0 or 1: a mask
    dtype = np.dtype("u1") if stored == np.dtype(bool) else stored.newbyteorder("=")
    if dtype.str[1:] not in VOXEL_TYPES:
        raise UserError(f"{spec} holds {dtype} voxels: convert it to 8, 16 or 32-bit integers or to float32")
    return np.dtype(dtype.str)  # without names of numbers, which HDF5 gives


def part_of(spec: str, shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[int, tuple[int, ...]]:
    """The part of an array that numbers along its first axes lead to: how many such parts are before it, and its shape.

    Raises
    ------
    UserError
        One is too large, or they are too many for an image to be left.
    """
    size, before = tuple(int(n) for n in shape), 0
    if index and len(size) - len(index) < 2:
        raise UserError(f"{spec}: {len(index)} indices of an array of shape {size} leave no image")
    for number, count in zip(index, size, strict=False):
        if number >= count:
            raise UserError(f"{spec}: there is no {number} along an axis of {count}, counted from 0, of shape {size}")
        before = before * count + number
    return before, size[len(index) :]


def split_index(name: str) -> tuple[str, tuple[int, ...]]:
    """A name without the numbers in brackets at its end, and these: ``/scan[3,0]`` -> ``/scan`` and 3, 0."""
    found = re.fullmatch(r"(.*)\[ *([0-9]{1,9}(?: *, *[0-9]{1,9})*) *\]", name, re.DOTALL)
    return (found[1], tuple(map(int, found[2].split(",")))) if found else (name, ())


def no_volume(spec: str, shape: tuple[int, ...], name: str | None = None) -> UserError:
    """The sentence for what has another number of dimensions, and where it has more, how one volume is called."""
    size = tuple(map(int, shape))
    more = ""
    if len(size) > 3 and 0 not in size:
        plain, index = split_index(spec) if name is None else (name, ())
        first = ",".join(map(str, (*index, *(0,) * (len(size) - 3))))
        more = f", {plain}[{first}] is the first"
    return UserError(f"{spec} has shape {size}: a 3-D volume or a 2-D image is needed{more}")


def _size(info: VolumeInfo) -> str:
    """Size of a volume as people write it."""
    if info.two_dimensional:
        return f"2-D, {info.shape[1]} x {info.shape[2]} pixels"
    return " x ".join(str(n) for n in info.shape) + " voxels"


def check_pair(a: VolumeInfo, b: VolumeInfo) -> None:
    """Check that two images can be correlated.

    Raises
    ------
    UserError
        Their shapes differ.
    """
    if a.shape != b.shape:
        raise UserError(f"the images differ in size (ZYX): {a.spec} is {_size(a)}, {b.spec} is {_size(b)}")


def check_mask(image: VolumeInfo, mask: VolumeInfo, what: str = "mask") -> None:
    """Check that a mask, or what else goes with an image voxel by voxel, fits it.

    Raises
    ------
    UserError
        Their shapes differ.
    """
    if image.shape != mask.shape:
        raise UserError(
            f"the {what} does not fit the image (ZYX): {mask.spec} is {_size(mask)}, {image.spec} is {_size(image)}"
        )


def memory_text(volumes: Iterable[VolumeInfo | None]) -> str:
    """How much memory of a node these volumes take, as text; None stands for no volume."""
    sizes = {True: 0, False: 0}
    for info in filter(None, volumes):
        sizes[info.offset is not None] += info.voxel_bytes
    mapped, decoded = sizes[True] / 1e6, sizes[False] / 1e6
    return f"images {mapped:.1f} MB mapped from their files, {decoded:.1f} MB decoded into shared memory"
