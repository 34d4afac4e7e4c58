"""The images of hpcdvc-ereg-discrete: surroundings of a label, a map of all, and the registration of one."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo, open_volume
from hpcdvc.pages.discrete_state import LabelState
from hpcdvc.pages.ereg_images import Shown
from hpcdvc.pages.ereg_views import Drawn, draw, plane_of
from hpcdvc.pages.levels import Level, factor_of, preview
from hpcdvc.pages.planes import as_bytes, cut, grey_window, through_phi
from hpcdvc.ranks.team import Team
from hpcdvc.registration.labels import LabelMask, LabelRegistration, is_large
from hpcdvc.registration.settings import Settings
from hpcdvc.search.settings import SearchSettings
from hpcdvc.steps.find_labels import LabelSearch
from hpcdvc.steps.labels import LabelPoints, finished
from hpcdvc.steps.particles import scan_some_labels
from hpcdvc.steps.search_settings import searcher

#: Pixels along an edge of what is shown of a label, at most.
EDGE = 512
#: Marks of the pixels of a view: nothing, another label, the one that is repaired.
NOTHING, OTHER, OWN = 0, 1, 2


class LabelImages:
    """im1, its labels, and im2.

    Parameters
    ----------
    im1, labels, im2 : headers
    settings, voxels : of the registrations, those of hpcdvc-ddic
    margin : voxels that are shown around a label

    Attributes
    ----------
    shown : surroundings of the label that is looked at; None before there is one
    particles : (k,) the labels that there are
    """

    def __init__(
        self, im1: VolumeInfo, labels: VolumeInfo, im2: VolumeInfo, settings: Settings, voxels: LabelMask, margin: int
    ) -> None:
        self.im1, self.labels, self.im2 = im1, labels, im2
        self.settings, self.voxels, self.margin, self.mask = settings, voxels, margin, None
        self.shown: Shown | None = None
        self.particles = np.empty(0)

    def load(self) -> None:
        """Open the images and look at all labels; what is mapped is read only where it is looked at.

        Raises
        ------
        UserError, RunError
            There are no labels, or negative ones; an image cannot be read.
        """
        self._arrays = [open_volume(info, Team()) for info in (self.im1, self.labels, self.im2)]
        self._whole = [_level_of(array) for array in self._arrays]
        self.particles = scan_some_labels(self._arrays[1], self.labels.spec, Team())
        factor = factor_of(self.im1.shape, EDGE)
        self._map = [preview(self.im1, factor), preview(self.labels, factor, labels=True)]
        self._window = grey_window([self._map[0].array])

    def look_at(self, number: int, phi: np.ndarray) -> None:
        """Show the surroundings of a particle, where Phi (4, 4) takes it."""
        im1, _, im2 = self._arrays
        particle = self.particles[number]
        low, high = (particle[name].astype(int) for name in ("low", "high"))
        margin = self.margin * (np.array(self.im1.shape) > 1)
        move = np.rint(phi[:3, 3]).astype(int)
        grown = np.stack([low - margin, high + margin + 1])
        there = _inside(grown + move, im2.shape)
        level, here = _level_of(im2, there), _inside(grown, im1.shape)
        number = 1 if self.shown is None else self.shown.number + 1
        both = Shown.of(_level_of(im1, here), level, number)
        self.shown = replace(both, im1=self._whole[0])

    # what is drawn

    def draw(self, state: LabelState, before: Iterable[Drawn], converged: np.ndarray) -> tuple[list[Drawn], dict]:
        """Planes of the label that is looked at, and which pixels belong to it, or to others, by name.

        Parameters
        ----------
        state : of the label
        before : planes of the same surroundings
        converged : labels that the mask "converged" leaves out
        """
        planes, marks = [], {}
        for plane in draw(state, self.shown, before):
            place = through_phi(plane_of(state, self.shown.im2, plane.view, plane.number), state.matrix, state.centre)
            values, covered = cut(self._whole[1], place, plane.im1.shape, labels=True)
            values[covered == 0] = 0
            own = values == state.label
            if state.mask != "none":
                hidden = ~own if state.mask == "label" else np.isin(values, converged) & ~own
                plane = replace(plane, inside=plane.inside * ~hidden)
            planes.append(plane)
            mark = np.where(own, OWN, np.where(values != 0, OTHER, NOTHING)).astype(np.int8)
            marks[f"marks {plane.view}"] = mark
        return planes, marks

    def map_of(self, axis: float, place: float) -> tuple[dict, dict[str, np.ndarray]]:
        """A slice of im1 and of its labels across an axis: facts and planes; UserError where there is no such axis."""
        if axis not in (0, 1, 2):
            raise UserError("the axis of a map is 0, 1 or 2")
        (grey, labels), axis = self._map, int(axis)
        number = int(np.clip(round((place - labels.first[axis]) / labels.size[axis]), 0, labels.array.shape[axis] - 1))
        planes = {
            "grey": as_bytes(np.take(grey.array, number, axis=axis).astype(np.float32), self._window),
            "labels": np.take(labels.array, number, axis=axis).astype(np.uint32),
        }
        return {"axis": axis, "first": labels.first, "size": labels.size, "place": float(place)}, planes

    # what is measured

    def refined(self, number: int, phi: np.ndarray, team: Team) -> np.ndarray:
        """The row (1,) LABEL_ROW that hpcdvc-ddic gives a particle from a start (4, 4)."""
        points = self._points(phi)
        registration, some = self._registration(), np.array([number])
        point = points(some)
        if is_large(point)[0]:
            return finished(registration.together(point, team), point["label"], self.voxels.dilate)
        return LabelSearch(registration, None, points).starting(some, points.phi[some])[0]

    def searched(self, number: int, phi: np.ndarray) -> np.ndarray:
        """The same; when that is lost it is looked for from the start, and registered where it is found."""
        im1, labels, im2 = self._arrays
        least, voxels = self.settings.window.min_valid, self.voxels
        settings = SearchSettings(min_valid=least, dilate=voxels.dilate, min_volume=voxels.min_volume)
        search = searcher(settings, (im1, im2), (None, None), labels, None, None, Team())
        points, some = self._points(phi), np.array([number])
        return LabelSearch(self._registration(), search, points).starting(some, points.phi[some])[0]

    def _points(self, phi: np.ndarray) -> LabelPoints:
        starts = np.broadcast_to(phi[:3], (len(self.particles), 3, 4))
        return LabelPoints(self.particles, starts, self.voxels.dilate, self.im1.two_dimensional)

    def _registration(self) -> LabelRegistration:
        im1, labels, im2 = self._arrays
        return LabelRegistration(im1, im2, labels, self.settings, self.voxels)


def _inside(box: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """A box, first and last + 1 (2, 3), moved into a volume as far as it has to be, and never empty."""
    size, limits = np.minimum(box[1] - box[0], shape), np.array(shape)
    low = np.clip(box[0], 0, limits - size)
    return np.stack([low, low + size])


def _level_of(array: np.ndarray, box: np.ndarray | None = None) -> Level:
    """A box of an image as pages show it; of large ones every n-th voxel."""
    if box is None:
        return Level(array, np.ones(3), np.zeros(3))
    every = max(1, -(-int((box[1] - box[0]).max()) // EDGE))
    part = array[tuple(slice(a, b, every) for a, b in box.T)]
    return Level(part, np.full(3, float(every)), box[0].astype(float))


def converged_labels(rows: np.ndarray) -> np.ndarray:
    """Labels of rows that have converged."""
    return rows["label"][rows["return_status"] == Status.CONVERGED]
