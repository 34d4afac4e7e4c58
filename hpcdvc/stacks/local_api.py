"""Shifts of all pixels of two images or stacks, under the names and in the convention of algotom.

What these functions return is the place in the first image minus that in the second, x before y: minus the displacement
u that hpcdvc uses everywhere else. Pixels that are not measured are NaN, and a warning counts them.
"""

import logging
from dataclasses import dataclass, replace
from functools import partial
from types import ModuleType

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.stacks import arrays, dense
from hpcdvc.stacks.arguments import (
    half_window_of,
    images_of,
    module_of,
    note_ignored,
    peak_of,
    same_shape,
    whole_number,
    without_saturated,
)
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.map_api import by_rows_and_columns, normalize_image
from hpcdvc.stacks.windows import window_taps

log = logging.getLogger("hpcdvc")

#: Rows that are in memory at once, beside those that windows reach.
BAND = 64


def find_local_shifts(
    ref_mat: np.ndarray,
    mat: np.ndarray,
    dim: int = 1,
    win_size: int = 7,
    margin: int = 10,
    method: str = "diff",
    size: int = 3,
    gpu: bool | str = False,
    block: tuple[int, int] = (16, 16),
    ncore: int | None = None,
    norm: bool = True,
    norm_global: bool = False,
    chunk_size: int | None = 100,
) -> tuple[np.ndarray, np.ndarray]:
    """Shift of every pixel: windows of the second image are looked for in the first.

    Parameters
    ----------
    ref_mat, mat : (H, W) images or (K, H, W) stacks of one shape, arrays or datasets of h5py. NaN, and the largest
        number of a type of whole numbers, which is saturated, do not count
    dim : of stacks: 2 for x and y at once by square windows, 1 for x alone by windows of one row, and y alone by
        windows of one column, which wants the other shift to be 0. Of images always 2
    win_size : pixels of a window along each axis, odd
    margin : range, pixels
    method, size : see `locate_peak`
    gpu : True or "hybrid": compute on a graphics card where one is there
    block, ncore, chunk_size : ignored with a note
    norm, norm_global : normalise whole images first; with dim 1 each row of a stack for x and each column for y (`norm`
        only). See `normalize_image`; of a stack with dim 2 it changes nothing

    Returns
    -------
    x, y : (H, W) float32 arrays: place in ref_mat minus place in mat, pixels; 0 in a border of margin + win_size // 2,
        with dim 1 only along the axis in question; NaN, with a warning, where a pixel is not measured

    Raises
    ------
    UserError
        The images do not fit each other, or window and range leave no pixel.
    """
    note_ignored(block=(block, (16, 16)), ncore=(ncore, None), chunk_size=(chunk_size, 100))
    ref, mat = images_of(ref_mat, mat, whole=False)
    same_shape(ref, mat)
    peak, half, margin, xp = (
        peak_of(method, size, dim),
        half_window_of(win_size),
        whole_number(margin, "margin", 1),
        module_of(gpu),
    )
    settings = DenseSettings(half, (-margin, margin) * 2, template="im2", peak=peak.method, peak_size=peak.size)
    border = half + margin
    if ref.ndim == 2:
        if norm or norm_global:
            ref, mat = (normalize_image(without_saturated(image)) for image in (ref, mat))
        ref, mat = ref[None], mat[None]
    elif dim == 1:
        return _one_by_one(ref, mat, settings, border, norm, xp)
    found = _measured(ref, mat, settings, (border, border), xp)
    return _with_border(found, 1, (border, border)), _with_border(found, 0, (border, border))


def _one_by_one(ref: np.ndarray, mat: np.ndarray, settings: DenseSettings, border: int, norm: bool, xp: ModuleType):
    """x and y by two searches along one axis."""
    shifts, margin = [], settings.reach[1]
    for component, along in ((1, "x"), (0, "y")):
        reach = tuple(value * (component == i // 2) for i, value in enumerate((-margin, margin) * 2))
        axes, edge = (0, 1 + component), tuple(border * (component == axis) for axis in (0, 1))
        pair = ref, mat
        if norm:
            pair = (by_rows_and_columns(without_saturated(np.asarray(stack)).astype(float), axes) for stack in pair)
        found = _measured(*pair, replace(settings, along=along, reach=reach), edge, xp)
        shifts.append(_with_border(found, component, edge))
    return tuple(shifts)


def find_local_shifts_umpa(
    ref_mat: np.ndarray,
    mat: np.ndarray,
    win_size: int = 7,
    margin: int = 10,
    method: str = "diff",
    size: int = 3,
    gpu: bool = True,
    block: tuple[int, int] = (16, 16),
    ncore: int | None = None,
    chunk_size: int | None = 100,
    filter_name: str | None = "hamming",
    dark_signal: bool = False,
    values_at: str = "subpixel",
) -> tuple[np.ndarray, ...]:
    """Shift of every pixel of a speckle stack, and what the specimen does to the light, by UMPA.

    Parameters
    ----------
    ref_mat, mat : (K, H, W) stacks without and with the specimen, of one shape; see `find_local_shifts`
    win_size, margin, method, size, block, ncore, chunk_size : see `find_local_shifts`
    gpu : compute on a graphics card where one is there, else a note says so
    filter_name : window function: "hann", "bartlett", "blackman", "hamming", "nuttall", "parzen", "triang", or None
    dark_signal : a specimen that scatters; return transmission and visibility, too
    values_at : these are taken at the "subpixel" place, or at the whole "pixel" beside it, as algotom does

    Returns
    -------
    x, y : (H, W) float32 arrays: place in ref_mat minus place in mat, pixels; 0 in a border of margin + win_size // 2;
        NaN, with a warning, where a pixel is not measured
    transmission, visibility : only with `dark_signal`; visibility is 1 where nothing scatters. In the border that of
        the nearest pixel inside

    Raises
    ------
    UserError
        The stacks do not fit each other, or window and range leave no pixel.

    References
    ----------
    Zdora et al. 2017, doi 10.1103/PhysRevLett.118.203903
    """
    note_ignored(block=(block, (16, 16)), ncore=(ncore, None), chunk_size=(chunk_size, 100))
    ref, mat = images_of(ref_mat, mat, (3,), whole=False)
    same_shape(ref, mat)
    if dark_signal and len(ref) < 2:
        raise UserError("a dark field needs at least two frames")
    if values_at not in ("subpixel", "pixel"):
        raise UserError(f"values_at is subpixel or pixel, not {values_at!r}")
    peak, half, margin, xp = (
        peak_of(method, size),
        half_window_of(win_size),
        whole_number(margin, "margin", 1),
        module_of(gpu),
    )
    settings = DenseSettings(
        half, (-margin, margin) * 2, "umpa-dark" if dark_signal else "umpa", "im2", taps=window_taps(filter_name, half),
        peak=peak.method, peak_size=peak.size, values_at=values_at,
    )  # fmt: skip
    border = (half + margin,) * 2
    found = _measured(ref, mat, settings, border, xp)
    shifts = _with_border(found, 1, border), _with_border(found, 0, border)
    if not dark_signal:
        return shifts
    inside = slice(border[0], -border[0])
    maps = (np.pad(found[name][inside, inside], border[0], mode="edge") for name in ("transmission", "visibility"))
    return (*shifts, *maps)


@dataclass(frozen=True)
class _Scaled:
    """A stack whose grey values are about 1 in float32, whatever they were.

    Attributes
    ----------
    stack : (K, H, W) array or dataset
    offset, scale : what is taken off, and what the rest is divided by
    complete : all of it is there
    """

    stack: object
    offset: float
    scale: float
    complete: bool

    def band(self, first: int, stop: int) -> np.ndarray:
        """Rows of all frames, float32; inf where they are saturated."""
        rows = _rows(self.stack, first, stop)
        return np.ascontiguousarray((rows - self.offset) / self.scale, np.float32)


def _rows(stack, first: int, stop: int) -> np.ndarray:
    return without_saturated(np.asarray(stack[:, first:stop])).astype(np.float64)


def _scaled(stack, metric: str) -> _Scaled:
    """By mean and standard deviation for correlation, by the mean for UMPA."""
    total = squares = count = 0
    for start in range(0, stack.shape[1], BAND):
        rows = _rows(stack, start, start + BAND)
        values = rows[np.isfinite(rows)]
        total, squares, count = total + values.sum(), squares + np.square(values).sum(), count + values.size
    mean, complete = float(total) / max(count, 1), count == np.prod(stack.shape)
    if metric == "ncc":
        variance = float(squares) / max(count, 1) - mean**2
        return _Scaled(stack, mean, variance**0.5 if variance > 0 else 1.0, complete)
    if not mean > 0:
        raise UserError(f"UMPA needs grey values whose mean is above 0, not {mean:g}")
    return _Scaled(stack, 0.0, mean, complete)


def _measured(ref, mat, settings: DenseSettings, border: tuple[int, int], xp: ModuleType) -> dict[str, np.ndarray]:
    """All rows of a pair of stacks, band by band; a warning where pixels inside the border are not measured."""
    height, width = ref.shape[1:]
    if min(height - 2 * border[0], width - 2 * border[1]) < 1:
        words = f"windows of {2 * settings.half_window + 1} pixels and a margin of {max(settings.reach)}"
        raise UserError(f"{words} leave no pixel of images of {height} x {width} pixels")
    one, two = (_scaled(stack, settings.metric) for stack in (ref, mat))
    # what is missing is left out of the windows that hold it
    settings = replace(settings, partial=not (one.complete and two.complete))
    means = np.zeros(2) if settings.metric == "ncc" else np.ones(2)
    measure, halo = dense.measure_rows if xp is np else partial(arrays.measure_rows, xp=xp), dense.halo(settings)
    parts = []
    for start in range(0, height, BAND):
        rows = range(start, min(start + BAND, height))
        first = max(start - halo, 0)
        bands = (stack.band(first, rows.stop + halo) for stack in (one, two))
        parts.append(measure(*bands, first, rows, height, settings, means))
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    if "transmission" in found:
        found["transmission"] *= np.float32(two.scale / one.scale)
    _warn(found["status"][border[0] : height - border[0], border[1] : width - border[1]])
    return found


def _warn(status: np.ndarray) -> None:
    """Say how many pixels are not measured, and why."""
    codes, counts = np.unique(status[status != Status.CONVERGED], return_counts=True)
    if codes.size:
        reasons = "; ".join(f"{count} {reason_of(int(code))}" for code, count in zip(codes, counts, strict=True))
        log.warning("%d of %d pixels are not measured and NaN: %s", counts.sum(), status.size, reasons)


def _with_border(found: dict[str, np.ndarray], component: int, border: tuple[int, int]) -> np.ndarray:
    """One component of the shift, of the other sign, with 0 in the border."""
    out = np.zeros(found["status"].shape, np.float32)
    height, width = out.shape
    inside = slice(border[0], height - border[0]), slice(border[1], width - border[1])
    out[inside] = 0 - found["displacement"][inside][..., component]
    return out
