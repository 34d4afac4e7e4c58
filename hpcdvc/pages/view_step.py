"""One step of what hpcdvc-view shows: answers about it."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.pages import facts
from hpcdvc.pages.levels import Level
from hpcdvc.pages.planes import as_bytes, cut
from hpcdvc.pages.result_file import ResultFile
from hpcdvc.pages.view_fields import Quantity, distribution_of, quantities_of
from hpcdvc.pages.view_found import found_images
from hpcdvc.pages.view_images import Images, plane_of, residual_plane
from hpcdvc.pages.view_legend import counts_of, legend_of
from hpcdvc.pages.view_planes import Box, plane_of_grid, plane_of_mesh, points_near, quantised
from hpcdvc.pages.view_point import neighbours_of, pair_at, part_of, position_of, row_at, values_of
from hpcdvc.pages.view_result import Source

#: What to try, by the name of a result and a status.
Advice = Callable[[str, int], str]
#: Differences of the images, made for the plane that is shown.
AFTER, BEFORE = "im2 - im1 after", "im2 - im1 before"  # no column has such a name
RESIDUALS = {AFTER: "residual im2 - im1, im2 brought back", BEFORE: "im2 - im1 as they are"}
Planes = dict[str, np.ndarray]


class Step:
    """A result with its images.

    Parameters
    ----------
    source : the result
    images : those that the command line names
    advice : see `Advice`
    """

    def __init__(self, source: Source, images: Images, advice: Advice) -> None:
        self.source, self.images, self._advice = source, images, advice

    def prepare(self, levels: dict[str, Level], check: Callable[[], None] = lambda: None) -> None:
        """Find out all that is told of it, and its images; of levels that are there they are taken.

        Parameters
        ----------
        levels : from `Images.known`
        check : called often; what it raises ends the work

        Raises
        ------
        UserError, RunError
            It cannot be read.
        """
        with self.source.open() as result:
            self.images = found_images(self.images, result)
            self.kind, self.family, self.metadata = result.kind, result.family, result.metadata
            self.grid, self.labelled = result.grid, "label" in result.columns
            self.command = facts.command_line(result)
            self.box = Box.of(self.source, result, self.images.shape)
            self.counts = counts_of(result, check)
            if self.source.cells is None:
                self.quantities = quantities_of(result)
            else:
                with self.source.cells() as cells:
                    self.quantities = quantities_of(result, cells)
        self.images.take(levels)

    # answers

    def told(self) -> dict[str, Any]:
        """All that a page needs to begin with it."""
        fields = [one.told() for one in self.quantities.values()]
        if {"im1", "im2"} <= set(self.images.levels) and (self.kind != "image"):
            fields += [
                {"key": key, "title": title, "unit": "grey value", "colours": "RdBu_r", "of_cells": False}
                for key, title in RESIDUALS.items()
            ]
        return {
            "name": self.source.name,
            "what": self.what(),
            "command": self.command,
            "box": self.box.told(),
            "fields": fields,
            "statuses": self.statuses(),
            "rows": self.rows_drawn,
            "progress": self.source.progress,
            "at_work": self.source.at_work,
            "images": [one.spec if one else "" for one in (self.images.im1, self.images.im2)],
            "labels": self.images.labels.spec if self.images.labels else "",
            "why": self.images.why,
            "levels": sorted(self.images.levels),
        }

    def what(self) -> str:
        """The kind of result in words."""
        if self.kind == "registration":
            return "one registration"
        if self.grid:
            word = "pixels" if self.kind == "image" else "nodes"
            return f"grid of {' x '.join(map(str, self.grid.shape))} {word} (ZYX)"
        count = sum(self.counts.values())
        mesh = self.source.mesh
        if mesh is None:
            return f"{count} {self.kind}"
        cells = f"{len(mesh.cells)} {'tetrahedra' if mesh.cells.shape[1] == 4 else 'triangles'}"
        return cells if mesh.of_cells else f"{len(mesh.points)} nodes of {cells}"

    @property
    def rows_drawn(self) -> bool:
        """Whether values are sent once for all rows: of labels and points, not of grids and meshes."""
        return not self.grid and self.source.mesh is None

    def statuses(self) -> list[dict]:
        """The legend."""
        return legend_of(self.counts, self.metadata, self.family, lambda code: self._advice(self.source.path, code))

    def quantity(self, key: object) -> Quantity | None:
        """A number of the rows; None for statuses, which have no such.

        Raises
        ------
        UserError
            There is none.
        """
        if isinstance(key, str) and (key == "returnStatus" or key in RESIDUALS):
            return None
        if not isinstance(key, str) or key not in self.quantities:
            raise UserError(f"{self.source.name} has no field {quoted(key)}")
        return self.quantities[key]

    def _opened(self, quantity: Quantity | None):
        return self.source.cells() if quantity is not None and quantity.of_cells else self.source.open()

    def distribution(self, key: object) -> dict:
        """How a number is distributed."""
        quantity = self.quantity(key)
        if quantity is None:
            return {"points": 0}
        with self._opened(quantity) as result:
            return distribution_of(quantity, result)

    def rows(self, key: object) -> Planes:
        """A value, a status and a label for each row, where all are sent at once."""
        quantity = self.quantity(key)
        planes = {}
        with self.source.open() as result:
            statuses = result.statuses()
            if statuses is not None:
                planes["status"] = statuses.astype(np.int8)[:, None]
            if quantity is not None:
                planes["values"] = quantity.of(result)[:, None]
            if "label" in result.columns:
                planes["label"] = result.values("label").astype(np.uint32)[:, None]
        return planes

    def look(
        self, views: list[tuple[int, bool, bool]], key: object, point: np.ndarray, under: object = "im1"
    ) -> tuple[dict, Planes]:
        """Planes through a point: of each view the field, and the grey values `under` it, as they are asked for."""
        found, planes = {}, {}
        quantity = self.quantity(key)
        known = {number: across for number, across, _, _ in self.box.views}
        for number, of_field, grey in views:
            if number not in known:
                raise UserError(f"there is no view {number}")
            across = known[number]
            content: dict[str, Any] = {}
            place, some, more = float(point[across]), {}, {}
            if of_field and key in RESIDUALS:
                content["field"], some = self._residual(across, place, key == BEFORE)
            elif of_field:
                content["field"], some = self._field(quantity, across, place)
            if grey:
                content["grey"], more = self._grey(under, across, place)
            planes |= {f"{name} {number}": plane for name, plane in (some | more).items()}
            found[str(number)] = content
        return {"views": found, "window": self.images.window}, planes

    def _field(self, quantity: Quantity | None, across: int, place: float) -> tuple[dict, Planes]:
        mesh, labels = self.source.mesh, self.images.levels.get("labels")
        if self.grid:
            with self.source.open() as result:
                return plane_of_grid(result, quantity, across, place)
        if mesh is not None:
            values, statuses = self._of_mesh(quantity)
            of_cells = mesh.of_cells or (quantity is not None and quantity.of_cells)
            return plane_of_mesh(mesh, values, of_cells, statuses, across, place)
        if labels is not None and self.labelled:
            plane, shape = plane_of(labels, across, place)
            found, _ = cut(labels, plane, shape, labels=True)
            return self._raster(labels, across, place, "labels"), {"labels": found.astype(np.uint32)}
        return points_near(self._positions, across, place)

    def _of_mesh(self, quantity: Quantity | None) -> tuple[np.ndarray | None, np.ndarray | None]:
        """Values of points or cells, and statuses of rows; kept for the next plane."""
        key = quantity.key if quantity else None
        if self._kept[0] != key:
            with self._opened(quantity) as result:
                values = quantity.of(result) if quantity else None
            with self.source.open() as result:
                self._kept = (key, values, result.statuses())
        return self._kept[1:]

    _kept: tuple = ("", None, None)

    @cached_property
    def _positions(self) -> np.ndarray:
        with self.source.open() as result:
            return np.array(result.positions)

    def _raster(self, level: Level, across: int, place: float, kind: str) -> dict:
        down, right = (k for k in range(3) if k != across)
        return {
            "kind": kind,
            "first": [level.first[down], level.first[right]],
            "step": [level.size[down], level.size[right]],
            "place": place,
        }

    def _residual(self, across: int, place: float, before: bool) -> tuple[dict, Planes]:
        with self.source.open() as result:
            found = residual_plane(self.images, result, across, place, before)
        if found is None:
            return {"kind": "none"}, {}
        values, low, high = quantised(found[0])
        raster = self._raster(found[1], across, place, "raster")
        return {**raster, "low": low, "high": high, "shape": values.shape}, {"values": values}

    def _grey(self, name: object, across: int, place: float) -> tuple[dict, Planes]:
        level = self.images.levels.get(name) if name in ("im1", "im2") else None
        if level is None:
            return {"kind": "none"}, {}
        plane, shape = plane_of(level, across, place)
        grey = as_bytes(cut(level, plane, shape)[0], self.images.window)
        return self._raster(level, across, place, "grey"), {"grey": grey}

    def point(self, point: np.ndarray, row: int | None, across: object) -> tuple[dict, Planes]:
        """All that is known of the row at a point, or of one by its number."""
        across = across if across in (0, 1, 2) else 0
        with self.source.open() as result:
            size = int(np.prod(result.shape))
            if row is None or not 0 <= row < size:
                row = row_at(self.source, result, point, self._label_at(point))
            if row is None:
                return {"row": None, "text": "nothing was measured here"}, {}
            pair = pair_at(self.images, result, row, across)
            content = {
                "row": row,
                "position": position_of(result, row),
                "values": values_of(result, row),
                "status": self._status(result, row),
                "neighbours": [self.neighbour(result, other) for other in neighbours_of(result, row)],
            }
        if isinstance(pair, str):
            return content | {"pair": {"why": pair}}, {}
        return content | {"pair": {"before": pair.before, "after": pair.after, "half": pair.half}}, pair.planes

    def _label_at(self, point: np.ndarray) -> int:
        level = self.images.levels.get("labels")
        if level is None:
            return 0
        cell = np.rint((point - level.first) / level.size).astype(int)
        return int(level.array[tuple(cell)]) if ((cell >= 0) & (cell < level.array.shape)).all() else 0

    def _status(self, result: ResultFile, row: int) -> dict | None:
        found = result.statuses(part_of(result, row))
        if found is None:
            return None
        code = int(found.reshape(-1)[0])
        return next((entry for entry in self.statuses() if entry["code"] == code), None)

    @staticmethod
    def neighbour(result: ResultFile, row: int) -> dict:
        """What is told of a row beside another: its displacement; of a result that has none its first column."""
        part, status = part_of(result, row), result.statuses(part_of(result, row))
        names = sorted((one for one in result.columns if one != "returnStatus"), key=lambda one: one != "displacement")
        return {
            "row": row,
            "position": position_of(result, row),
            "status": None if status is None else int(status.reshape(-1)[0]),
            "name": names[0] if names else "",
            "numbers": result.known(names[0], part).reshape(-1) if names else (),
        }
