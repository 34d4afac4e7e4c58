"""The images behind a result: the grey planes, its labels, and what is left between im1 and im2 brought back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import RawLayout, VolumeInfo, describe
from hpcdvc.output.kinds import is_hdf
from hpcdvc.pages.levels import Level, factor_of, level_of, preview
from hpcdvc.pages.planes import Displacements, cut, grey_window
from hpcdvc.pages.residual import like, sampled
from hpcdvc.pages.result_file import ResultFile, open_result


@dataclass(eq=False)
class Images:
    """The images of one step; levels come one after the other.

    Attributes
    ----------
    im1, im2, labels : headers; None where there is none
    why : why there are no images, where the page shall say so
    levels : what is there to be looked at, by name
    between : displacements between points, once they are made
    window : grey values that are shown black and white
    """

    im1: VolumeInfo | None = None
    im2: VolumeInfo | None = None
    labels: VolumeInfo | None = None
    why: str = ""
    levels: dict[str, Level] = field(default_factory=dict)
    window: tuple[float, float] = (0.0, 1.0)
    between: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def shape(self) -> tuple[int, int, int] | None:
        """Of im1."""
        known = self.im1 or self.labels
        return known.shape if known else None

    def known(self) -> dict[str, Level]:
        """The levels that are whole, for `take` and `load` of others."""
        return {_key(name, getattr(self, name)): level for name, level in self.levels.items() if level.exact}

    def take(self, known: dict[str, Level]) -> None:
        """Take the levels that are there already."""
        for name in ("im1", "labels", "im2"):
            info = getattr(self, name)
            if info is not None and _key(name, info) in known:
                self._take(name, known[_key(name, info)])

    def load(self, tell: Callable[[str], None], known: dict[str, Level]) -> None:
        """Make the levels; `tell` says how far it is, "" when something new is there; `known` ones are taken."""
        for name in ("im1", "labels", "im2"):
            info = getattr(self, name)
            if info is None or name in self.levels:
                continue
            key, factor = _key(name, info), factor_of(info.shape)
            if key not in known:
                if factor > 1:
                    tell(f"a first look at {info.spec}")
                    self._take(name, preview(info, factor, name == "labels"))
                tell(f"reading {info.spec}")
                known[key] = level_of(
                    info, factor, name == "labels", lambda part, info=info: tell(f"{info.spec}: {100 * part:.0f} %")
                )
            self._take(name, known[key])
            tell("")

    def _take(self, name: str, level: Level) -> None:
        if name != "labels":
            every = max(1, round((level.array.size / 2**20) ** (1 / 3)))
            self.window = grey_window([np.asarray(level.array[::every, ::every, ::every], np.float32)])
        self.levels[name] = level


def _key(name: str, info: VolumeInfo) -> str:
    return f"{'labels' if name == 'labels' else 'image'} {info.spec}"


def given_images(
    specs: tuple[str, ...],
    steps: int,
    label: str | None,
    every_slice: bool = False,
    raw_layout: RawLayout | None = None,
) -> list[Images]:
    """Images that the command line names: a pair for all steps, or the first and one for each step.

    Parameters
    ----------
    specs, label : images, and one of labels or None
    steps : of the result
    every_slice, raw_layout : see `hpcdvc.images.describe`

    Raises
    ------
    UserError
        They cannot be read, are too many or too few, or differ in size.
    """
    look = partial(describe, every_slice=every_slice, raw_layout=raw_layout)
    infos, labels = list(map(look, specs)), look(label) if label else None
    if infos and len(infos) not in (2, steps + 1):
        raise UserError(f"--images: 2 images are needed, or one more than there are steps ({steps}), not {len(infos)}")
    sized = [*infos, *([labels] if labels else [])]
    for one in sized[1:]:
        if one.shape != sized[0].shape:
            raise UserError(f"{sized[0].spec} and {one.spec} differ in size: {sized[0].shape} and {one.shape}")
    if labels and labels.dtype.kind not in "iu":
        raise UserError(f"{labels.spec} is no image of labels: it holds {labels.dtype}")
    if not infos:
        return [Images(labels=labels) for _ in range(steps)]
    return [Images(infos[0], infos[min(k + 1, len(infos) - 1)], labels) for k in range(steps)]


def check_fit(given: Images, path: str) -> None:
    """Make sure that images of the command line are as large as im1 of a result that tells it.

    Raises
    ------
    UserError
        They are not: its points lie elsewhere.
    """
    info = given.im1 or given.labels
    if info is None or not is_hdf(path):
        return
    with open_result(path) as result:
        told = (result.metadata.get("provenance") or {}).get("im1")
        shape = told.get("shape") if isinstance(told, dict) and result.kind != "image" else None
    if isinstance(shape, list) and shape != list(info.shape):
        raise UserError(f"{info.spec} does not fit {path}: its shape is {info.shape}, that of im1 {tuple(shape)}")


def residual_plane(
    images: Images, result: ResultFile, across: int, place: float, before: bool
) -> tuple[np.ndarray, Level] | None:
    """im2 - im1 on a plane, (rows, columns) float32 in cells of the level, NaN where there is none; and the level.

    Parameters
    ----------
    images : with levels of both
    result : where im1 has gone
    across, place : the plane
    before : im2 as it is, else brought back by the result

    Returns
    -------
    None where images are missing, or the result does not say where im1 has gone
    """
    im1, im2 = images.levels.get("im1"), images.levels.get("im2")
    if im1 is None or im2 is None:
        return None
    plane, shape = plane_of(im1, across, place)
    grey, covered = cut(im1, plane, shape)
    if before:
        other, inside = cut(im2, plane, shape)
    elif result.grid and result.kind != "registration":
        other, inside = cut(im2, plane, shape, _near(result, across, place))
    else:
        steps = np.indices(shape).reshape(2, -1).T @ plane[1:]
        points = plane[0] + steps
        goes = moved(result, points, images)
        if goes is None:
            return None
        if result.kind == "registration":  # Phi is about the middle of both images
            goes += (np.array(images.im2.shape) - images.im1.shape) / 2
        other = sampled(im2.array, (points + goes - im2.first) / im2.size).reshape(shape)
        inside = np.isfinite(other)
    known = (covered != 0) & (inside != 0)
    grey, other = (np.where(known, one, np.nan).astype(float) for one in (grey, other))
    return (like(other, grey) - grey).astype(np.float32), im1


def plane_of(level: Level, across: int, place: float) -> tuple[np.ndarray, tuple[int, int]]:
    """A plane of all cells of a level, voxels: first pixel, steps down and to the right; and its shape."""
    down, right = (k for k in range(3) if k != across)
    first, steps = level.first.copy(), np.diag(level.size)
    last = first[across] + level.size[across] * (level.array.shape[across] - 1)
    first[across] = np.clip(place, first[across], last)
    return np.array([first, steps[down], steps[right]]), (level.array.shape[down], level.array.shape[right])


def _near(result: ResultFile, across: int, place: float) -> Displacements:
    """Those of the nodes on both sides of a plane: no others are read."""
    grid = result.grid
    spacing = np.array([s if s > 0 else 1.0 for s in grid.spacing])
    at = (place - grid.origin[across]) / spacing[across]
    low = int(np.clip(np.floor(at), 0, max(grid.shape[across] - 2, 0)))
    slab = tuple(slice(low, low + 2) if k == across else slice(None) for k in range(3))
    origin = np.array(grid.origin, float)
    origin[across] += low * spacing[across]
    return Displacements(np.ascontiguousarray(result.known("displacement", slab)), np.array([origin, spacing]))


def moved(result: ResultFile, points: np.ndarray, images: Images) -> np.ndarray | None:
    """(n, 3) displacements at points of im1, NaN where none is known; None where the result has none."""
    if result.kind == "registration":
        if not np.all(result.measured()):
            return None
        phi = result.values("Phi").reshape(4, 4)
        return (points - result.positions[0]) @ (phi[:3, :3] - np.eye(3)).T + phi[:3, 3]
    if "displacement" not in result.columns:
        return None
    labels = images.levels.get("labels")
    if labels is not None and "label" in result.columns:
        return _of_labels(result, points, labels)
    if images.between is None:
        images.between = _between(result.positions, result.known("displacement"))
    return images.between(points)


def _between(positions: np.ndarray, goes: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Linear between measured points; NaN everywhere where they are too few."""
    from scipy.interpolate import LinearNDInterpolator  # slow to load

    usable = np.isfinite(goes).all(axis=1) & np.isfinite(positions).all(axis=1)
    axes = [k for k in range(3) if np.ptp(positions[usable, k]) > 0] if usable.any() else []
    if usable.sum() <= len(axes) or len(axes) < 2:
        return lambda points: np.full(points.shape, np.nan)
    made = LinearNDInterpolator(positions[usable][:, axes], goes[usable])
    return lambda points: made(points[:, axes])


def _of_labels(result: ResultFile, points: np.ndarray, labels: Level) -> np.ndarray:
    """Each voxel goes with its label."""
    cells = np.rint((points - labels.first) / labels.size).astype(int)
    inside = ((cells >= 0) & (cells < labels.array.shape)).all(axis=1)
    numbers = np.zeros(len(points), np.int64)
    numbers[inside] = labels.array[tuple(cells[inside].T)]
    known = result.values("label").astype(np.int64)
    order = np.argsort(known)
    place = np.clip(np.searchsorted(known[order], numbers), 0, len(known) - 1)
    rows = order[place]
    found = (known[rows] == numbers) & (numbers > 0) & np.broadcast_to(result.measured(), known.shape)[rows]
    phi, goes = result.values("Phi")[rows[found]], np.full((len(points), 3), np.nan)
    away = points[found] - result.positions[rows[found]]
    goes[found] = np.einsum("nij,nj->ni", phi[:, :3, :3] - np.eye(3), away) + phi[:, :3, 3]
    return goes
