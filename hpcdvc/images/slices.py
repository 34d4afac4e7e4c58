"""A folder of slices: one TIFF, PNG, JPEG or BMP file each, in the order of the number in their names."""

import itertools
import math
import os
import re
from collections.abc import Iterator, Sequence

import numpy as np

import hpcdvc.images.picture as picture
import hpcdvc.images.tiff as tiff
from hpcdvc.errors import UserError
from hpcdvc.images.files import LoneFile
from hpcdvc.images.volume import VolumeInfo, header_seconds, make_info, reading

#: What to do about a folder that holds something else than one series of slices without gaps.
WAY_OUT = "--every-slice takes all that are there, in the order of their names"


def _parts(name: str) -> list:
    """Text and numbers of a name without extension, by turns: ``a01-2.tif`` -> a, 1, -, 2, and an empty text."""
    parts = re.split(r"(\d+)", os.path.splitext(name)[0])
    return [int(part) if k % 2 else part for k, part in enumerate(parts)]


def _numbered(name: str, place: int, number: int) -> str:
    """The name with another number at a place, as many digits if there were zeros in front."""
    stem, extension = os.path.splitext(name)
    parts = re.split(r"(\d+)", stem)
    parts[place] = str(number).zfill(len(parts[place]))
    return "".join(parts) + extension


def _missing(numbers: Sequence[int]) -> tuple[Iterator[int], int]:
    """Numbers between the first and the last that are missing, and how many; all may have the same divisor."""
    ordered = sorted(numbers)
    step = math.gcd(*(b - a for a, b in itertools.pairwise(ordered))) if len(ordered) > 2 else 1
    gaps = (range(a + step, b, step) for a, b in itertools.pairwise(ordered))
    return itertools.chain.from_iterable(gaps), (ordered[-1] - ordered[0]) // step + 1 - len(ordered)


def _listed(names: list[str], count: int) -> str:
    """Some names, and how many more there are."""
    return ", ".join(names) + (f" and {count - len(names)} more" if count > len(names) else "")


def _one_series(spec: str, names: list[str]) -> list[str]:
    """The slices of a folder in order of their numbers.

    Raises
    ------
    UserError
        Slices are missing, some are there twice, or there are several series.
    """
    parts = {name: _parts(name) for name in names}
    series = {tuple(parts[name][::2]): name for name in reversed(names)}
    if len(series) > 1:
        first = sorted(series.values(), key=names.index)
        raise UserError(f"{spec} holds slices that are not of one series, {_listed(first[:3], len(first))}: {WAY_OUT}")
    numbers = {place: [parts[name][place] for name in names] for place in range(1, len(parts[names[0]]), 2)}
    running = [place for place, found in numbers.items() if len(set(found)) > 1]
    counters = [place for place in running if len(set(numbers[place])) == len(names)]
    if len(names) > 1 and not counters:
        raise UserError(f"{spec} holds {' and '.join(_alike(names, numbers, running))} with the same number: {WAY_OUT}")
    whole = [place for place in counters if not _missing(numbers[place])[1]]
    if counters and not whole:
        raise UserError(f"{_no_such(names, counters[-1], numbers[counters[-1]])} missing in {spec}: {WAY_OUT}")
    orders = [[name for _, name in sorted(zip(numbers[place], names, strict=True))] for place in whole]
    if any(order != orders[0] for order in orders):
        raise UserError(f"{spec}: it is not clear which number of {names[0]} is that of the slice: {WAY_OUT}")
    return orders[0] if orders else names


def _alike(names: list[str], numbers: dict[int, list[int]], running: list[int]) -> list[str]:
    """Two names with the same last number."""
    found = numbers[running[-1]] if running else [0] * len(names)
    twice = next(number for k, number in enumerate(found) if number in found[:k])
    return [name for name, number in zip(names, found, strict=True) if number == twice][:2]


def _no_such(names: list[str], place: int, numbers: list[int]) -> str:
    """The slices that are missing, as the beginning of a sentence."""
    missing, count = _missing(numbers)
    named = [_numbered(names[0], place, number) for number in itertools.islice(missing, 3)]
    return f"{_listed(named, count)} {'is' if count == 1 else 'are'}"


def _slice_paths(spec: str, folder: str, every_slice: bool) -> list[str]:
    """The slices of a folder in order, hidden ones left out: the TIFF files, where there are none those of PNG ..."""
    listed = [name for name in os.listdir(folder) if not name.startswith(".")]
    series = ([n for n in listed if n.lower().endswith(ends)] for ends in ((".tif", ".tiff"), *picture.ENDINGS))
    names = next(filter(None, series), None)
    if not names:
        raise UserError(f"{spec} is a folder without .tif slices, or .png, .jpg or .bmp")
    names.sort(key=lambda name: (_parts(name), name))
    return [os.path.join(folder, name) for name in (names if every_slice else _one_series(spec, names))]


def _describe_slice(path: str) -> VolumeInfo:
    with reading(path), reading(path, header_seconds(path)):
        return picture.describe(path, path) if _is_picture(path) else tiff.describe(path, path, ome=False)


def _is_picture(path: str) -> bool:
    """Whether a slice is a PNG, JPEG or BMP file."""
    with LoneFile(path) as file:
        return picture.format_of(file.read(64)) is not None


def describe(spec: str, path: str, every_slice: bool = False) -> VolumeInfo:
    """Header of a folder of slices; see `hpcdvc.images.describe`."""
    paths = _slice_paths(spec, path, every_slice)
    first, *others = map(_describe_slice, paths)
    if not first.two_dimensional:
        raise UserError(
            f"{first.spec} is a volume of {first.shape[0]} slices in a folder of slices: give the file itself"
        )
    for other in others:
        if (other.shape, other.dtype) != (first.shape, first.dtype):
            raise UserError(
                f"slice {other.spec} has shape {other.shape} and type {other.dtype}, "
                f"but {first.spec} has {first.shape} and {first.dtype}"
            )
        if other.notes != first.notes:
            raise UserError(f"slice {other.spec} is not stored as {first.spec}: {(*other.notes, *first.notes)[0]}")
    shape = (len(paths), *first.shape[1:])
    return make_info(spec, path, shape, first.dtype, "slices", files=paths, notes=first.notes)


def fill(info: VolumeInfo, volume: np.ndarray, start: int, stop: int) -> None:
    """Read slices start to stop into volume (nz, ny, nx)."""
    for k in range(start, stop):
        with reading(info.files[k]):
            if _is_picture(info.files[k]):
                picture.read(info.files[k], volume[k])
            else:
                tiff.read_slices(info.files[k], volume[k : k + 1], 0, 1, ome=False)
