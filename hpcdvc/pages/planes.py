"""Planes of volumes as bytes for a page: cut, in a grey window, encoded."""

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.kernels import planes
from hpcdvc.pages.levels import Level

#: Quality of JPEG, and the level of deflate: those that were measured to be settled soonest.
QUALITY, EFFORT = 85, 1
#: Bytes of JPEG per pixel, at most: more of fine grain takes longer on its way than it is looked at. Least quality.
SMALL, LEAST = 0.19, 5
#: Shares of the grey values that a window leaves out at its dark and its bright end.
DARK, BRIGHT = 0.01, 0.003
#: Most voxels of each image that a window is found from.
SAMPLE = 2**18


@dataclass(frozen=True, eq=False)
class Displacements:
    """Displacements on a grid as the kernel takes them.

    Attributes
    ----------
    nodes : (nz, ny, nx, 3) float64, from im1 to im2, voxels ZYX; NaN where there is none
    grid : (2, 3) float64: the first node and the spacing
    """

    nodes: np.ndarray
    grid: np.ndarray

    @classmethod
    def of(cls, field: Field, usable: np.ndarray) -> "Displacements":
        """Those of a field on a grid; `usable` (n,) bool says which rows count.

        The tangents F of the nodes are not used: between nodes the displacement is trilinear.
        """
        moved = np.where(usable[:, None], field.phi[:, :3, 3], np.nan)
        spacing = np.where(np.array(field.grid.spacing) > 0, field.grid.spacing, 1.0)
        return cls(moved.reshape(*field.grid.shape, 3).copy(), np.array([field.grid.origin, spacing], float))

    def of_level(self, level: Level) -> "Displacements":
        """The same in cells of a level."""
        return Displacements(self.nodes / level.size, np.array([self.grid[0] - level.first, self.grid[1]]) / level.size)


def through_phi(plane: np.ndarray, phi: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Where the pixels of a plane come from when the image is deformed by Phi: source = c + F^-1 (p - c - t).

    Parameters
    ----------
    plane : (3, 3) place of pixel (0, 0), steps down and across, voxels ZYX
    phi : (4, 4), with an F that has an inverse
    centre : (3,) the point about which Phi is given, ZYX

    Raises
    ------
    numpy.linalg.LinAlgError : F has no inverse
    """
    inverse = np.linalg.inv(phi[:3, :3])
    place = centre + inverse @ (plane[0] - centre - phi[:3, 3])
    return np.array([place, inverse @ plane[1], inverse @ plane[2]])


def cut(
    level: Level, plane: np.ndarray, shape: tuple[int, int], field: Displacements | None = None, labels: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A plane of a level.

    Parameters
    ----------
    level : the volume
    plane : (3, 3), in voxels of the volume: place of pixel (0, 0), steps down and across
    shape : rows and columns
    field : pixels come from where p + u(p) leads, in voxels of the volume
    labels : the nearest voxels as they are

    Returns
    -------
    values : (rows, columns), float32, of labels in the type of the volume; 0 where nothing is covered
    covered : (rows, columns) uint8, 1 where there is a value
    """
    covered = np.empty(shape, np.uint8)
    inside = field.of_level(level) if field is not None else None
    more = {} if inside is None else {"nodes": inside.nodes, "grid": inside.grid}
    values = np.empty(shape, level.array.dtype.newbyteorder("=") if labels else np.float32)
    sample = planes.nearest if labels else planes.linear
    sample(level.array, level.of_plane(plane), values, covered, **more)
    return values, covered


def grey_window(arrays: Sequence[np.ndarray]) -> tuple[float, float]:
    """Grey values that are shown black and white, the same for all arrays; two different numbers, always."""
    some = [array.ravel()[:: max(1, array.size // SAMPLE)] for array in arrays]
    grey = np.concatenate([one[np.isfinite(one)].astype(float) for one in some]) if some else np.empty(0)
    if not grey.size:
        return 0.0, 1.0
    low, high = np.quantile(grey, [DARK, 1 - BRIGHT])
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1)


def as_bytes(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Grey values as uint8, 0 at the dark end of the window and 255 at the bright one."""
    low, high = window
    scaled = (values - np.float32(low)) * np.float32(255 / (high - low))
    return np.rint(np.clip(scaled, 0, 255, out=scaled), out=scaled).astype(np.uint8)


def as_jpeg(plane: np.ndarray) -> bytes:
    """A uint8 plane while something moves: small, and not exact; of fine grain less exact."""
    from PIL import Image

    picture, quality = Image.fromarray(plane), QUALITY
    while True:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=quality)
        if file.tell() <= max(SMALL * plane.size, 1000) or quality <= LEAST:
            return file.getvalue()
        quality -= 20


def as_deflate(plane: np.ndarray) -> bytes:
    """The bytes of an array, little-endian, exactly."""
    return zlib.compress(np.ascontiguousarray(plane).astype(plane.dtype.newbyteorder("<"), copy=False), EFFORT)
