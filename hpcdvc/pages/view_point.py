"""One row of a result in words and numbers: its values, its neighbours, its window before and after."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError, UserError
from hpcdvc.images import VolumeInfo, read_planes
from hpcdvc.output.columns import Column
from hpcdvc.pages import facts
from hpcdvc.pages.planes import as_bytes, grey_window
from hpcdvc.pages.residual import sampled
from hpcdvc.pages.result_file import ResultFile
from hpcdvc.pages.view_images import Images
from hpcdvc.pages.view_result import Source

#: Half the edge of a window where the result does not say it; most of it that is shown, voxels.
HALF, MOST_HALF = 10, 30
#: Neighbours of a point without a grid.
NEIGHBOURS = 6
#: Columns that are told last.
LAST = ("F", "F_std", "Phi", "Phi_variance", "measured_Phi")


def row_at(source: Source, result: ResultFile, point: np.ndarray, label: int = 0) -> int | None:
    """Number of the row that is nearest to a point, or of a label; None where there is none.

    Parameters
    ----------
    source, result : the result
    point : (3,) ZYX, voxels
    label : that the image of labels has there
    """
    if result.grid:
        shape = np.array(result.grid.shape)
        node = np.floor((point - result.grid.origin) / np.array(result.grid.spacing) + 0.5).astype(int)
        if result.kind == "registration":
            node = np.zeros(3, int)
        return int(np.ravel_multi_index(node, shape)) if ((node >= 0) & (node < shape)).all() else None
    if label and "label" in result.columns:
        found = np.flatnonzero(result.values("label") == label)
        return int(found[0]) if len(found) else None
    away = ((result.positions - point) ** 2).sum(axis=1)
    return int(np.nanargmin(away)) if np.isfinite(away).any() else None


def part_of(result: ResultFile, row: int) -> tuple[slice, ...]:
    """The same as a part of its columns, which has one row."""
    return tuple(slice(int(k), int(k) + 1) for k in np.unravel_index(row, result.shape))


def position_of(result: ResultFile, row: int) -> np.ndarray:
    """(3,) ZYX, voxels."""
    if result.kind == "registration":
        return np.array(result.positions[0], float)
    if result.grid:
        return result.grid.positions(np.array([row]))[0]
    return np.array(result.positions[row], float)


def values_of(result: ResultFile, row: int) -> list[list]:
    """Name, numbers by name of component, and unit of each column; what stands in the file, measured or not."""
    found, names = [], [name for name in result.columns if name != "returnStatus"]
    for name in sorted(names, key=lambda one: (one in LAST, _place(one))):
        column, numbers = result.columns[name], result.values(name, part_of(result, row)).reshape(-1)
        ends, length = [end.strip() for end in facts.ends_of(numbers.size)], result.length_of(name)
        for factor, unit in ((1, column.unit), *([(length.number, length.unit)] if length else [])):
            told = [[end, _text(column, factor * value)] for end, value in zip(ends, numbers, strict=True)]
            found.append([name, told, unit])
    return found


def _place(name: str) -> int:
    return facts.FIRST.index(name) if name in facts.FIRST else len(facts.FIRST)


def _text(column: Column, value: float) -> str:
    if not np.isfinite(value):
        return "none"
    whole = np.dtype(column.dtype or "f8").kind in "iu"
    return str(int(value)) if whole else f"{value:.6g}"


def neighbours_of(result: ResultFile, row: int) -> list[int]:
    """Rows beside one: along the axes of a grid, else the nearest."""
    if result.grid:
        place, shape, found = np.array(np.unravel_index(row, result.shape)), np.array(result.shape), []
        for axis in range(3):
            for way in (-1, 1):
                other = place.copy()
                other[axis] += way
                if 0 <= other[axis] < shape[axis]:
                    found.append(int(np.ravel_multi_index(other, shape)))
        return found
    away = ((result.positions - position_of(result, row)) ** 2).sum(axis=1)
    away[row] = np.inf
    order = np.argsort(np.where(np.isfinite(away), away, np.inf), kind="stable")
    return [int(k) for k in order[:NEIGHBOURS] if np.isfinite(away[k])]


@dataclass(frozen=True)
class Pair:
    """The window of a row.

    Attributes
    ----------
    planes : uint8 (rows, columns) by name: im1, im2 at the same place, im2 where the row says it has gone
    before, after : correlation of the whole windows; None where there is none
    half : half the edge, voxels, ZYX
    """

    planes: dict[str, np.ndarray]
    before: float | None
    after: float | None
    half: tuple[int, int, int]


def pair_at(images: Images, result: ResultFile, row: int, across: int) -> Pair | str:
    """The windows, in the plane across an axis; or, as text, why there are none."""
    if images.im1 is None or images.im2 is None:
        return images.why or "no images are given: --images names them"
    if "Phi" not in result.columns and "displacement" not in result.columns:
        return "the result does not say where the window has gone"
    centre = position_of(result, row)
    if not np.isfinite(centre).all():
        return "where it lies will be known when the run has ended"
    place, half = np.rint(centre), half_of(result, images.im1.shape)
    axes = [np.arange(-h, h + 1) for h in half]
    offsets = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3).astype(float)
    shape = tuple(len(axis) for axis in axes)
    goes = _motion(result, row)
    shift = (np.array(images.im2.shape) - images.im1.shape) / 2 if result.kind == "registration" else np.zeros(3)
    try:
        first = _window(images.im1, place + offsets)
        second = _window(images.im2, place + shift + offsets)
        third = np.full(len(offsets), np.nan)
        if np.isfinite(goes).all():
            to = centre + goes[:, 3] + (place + offsets - centre) @ goes[:, :3].T
            third = _window(images.im2, to + shift)
    except (UserError, RunError) as error:
        return str(error)
    middle = tuple(half[k] if k == across else slice(None) for k in range(3))
    planes = [one.reshape(shape)[middle] for one in (first, second, third)]
    window = grey_window([first, second])
    drawn = {
        name: as_bytes(np.nan_to_num(one, nan=window[0]).astype(np.float32), window)
        for name, one in zip(("im1", "before", "after"), planes, strict=True)
    }
    return Pair(drawn, correlation(first, second), correlation(first, third), half)


def half_of(result: ResultFile, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """Half the edge of the window of a node, as far as it is shown."""
    told = (result.metadata.get("parameters") or {}).get("half_window_size")
    numbers = told if isinstance(told, list) else [told] * 3
    if len(numbers) != 3 or not all(type(one) is int and one >= 0 for one in numbers):
        numbers = [HALF] * 3
    return tuple(0 if n == 1 else min(max(int(one), 1), MOST_HALF) for one, n in zip(numbers, shape, strict=True))


def _motion(result: ResultFile, row: int) -> np.ndarray:
    """(3, 4) F and displacement of a row, the last iterate where it is not measured."""
    part = part_of(result, row)
    if "Phi" in result.columns:
        return result.values("Phi", part).reshape(4, 4)[:3]
    return np.column_stack([np.eye(3), result.values("displacement", part).reshape(3)])


def _window(info: VolumeInfo, points: np.ndarray) -> np.ndarray:
    """(n,) grey values between the voxels, of planes that are read; NaN outside."""
    low = int(np.clip(np.floor(points[:, 0].min()), 0, info.shape[0] - 1))
    high = int(np.clip(np.ceil(points[:, 0].max()), 0, info.shape[0] - 1)) + 1
    return sampled(read_planes(info, low, high), points - [low, 0, 0])


def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Zero-mean normalised correlation, of what both have."""
    both = np.isfinite(a) & np.isfinite(b)
    a, b = a[both] - a[both].mean() if both.any() else a[both], b[both] - b[both].mean() if both.any() else b[both]
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 0 else None
