"""Results back in: fields, what they say about themselves, and tables beside them."""

import math
import re
from collections.abc import Container, Iterator
from contextlib import contextmanager
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Family
from hpcdvc.output import schema, voxel_size
from hpcdvc.output.modal import ModalLevels
from hpcdvc.output.stored import Stored, opened
from hpcdvc.output.stored_field import Plan
from hpcdvc.ranks.tables import complete

if TYPE_CHECKING:
    from hpcdvc.ranks.team import Team

#: Files from this size on, bytes in memory, are read by all ranks.
READ_TOGETHER_FROM = 2**26
#: What a result says in plain text, and in JSON with its Python type; files may hold more, which nobody here reads.
TEXTS = ("schema", "component_order", "array_order", "kind", "family")
FACTS = {
    "key": str, "parameters": dict, "provenance": dict, "grid": dict, "statuses": dict, "curvature": dict,
    voxel_size.FACT: str,
}  # fmt: skip


def read_field(path: str | Path, members: Container[str] | None = None) -> Field:
    """Read a field from a file of ours.

    Parameters
    ----------
    path : the file
    members : names of what is wanted, as in `hpcdvc.fields.field.ROW` or `Field.extra`; None: all that is there

    Returns
    -------
    Field : `extra` holds all further columns of the file, ZYX: `zncc`, `valid_fraction`, `variance` (n, 12), ...
        Those that this version does not know keep their name, and the order of their components where that is
        unknown, too; they are left out where they are no numbers, one or more for each point

    Raises
    ------
    UserError : no such file, not one of ours, or a damaged one
    """
    with _opened(path) as stored:
        levels = ModalLevels.stored(stored)
        if levels is not None:
            return levels.field()
        plan = Plan.of(stored, _grid(stored), _family(stored), members)
        found = {name: np.empty(shape, dtype) for name, (shape, dtype) in plan.arrays.items()}
        plan.fill(stored, found, 0, plan.lead[0])
    return plan.field(found)


def read_together(path: str | Path, team: "Team") -> Field:
    """The same by all ranks, each a part of the points of a large file. Collective.

    Parameters
    ----------
    path : the file
    team : hpcdvc.ranks.team.Team

    Returns
    -------
    Field : the same on all ranks; of a large file its arrays stand in memory that the ranks of a node share, and are
        read-only

    Raises
    ------
    UserError : as in `read_field`, on every rank
    """
    if team.size == 1:
        return read_field(path)
    plan = team.agree(lambda: _planned(path))
    if plan is None:
        return team.agree(lambda: read_field(path))
    found = {name: team.shared_array(shape, dtype) for name, (shape, dtype) in plan.arrays.items()}
    per_plane = math.prod(plan.lead[1:])
    ends = [plan.lead[0] * ranks // team.size for ranks in accumulate(team.node_sizes, initial=0)]
    first = ends[team.node_index]
    start, stop = (first + k for k in team.node_span(ends[team.node_index + 1] - first))

    def fill() -> None:
        with _opened(path) as stored:
            plan.fill(stored, found, start, stop)

    team.agree_all(fill)
    return plan.field({name: complete(team, array, [per_plane * end for end in ends]) for name, array in found.items()})


def _planned(path: str | Path) -> "Plan | None":
    """What is to be read from a large file; None for a small one."""
    with _opened(path) as stored:
        plan = Plan.of(stored, _grid(stored), _family(stored), None)
        size = sum(math.prod(shape) * dtype.itemsize for shape, dtype in plan.arrays.values())
        return plan if size >= READ_TOGETHER_FROM else None


def read_metadata(path: str | Path, *names: str) -> dict:
    """What a file of ours says about itself: schema, parameters, provenance, statuses, ...

    Parameters
    ----------
    path : the file
    *names : of what is wanted, from `TEXTS` and `FACTS`; default all of these that are there

    Raises
    ------
    UserError : no such file, not one of ours, or a damaged one
    """
    with _opened(path) as stored:
        found = {name: stored.text("hpcdvc", name) for name in TEXTS if not names or name in names}
        found |= {name: _fact(stored, name) for name in FACTS if not names or name in names}
        if not names:
            found["schema_version"] = _version(stored)
    return {name: value for name, value in found.items() if value is not None or name == "grid"}


def read_statuses(path: str | Path) -> tuple[dict[str, dict], Family]:
    """How the points of a result ended, by status as `hpcdvc.fields.status.explain_counts` tells it, and its family.

    Raises
    ------
    UserError : no such file, not one of ours, a damaged one, or one that does not say it
    """
    with _opened(path) as stored:
        statuses, family = _fact(stored, "statuses"), _family(stored)
        if not statuses:
            raise stored.damaged("it does not say how its points ended")
    return statuses, family


def read_table(path: str | Path, name: str) -> np.ndarray:
    """A table that a file of ours keeps beside its columns.

    Raises
    ------
    UserError : no such file, not one of ours, or without this table
    """
    with _opened(path) as stored:
        table = stored.records(f"hpcdvc/{name}")
    if table is None:
        raise UserError(f"{path} holds no {name}: it was made by an older version; --force makes it again")
    return table


@contextmanager
def _opened(path: str | Path) -> Iterator[Stored]:
    with opened(path) as stored:
        columns = stored.find("VTKHDF/PointData")
        bare = columns is None or isinstance(columns, h5py.Group) and set(columns) == {voxel_size.POSITIONS}
        if isinstance(stored.find("VTKHDF/Types"), h5py.Dataset) and bare:
            raise UserError(f"{path} is a mesh without displacements: hpcdvc-gdic measures them")
        if not isinstance(stored.find("hpcdvc"), h5py.Group) or not isinstance(stored.find(_data(stored)), h5py.Group):
            raise UserError(f"{path} is an HDF5 file, but not a result of hpcdvc")
        version = _version(stored)
        if version > schema.SCHEMA_VERSION:
            raise UserError(
                f"{path} has version {version} of the file format; this hpcdvc reads up to {schema.SCHEMA_VERSION}"
            )
        yield stored


def _data(stored: Stored) -> str:
    """Where the arrays stand; the voxels of a volume are points, the pixels of images cells."""
    cells = stored.text("hpcdvc", "kind") == "image" and stored.find("VTKHDF/CellData") is not None
    return "VTKHDF/CellData" if cells else "VTKHDF/PointData"


def _version(stored: Stored) -> int:
    value = np.asarray(stored.find("hpcdvc").attrs.get("schema_version"))
    if value.shape not in ((), (1,)) or value.dtype.kind not in "iu":
        raise stored.damaged("it does not say the version of its format")
    return int(value.reshape(-1)[0])


def _family(stored: Stored) -> Family:
    """What the field was made by; files of older versions do not say it."""
    name = stored.text("hpcdvc", "family")
    if name is not None and name not in list(Family):
        raise stored.damaged(f"family reads {quoted(name)}")
    return Family(name or Family.REGISTRATION)


def _fact(stored: Stored, name: str) -> object:
    if name == voxel_size.FACT:
        voxel_size.in_file(stored)  # it is one
    value = stored.json("hpcdvc", name)
    if value is not None and not isinstance(value, FACTS[name]):
        raise stored.damaged(f"{name} reads {quoted(value)}")
    if name == "statuses" and not all(map(_is_status, (value or {}).items())):
        raise stored.damaged(f"{name} reads {quoted(value)}")
    return value


def _is_status(entry: tuple[str, object]) -> bool:
    """Whether an entry is the number of a status and how many points ended so, with words on it."""
    status, about = entry
    if not re.fullmatch("-?[0-9]{1,3}", status) or not isinstance(about, dict) or type(about.get("count")) is not int:
        return False
    return about["count"] >= 0 and all(isinstance(about.get(name), str) for name in ("reason", "advice"))


def _grid(stored: Stored) -> Grid | None:
    """The grid that a file says it has; its numbers make sense, and whether the columns fit is left to them."""
    value = _fact(stored, "grid")
    if value is None:
        return None
    names = ("origin", "spacing", "shape")
    if not all(isinstance(value.get(name), list) and len(value[name]) == 3 for name in names):
        raise stored.damaged(f"grid reads {quoted(value)}")
    numbers = [number for name in names for number in value[name]]
    sensible = all(type(number) in (int, float) and abs(number) < 2**63 for number in numbers)
    if not sensible or not all(type(n) is int and n > 0 for n in value["shape"]) or min(value["spacing"]) <= 0:
        raise stored.damaged(f"grid reads {quoted(value)}")
    return Grid(*(tuple(value[name]) for name in names))
