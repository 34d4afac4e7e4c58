"""What hpcdvc-view shows: each step of it a result, from whatever file."""

import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import fields, replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output import files
from hpcdvc.output.kinds import ending_of, is_hdf
from hpcdvc.output.read import read_result
from hpcdvc.output.reader import read_field, read_metadata
from hpcdvc.output.stored_field import CELLS
from hpcdvc.output.voxel_size import FACT, points_in_voxels
from hpcdvc.output.vtkhdf import TURNED
from hpcdvc.pages.result_file import ResultFile, open_result
from hpcdvc.pages.view_result import FieldResult, Mesh, Source
from hpcdvc.ranks.team import Team

#: Ends of the names of results that are looked at.
ENDINGS = (".hdf", ".tsv", ".vtk", ".vtu", ".vti", ".series")
#: Bytes of a text up to which it is read before the page is served, so that mistakes are told at once.
SMALL = 2**22


def paths_of(given: tuple[str, ...]) -> list[str]:
    """Files of the steps: lists of a series are followed.

    Raises
    ------
    UserError
        A name that is none of a result, or a list that cannot be read.
    """
    found = []
    for path in given:
        if ending_of(path) not in ENDINGS:
            raise UserError(f"{path}: names of results end in {', '.join(ENDINGS)}")
        found += _listed(path) if path.endswith(".series") else [path]
    return found


def _listed(path: str) -> list[str]:
    try:
        steps = json.loads(files.read_small(path, 2**22, "the names of a series"))["files"]
        names = [step["name"] for step in steps]
        if not names or not all(isinstance(name, str) and name.endswith(".hdf") for name in names):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path} is no list of a series of results") from error
    return [os.path.join(os.path.dirname(path), name) for name in names]


def check(path: str) -> None:
    """Find out, as far as that is quick, whether a file is a result; UserError where it is none."""
    if is_hdf(path):
        with open_result(path):
            return
    files.check_regular(path)
    if os.path.getsize(path) <= SMALL:
        sources_of(path)


def sources_of(path: str) -> list[Source]:
    """The steps of a file: one, but for the pairs of a series in one file.

    Raises
    ------
    UserError
        No such file, or no result; the sentence names it.
    """
    name, ending = os.path.basename(path), ending_of(path)
    if ending == ".hdf":
        return _of_file(path, name)
    if ending == ".vti":
        from hpcdvc.pages.vti import read_vti

        return [Source.in_memory(FieldResult.of(read_vti(path), path))]
    if ending == ".vtu":
        from hpcdvc.pages.vtu import read_vtu

        return [read_vtu(path)]
    found = read_result(path, Team())
    said = {name: value for name, value in found.metadata.items() if name == FACT}
    return [Source.in_memory(FieldResult.of(found, path, said), mesh=_mesh_of_text(path, len(found)))]


def _mesh_of_text(path: str, count: int) -> Mesh | None:
    """The tetrahedra of a legacy VTK file; None where it has none, or nobody can read them."""
    from hpcdvc.output.mesh import read_mesh_geometry

    if ending_of(path) != ".vtk":
        return None
    try:
        points, cells = read_mesh_geometry(path)
    except UserError:
        return None
    return Mesh(points, cells) if len(points) == count else None


def _of_file(path: str, name: str) -> list[Source]:
    with open_result(path) as result:
        if result.kind == "registration" or result.pairs > 1:
            return _registrations(path, name)
        if result.grid:
            return [Source(name, path, lambda: open_result(path))]
        stored = result.stored
        kinds = stored.find("VTKHDF/Types")
        corners = {10: 4, 5: 3}.get(int(kinds[0]) if kinds is not None and len(kinds) else 1)
        if corners is None:
            return [Source(name, path, lambda: open_result(path))]
        flat = stored.array("VTKHDF/Connectivity", (None,))
        points = stored.array(points_in_voxels(stored), (None, 3))[:, ::-1]
        if len(flat) % corners or not len(flat) or flat.min() < 0 or flat.max() >= len(points):
            raise stored.damaged("its cells do not fit its points")
        cells = flat.reshape(-1, corners)
        cells = cells[:, TURNED] if corners == 4 else cells
        of_cells = "returnStatus" not in result.columns and stored.find(f"{CELLS}/returnStatus") is not None
        more = stored.find(CELLS) is not None
    mesh = Mesh(np.ascontiguousarray(points), cells, of_cells)

    def in_cells() -> AbstractContextManager[ResultFile]:
        return _open_cells(path, mesh)

    if of_cells:
        return [Source(name, path, in_cells, mesh)]
    return [Source(name, path, lambda: open_result(path), mesh, in_cells if more else None)]


@contextmanager
def _open_cells(path: str, mesh: Mesh) -> Iterator[ResultFile]:
    """What a file knows of its cells, as rows of their own."""
    with open_result(path) as result:
        found = replace(result, where=CELLS, lead=(len(mesh.cells),))
        found.__dict__["positions"] = mesh.points[mesh.cells].mean(axis=1)  # in the place of those of the points
        yield found


def _registrations(path: str, name: str) -> list[Source]:
    """One step for each row."""
    found, metadata = read_field(path), read_metadata(path)
    metadata = {**metadata, "kind": "registration"}
    rows = range(len(found))
    steps = (found.extra or {}).get("step")
    names = [name] if len(rows) == 1 else [f"{name}, pair {k + 1 if steps is None else steps[k]}" for k in rows]
    return [
        Source.in_memory(FieldResult.of(_row(found, k), path, metadata), names[k])
        for k in rows
    ]  # fmt: skip


def _row(found: Field, k: int) -> Field:
    """A field of one row."""
    arrays = {one.name: getattr(found, one.name) for one in fields(Field)}
    parts = {name: value[k : k + 1] for name, value in arrays.items() if isinstance(value, np.ndarray)}
    extra = {name: value[k : k + 1] for name, value in (found.extra or {}).items()}
    return Field(**{**arrays, **parts, "extra": extra, "grid": None})
