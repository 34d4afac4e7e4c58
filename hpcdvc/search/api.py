"""Search for Python users: a small image in a larger one; a correlation window, and where it is looked for."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.phi import part_of
from hpcdvc.fields.status import Status
from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.search import take_regions, take_windows
from hpcdvc.kernels.volume import Volume
from hpcdvc.registration.levels import as_volume
from hpcdvc.search.pixels import SEARCH_POINT, PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings
from hpcdvc.search.sums import room_for

#: Voxels: nodes beyond are as far outside of any image as the kernels can count.
FARTHEST = 1e9


def pixel_search(
    imagette1: np.ndarray,
    imagette2: np.ndarray,
    imagette1_mask: np.ndarray | None = None,
    imagette2_mask: np.ndarray | None = None,
    return_error: bool = False,
    criterion: str = "zncc",
) -> tuple[np.ndarray, float] | tuple[np.ndarray, float, float]:
    """Find the place in an image that correlates best with a smaller image, to the whole voxel.

    Every place is tried, and the best is the best in float64; of equal ones the first in the order Z, Y, X.

    Parameters
    ----------
    imagette1 : (nz, ny, nx) or (ny, nx) array of grey values; what is not finite does not count
    imagette2 : array of as many dimensions, at least as large on each axis
    imagette1_mask, imagette2_mask : bool arrays of the same shapes, False where a voxel does not count
    return_error : also return the sum of squared differences over the sum of the grey values of imagette1, the error
        of `register`
    criterion : "zncc" compares deviations from the means and is blind to gain and offset, "ncc" the grey values

    Returns
    -------
    p : (3,) int64 array, voxel of imagette2 where the first one of imagette1 lies, ZYX, Z = 0 in two dimensions; NaN
        where nothing can be compared, as without texture
    cc : the correlation there
    error : only with `return_error`

    Raises
    ------
    UserError
        The arrays do not fit each other.
    """
    one, two = as_volume(imagette1), as_volume(imagette2)
    if np.ndim(imagette1) != np.ndim(imagette2) or (np.array(two.shape) < one.shape).any():
        raise UserError(f"imagette2 of shape {np.shape(imagette2)} is smaller than imagette1 {np.shape(imagette1)}")
    masks = _mask(imagette1_mask, one, "imagette1"), _mask(imagette2_mask, two, "imagette2")
    point = np.zeros(1, SEARCH_POINT)
    point["Phi"][:, :, :3] = np.eye(3)
    point["box_high"], point["high"] = np.array(one.shape) - 1, np.subtract(two.shape, one.shape)
    (found,) = PixelSearch(one, two, SearchSettings(criterion, min_valid=0.0), *masks)(point)
    place = found["whole"].astype(np.int64) if np.isfinite(found["score"]) else np.full(3, np.nan)
    result = place, float(found["score"])
    return (*result, float(found["error"])) if return_error else result


def _mask(mask: np.ndarray | None, image: np.ndarray, name: str) -> np.ndarray | None:
    if mask is None:
        return None
    mask = as_volume(np.asarray(mask) != 0).view(np.uint8)
    if mask.shape != image.shape:
        raise UserError(f"the mask of {name} has shape {mask.shape}, the image {image.shape}")
    return mask


@dataclass(frozen=True)
class Windows:
    """A correlation window, and the part of im2 in which it is looked for.

    Attributes
    ----------
    imagette1, imagette2 : (nz, ny, nx) float32 arrays of grey values, 0 where a voxel does not count; imagette1 is
        deformed by F
    imagette1_mask, imagette2_mask : bool arrays of the same shapes, False where a voxel does not count: masked, outside
        the image or not finite; None where all count
    return_status : 1, or why the window is not to be used: -2 no texture, -5 masked or grey threshold, -6 border of the
        image, -7 `phi` is not finite, -8 imagette2 lies outside im2
    pixel_search_offset : (3,) int64 array, to be added to the place that `pixel_search` finds: the displacement
    """

    imagette1: np.ndarray
    imagette1_mask: np.ndarray | None
    imagette2: np.ndarray
    imagette2_mask: np.ndarray | None
    return_status: int
    pixel_search_offset: np.ndarray


def get_windows(
    im1: np.ndarray,
    node_position: np.ndarray,
    half_window_size: int | tuple[int, int, int],
    phi: np.ndarray,
    im2: np.ndarray,
    search_range: tuple[int, int, int, int, int, int],
    im1_mask: np.ndarray | None = None,
    im2_mask: np.ndarray | None = None,
    min_mask_coverage: float = 0.0,
    grey_threshold: tuple[float, float] = (-np.inf, np.inf),
    apply_f: str = "all",
    two_d: bool = False,
) -> Windows:
    """Cut a correlation window out of im1, and out of im2 what it is to be compared with.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) or (ny, nx) arrays of grey values
    node_position : (3,) middle of the window, ZYX, voxels, rounded; Z = 0 in two dimensions
    half_window_size : voxels on each side of the middle, one number or ZYX
    phi : (4, 4) array, the motion so far: F deforms the window, the displacement, rounded, moves the range
    search_range : first and last displacement along Z, Y and X
    im1_mask, im2_mask : arrays of the shapes of the images, 0 where a voxel does not count
    min_mask_coverage : least part of the window that must count
    grey_threshold : the mean grey value of the window must lie between
    apply_f : part of F that deforms the window: "all", "rigid" or "no"
    two_d : the images have two dimensions

    Returns
    -------
    Windows

    Raises
    ------
    UserError
        An argument does not fit.
    """
    half, reach = _half_and_range(half_window_size, search_range, two_d)
    if apply_f not in ("all", "rigid", "no"):
        raise UserError(f"apply_f must be all, rigid or no, not {apply_f!r}")
    phi, position = _numbers(phi, (4, 4), "phi"), _numbers(node_position, (3,), "node_position")
    if not np.isfinite(position).all():
        raise UserError(f"node_position must be three finite numbers, not {node_position}")
    phi = part_of(phi, apply_f) if np.isfinite(phi).all() else phi
    point = search_points(np.clip(position, -FARTHEST, FARTHEST), phi, half, reach)
    settings = SearchSettings(min_valid=min_mask_coverage, grey_low=grey_threshold[0], grey_high=grey_threshold[1])
    return _cut(_volume(im1, im1_mask, "im1"), _volume(im2, im2_mask, "im2"), point, settings)


def _half_and_range(
    half_window_size: int | tuple[int, ...], search_range: tuple[int, ...], two_d: bool
) -> tuple[tuple[int, ...], np.ndarray]:
    half = [int(h) for h in (half_window_size if np.ndim(half_window_size) else (half_window_size,) * 3)]
    reach = [int(r) for r in search_range]
    if two_d:
        half[:1], reach[:2] = [0], [0, 0]
    if len(half) != 3 or len(reach) != 6 or min(half) < 0 or (np.subtract(reach[1::2], reach[::2]) < 0).any():
        raise UserError(f"a half window of {half_window_size} and a range of {search_range} are not possible")
    return tuple(half), np.array(reach)


def _numbers(values: np.ndarray, shape: tuple[int, ...], name: str) -> np.ndarray:
    """(1, *shape) float64 array."""
    try:
        array = np.asarray(values, float)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != shape:
        raise UserError(f"{name} must be an array of shape {shape}, not {values!r}")
    return array[None]


def _volume(image: np.ndarray, mask: np.ndarray | None, name: str) -> Volume:
    volume = as_volume(image)
    return Volume(volume, _mask(mask, volume, name))


def _cut(im1: Volume, im2: Volume, point: np.ndarray, settings: SearchSettings) -> Windows:
    """The window and the region of one SEARCH_POINT."""
    shape = point["box_high"][0] - point["box_low"][0] + 1
    wide = shape + point["high"][0] - point["low"][0]
    (a, ok1), window = np.zeros((2, 1, *shape), np.float32), np.zeros(1, dtype("search_window"))
    take_windows(im1, None, settings.record(), point, a, ok1, window)
    b, ok2, region = room_for((1, *wide)), room_for((1, *wide)), np.zeros(1, dtype("search_region"))
    take_regions(im2, point, b, ok2, region)
    status = int(window["status"][0]) or (1 if region["count"][0] > 0 else int(Status.LEFT_IMAGE))
    offset = np.nan_to_num(np.rint(point["Phi"][0, :, 3])).astype(np.int64) + point["low"][0]
    return Windows(*_grey(a, ok1, window), *_grey(b, ok2, region), status, offset)


def _grey(values: np.ndarray, ok: np.ndarray, taken: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """Grey values as they were, and which of them count."""
    scale = taken["scale"][0] or 1
    grey = np.where(ok[0] > 0, values[0] / scale + taken["offset"][0], 0).astype(np.float32)
    return grey, ok[0] > 0 if taken["partial"][0] else None
