"""What the page of hpcdvc-ereg draws: planes of im2 and of im1 as Phi moves it, and how well they match."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from hpcdvc.pages.detail import Region, detail
from hpcdvc.pages.ereg_images import PairOfImages, Shown
from hpcdvc.pages.ereg_state import EregState
from hpcdvc.pages.levels import Level
from hpcdvc.pages.messages import Message
from hpcdvc.pages.planes import as_bytes, cut, through_phi

#: Pixels of a plane that the figures are found from, about.
PIXELS = 2**16

#: How well grey values of im1 and im2 match.
Measure = Callable[[np.ndarray, np.ndarray], float | None]


@dataclass(frozen=True)
class Drawn:
    """A plane of both images.

    Attributes
    ----------
    view : number of the view
    number : of the slice
    im1, im2 : (rows, columns) float32 arrays
    inside : (rows, columns) uint8, where im1 as Phi moves it has a value
    """

    view: int
    number: int
    im1: np.ndarray
    im2: np.ndarray
    inside: np.ndarray


def slice_of(state: EregState, level: Level, view: int) -> int:
    """Number of the slice of the level that goes through the cross-hair."""
    axis = state.views[view][0]
    # not `round`, by which two half voxels in a row are one slice
    number = math.floor((state.point[axis] - level.first[axis]) / level.size[axis] + 0.5)
    return min(max(number, 0), level.array.shape[axis] - 1)


def plane_of(state: EregState, level: Level, view: int, number: int) -> np.ndarray:
    """(3, 3) place of pixel (0, 0) and steps down and across of a slice of the level, voxels of the image."""
    across, down, right = state.views[view]
    place, steps = level.first.copy(), np.diag(level.size)
    place[across] += number * level.size[across]
    return np.array([place, steps[down], steps[right]])


def draw(state: EregState, shown: Shown, before: Iterable[Drawn] = ()) -> list[Drawn]:
    """The planes of all views.

    Parameters
    ----------
    state : says where
    shown : levels of both images
    before : planes of these levels; those of im2 are taken from there where they are the same
    """
    drawn, level = [], shown.im2
    known = {(plane.view, plane.number): plane.im2 for plane in before}
    for view, (across, down, right) in state.views.items():
        number = slice_of(state, level, view)
        plane = through_phi(plane_of(state, level, view, number), state.matrix, state.centre)
        values, inside = cut(shown.im1, plane, (level.array.shape[down], level.array.shape[right]))
        fixed = known.get((view, number))
        if fixed is None:
            fixed = np.asarray(np.take(level.array, number, axis=across), np.float32)
        drawn.append(Drawn(view, number, values, fixed, inside * np.isfinite(fixed)))
    return drawn


def correlation(a: np.ndarray, b: np.ndarray) -> float | None:
    """Of two lists of grey values, -1 to 1."""
    if len(a) < 2:
        return None
    a, b = a - a.mean(), b - b.mean()
    norm = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / norm) if norm > 0 else None


def figures(drawn: list[Drawn], measure: Measure = correlation) -> dict:
    """How well the planes match: a measure (null where there is none), root mean square, part that overlaps.

    Of large planes from pixels spread evenly.
    """
    found = {}
    for plane in drawn:
        every = (slice(None, None, max(1, round((plane.im1.size / PIXELS) ** 0.5))),) * 2
        seen = plane.inside[every] != 0
        a, b = plane.im1[every][seen].astype(float), plane.im2[every][seen].astype(float)
        difference = float(np.sqrt(np.mean((a - b) ** 2))) if len(a) else None
        found[plane.view] = {"match": measure(a, b), "rms": difference, "overlap": float(seen.mean())}
    known = [one["match"] for one in found.values() if one["match"] is not None]
    squares = [one["rms"] ** 2 for one in found.values() if one["rms"] is not None]
    return {
        "views": found,
        "match": float(np.mean(known)) if known else None,
        "rms": float(np.sqrt(np.mean(squares))) if squares else None,
        "overlap": float(np.mean([one["overlap"] for one in found.values()])),
    }


def planes_of(drawn: list[Drawn], windows: tuple, had: dict[int, int]) -> dict[str, np.ndarray]:
    """Planes for the browser, by name and view: of im1, where it has a value, and of im2 where that is new.

    Parameters
    ----------
    drawn : from `draw`
    windows : grey values that become black and white, of im1 and of im2
    had : number of the slice of im2 that the browser has, by view
    """
    planes = {}
    for plane in drawn:
        planes[f"im1 {plane.view}"] = as_bytes(plane.im1, windows[0])
        planes[f"inside {plane.view}"] = plane.inside.astype(np.int8)  # uint8 may go as JPEG
        if had.get(plane.view) != plane.number:
            planes[f"im2 {plane.view}"] = as_bytes(np.nan_to_num(plane.im2), windows[1])
    return planes


def detailed(images: PairOfImages, region: Region, phi: np.ndarray, content: dict) -> Message:
    """A part of a view as the images themselves have it, lossless; without planes where too much would have to be read.

    Parameters
    ----------
    images : both
    region : of the view
    phi : (4, 4) about the centre of im1
    content : of the message, to which the size of pixels is added
    """
    plane, windows = region.plane(), images.shown.windows
    planes = {}
    fixed = detail(images.im2, plane, region.shape)
    moved = fixed and detail(images.im1, through_phi(plane, phi, images.middle), region.shape)
    if moved:
        planes = {"im1": as_bytes(moved[0], windows[0]), "inside": (moved[1] * fixed[1]).astype(np.int8)}
        planes["im2"] = as_bytes(fixed[0], windows[1])
    return Message("detail", content | {"size": [region.step, region.step]}, planes)
