"""A run that has not ended: what its ranks have measured so far, from their shards, to look at."""

import glob
import json
import os
from collections.abc import Mapping

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.fields.field import ROW, Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family
from hpcdvc.output import schema
from hpcdvc.output.files import read_small
from hpcdvc.pages.view_result import FieldResult, Source
from hpcdvc.runs.lock import at_work
from hpcdvc.runs.shards import Shards
from hpcdvc.search.rows import PARTICLE_ROW, SEARCH_ROW
from hpcdvc.steps.labels import LABEL_ROW

#: Rows that shards of points may hold, and the family of their field.
LAYOUTS = (
    (ROW, Family.REGISTRATION),
    (LABEL_ROW, Family.REGISTRATION),
    (SEARCH_ROW, Family.SEARCH),
    (PARTICLE_ROW, Family.SEARCH),
)
#: Status of a point that nothing is known of yet; in no file.
NOT_YET = -128


def stem_of(path: str) -> str:
    """Of a result."""
    return path.removesuffix(".hdf")


def is_running(path: str) -> bool:
    """Whether there are shards of a run that writes this result, and the result is not there."""
    return path.endswith(".hdf") and os.path.isdir(f"{stem_of(path)}.parts") and not os.path.exists(path)


def mark_of(path: str) -> tuple:
    """What changes when a result, or what is there of it, has changed, or nobody works on it any more."""
    if not is_running(path):
        return (_state(path),)
    shards = sorted(glob.glob(os.path.join(glob.escape(f"{stem_of(path)}.parts"), "*.rec")))
    return (at_work(stem_of(path)), *(_state(one) for one in (path, *shards)))


def _state(path: str) -> tuple[int, ...]:
    try:
        status = os.stat(path)
    except OSError:
        return ()
    return status.st_size, status.st_mtime_ns, status.st_ino


def source_of(path: str) -> Source:
    """What is there of a result: nodes of a grid, or labels, in the order in which the points are numbered.

    Raises
    ------
    UserError
        The shards are not those of points, or their folder cannot be read.
    """
    folder = f"{stem_of(path)}.parts"
    parameters = _parameters(folder)
    made_from = parameters.get("made_from") or {}
    rows, family = _rows(stem_of(path))
    grid = _grid(made_from["grid"], folder) if "grid" in made_from else None
    told = {name: value for name, value in made_from.items() if isinstance(value, dict)}
    # what the shards do not know is where the images were; they may stand beside the result
    names = {name: value["name"] for name, value in told.items() if isinstance(value.get("name"), str)}
    metadata = {"parameters": {**(parameters.get("options") or {}), **names}, "provenance": told}
    named = tuple(name for name in rows.dtype.names if name not in ROW.names)
    if grid is None and "label" not in named:
        raise UserError(f"{folder}: nothing of this run can be shown yet; its result will be, when it is there")
    rows = rows if grid is None else _in_place(rows, grid.size)
    positions = None if grid else np.full((len(rows), 3), np.nan)
    result = FieldResult.of(_field(rows, named, grid=grid, positions=positions, family=family), path, metadata)
    done = int(np.count_nonzero(rows["return_status"] != NOT_YET))
    return Source.in_memory(result, progress=(done, grid.size if grid else 0), at_work=at_work(stem_of(path)))


def _parameters(folder: str) -> Mapping:
    try:
        found = json.loads(read_small(os.path.join(folder, "key.json"), 2**24, "the parameters of a run"))
        parameters = found["parameters"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{folder} does not tell what it is of") from error
    if not isinstance(parameters, dict) or not isinstance(parameters.get("made_from", {}), dict):
        raise UserError(f"{folder} does not tell what it is of")
    return parameters


def _rows(stem: str) -> tuple[np.ndarray, Family]:
    """All rows so far; the layout that fits is found by the checksums of the frames."""
    for layout, family in LAYOUTS:
        rows = Shards(stem, {}, layout).load()
        if len(rows):
            return rows, family
    return np.empty(0, ROW), Family.REGISTRATION


def _in_place(rows: np.ndarray, count: int) -> np.ndarray:
    """Rows of all points; of those that are not there yet nothing is known."""
    whole = np.zeros(count, rows.dtype)
    for name in rows.dtype.names:
        if rows.dtype[name].base.kind == "f":
            whole[name] = np.nan
    whole["return_status"] = NOT_YET
    known = rows[(rows["index"] >= 0) & (rows["index"] < count)]
    whole[known["index"]] = known
    return whole


def check_running(path: str) -> None:
    """Make sure that a run tells what it is of; UserError where it does not."""
    _parameters(f"{stem_of(path)}.parts")


def _grid(told: object, what: str) -> Grid:
    """A grid as the parameters of a run tell it: origin, spacing, shape; UserError where they tell none."""
    match told:
        case [[*origin], [*spacing], [*shape]] if len(origin) == len(spacing) == len(shape) == 3:
            numbers = (*origin, *spacing, *shape)
            if all(type(one) in (int, float) for one in numbers) and min(spacing) > 0:
                if all(int(n) == n and 0 < n < 2**31 for n in shape):
                    return Grid(tuple(map(float, origin)), tuple(map(float, spacing)), tuple(map(int, shape)))
    raise UserError(f"{what} does not say where its nodes are: {quoted(told)}")


def _field(rows: np.ndarray, names: tuple[str, ...], **more) -> Field:
    """The field of rows as shards hold them."""
    members = schema.members_of_rows(rows, {name: rows[name] for name in names})
    phi = np.tile(np.eye(4), (len(rows), 1, 1))
    phi[:, :3] = members["Phi"]
    return schema.field_of_members({**members, "Phi": phi}, **more)
