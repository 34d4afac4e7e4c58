"""The pair of images of a result on one plane: im1, and im2 before and after it is brought back by the result."""

import re
from dataclasses import dataclass

import numpy as np

from hpcdvc.deformation.residual import fits_of, grey_sums
from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.interpolation import interpolate_on_grid
from hpcdvc.images import RawLayout, VolumeInfo, describe, identity, open_volume
from hpcdvc.output.reader import read_field
from hpcdvc.pages.result_file import ResultFile
from hpcdvc.ranks.team import Team

#: Most pixels along an edge of the plane: of larger images every n-th is taken.
EDGE = 400
#: Points of a field beyond which only planes near the one that is shown are read.
MANY = 2**18


@dataclass(frozen=True)
class PairOfPlanes:
    """Grey values on one plane z of im1, every `step`-th pixel; NaN where there is none.

    Attributes
    ----------
    z, step : the plane, and the distance of the pixels, voxels
    im1, before, after : (ny, nx) im1, and im2 at the same place and where the result says im1 has gone, in the grey
        values of im1
    """

    z: int
    step: int
    im1: np.ndarray
    before: np.ndarray
    after: np.ndarray

    @property
    def residuals(self) -> tuple[np.ndarray, np.ndarray]:
        """im2 - im1 before and after."""
        return self.before - self.im1, self.after - self.im1

    @property
    def rms(self) -> tuple[float, float]:
        """Root mean squares of both, of the pixels that both have."""
        before, after = self.residuals
        both = np.isfinite(before) & np.isfinite(after)
        return tuple(float(np.sqrt(np.mean(one[both] ** 2))) if both.any() else np.nan for one in (before, after))


def pair_of_planes(result: ResultFile) -> PairOfPlanes | str:
    """The planes; or, as text, why there are none."""
    names = image_names(result)
    if isinstance(names, str):
        return names
    try:
        told = RawLayout.told(result.metadata.get("parameters") or {})
        infos = [describe(name, raw_layout=told) for name in names]
        for info, told in zip(infos, ("im1", "im2"), strict=True):
            known = (result.metadata.get("provenance") or {}).get(told)
            if known and not is_that(identity(info), known):
                return f"{info.spec} is not the image any more that the result was made from"
        return _planes(result, infos)
    except (UserError, RunError) as error:
        return f"the images cannot be shown: {error}"


def is_that(now: dict, known: object) -> bool:
    """Whether a file is the one that a result was made from, by the `identity` of both."""
    return isinstance(known, dict) and all(now.get(name) == value for name, value in known.items())


def image_names(result: ResultFile) -> tuple[str, str] | str:
    """Paths of im1 and im2, as they were given; or why they are not known."""
    parameters = result.metadata.get("parameters") or {}
    if result.kind == "image":
        return "the residual of results with a value for each pixel is a column of theirs"
    im1, im2 = parameters.get("im1"), parameters.get("im2")
    several = parameters.get("images") or parameters.get("deformed") or ()
    if result.pairs > 1:
        return f"the result holds {result.pairs} pairs of images"
    if im2 is None and several:
        im1, im2 = (several[0] if im1 is None else im1), _told(result, several)
    if not isinstance(im1, str) or not isinstance(im2, str):
        return "it was not made from a pair of images"
    return im1, im2


def _told(result: ResultFile, paths: list) -> str | None:
    """The image of a series whose name the result tells as im2."""
    name = ((result.metadata.get("provenance") or {}).get("im2") or {}).get("name")
    return next((path for path in paths if re.split(r"[:\[]", str(path))[0].rstrip("/").endswith(str(name))), None)


def _planes(result: ResultFile, infos: list[VolumeInfo]) -> PairOfPlanes | str:
    im1, im2 = (open_volume(info, Team(None)) for info in infos)
    z = _plane(result, im1.shape[0])
    step = max(1, -(-max(im1.shape[1:]) // EDGE))
    y, x = np.meshgrid(*(np.arange(0, n, step) for n in im1.shape[1:]), indexing="ij")
    points = np.column_stack([np.full(y.size, z), y.ravel(), x.ravel()]).astype(float)
    goes = displacements(result, points, im1.shape)
    if isinstance(goes, str):
        return goes
    offset = (np.array(im2.shape) - im1.shape) / 2 if result.kind == "registration" else np.zeros(3)
    grey = im1[z, ::step, ::step].astype(float)
    before, after = (sampled(im2, points + offset + shift).reshape(y.shape) for shift in (0, goes))
    fitted = [like(one, grey) for one in (before, after)]
    return PairOfPlanes(z, step, grey, *fitted)


def _plane(result: ResultFile, planes: int) -> int:
    """The plane z of im1 that is shown: where the nodes are, in the middle."""
    if result.grid:
        k = result.middle(0)
        middle = result.grid.origin[0] + k * result.grid.spacing[0]
    elif result.kind == "registration":
        middle = (planes - 1) / 2
    else:
        middle = np.median(result.positions[:, 0])
    return int(np.clip(round(middle), 0, planes - 1))


def displacements(result: ResultFile, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray | str:
    """(n, 3) displacements at points of im1, NaN where there is none; or why they are not known, as text."""
    if result.kind == "registration":
        phi = result.values("Phi")[0]
        return (points - result.positions[0]) @ (phi[:3, :3] - np.eye(3)).T + phi[:3, 3]
    if np.prod(result.shape) > MANY and result.grid:
        return _between(result, points)
    field = read_field(result.path, ("Phi", "return_status"))
    usable = field.measured & np.isfinite(field.phi[:, :3]).all(axis=(1, 2))
    if not usable.any():
        return "nothing was measured"
    if result.grid:
        return interpolate_on_grid(field, usable, points)[0][:, :, 3]
    return _scattered(field.positions[usable], field.phi[usable, :3, 3], points)


def _between(result: ResultFile, points: np.ndarray) -> np.ndarray:
    """Linear between the nodes of the plane of a large grid that is nearest."""
    grid, k = result.grid, result.middle(0)
    moved = result.values("displacement", (k,))
    at = (points[:, 1:] - grid.origin[1:]) / np.array(grid.spacing[1:])
    return np.column_stack([sampled(moved[None, ..., j], np.pad(at, ((0, 0), (1, 0)))) for j in range(3)])


def _scattered(positions: np.ndarray, moved: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Linear on tetrahedra, or triangles, between points."""
    from scipy.interpolate import LinearNDInterpolator  # slow to load

    axes = [k for k in range(3) if np.ptp(positions[:, k]) > 0]
    if len(positions) <= len(axes) or len(axes) < 2:
        return np.broadcast_to(moved.mean(axis=0), points.shape)
    return LinearNDInterpolator(positions[:, axes], moved)(points[:, axes])


def sampled(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(n,) grey values between the voxels, linear; NaN outside. Only the box around the points is read."""
    from scipy import ndimage  # slow to load

    inside = (np.isfinite(points) & (points >= 0) & (points <= np.array(volume.shape) - 1)).all(axis=1)
    found = np.full(len(points), np.nan)
    if inside.any():
        low = np.floor(points[inside].min(axis=0)).astype(int)
        high = np.ceil(points[inside].max(axis=0)).astype(int) + 1
        box = volume[tuple(slice(a, b) for a, b in zip(low, high, strict=True))].astype(np.float32)
        found[inside] = ndimage.map_coordinates(box, (points[inside] - low).T, order=1, mode="nearest")
    return found


def like(grey: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Grey values with mean and standard deviation of others, of the pixels that both have."""
    both = np.isfinite(grey) & np.isfinite(wanted)
    values = np.where(both, grey, 0.0)
    sums = grey_sums(values, both, values, np.where(both, wanted, 0.0))
    return fits_of(sums)[1](grey)
