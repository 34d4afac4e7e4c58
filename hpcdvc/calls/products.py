"""What a command has written, as objects of Python."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output.columns import COLUMNS
from hpcdvc.output.dense_result import DenseResult
from hpcdvc.output.mesh import read_mesh_geometry
from hpcdvc.output.notebook import Result
from hpcdvc.output.read import read

#: Ends of the names of the images that views of a field are.
_IMAGES = {f"-{name}.tif" for column in COLUMNS for name in column.tif}
#: Ends of the names of what shows a result again.
_VIEWS = (".tsv", ".vtk", ".vtu", ".msh", ".xdmf", ".xml", ".txt")


def products_of(paths: Sequence[str], lost: str | None) -> Any:
    """What a run has made.

    Parameters
    ----------
    paths : files that it has written
    lost : the folder in which they are, where they do not stay

    Returns
    -------
    Field, DenseResult, array, table (structured array) or (points, connectivity) of a mesh; a list of several. Views of
    a result, pictures and pages are left out beside such. Fields come first. Where
    there is nothing else the paths, or where these do not stay the text of a page
    """
    paths = [str(path) for path in paths]
    stems = tuple(path.removesuffix(".hdf") for path in paths if path.endswith(".hdf"))
    made = [path for path in paths if _reader(path) and not _is_view(path, stems)]
    found = sorted((_reader(path)(path) for path in made), key=lambda one: not isinstance(one, Field))
    for one in found if lost else ():
        _forget(one, lost)
    if not found:
        found = [Path(path).read_text() for path in paths if path.endswith(".html")] if lost else paths
    return found[0] if len(found) == 1 else found or None


def _forget(one: Any, folder: str) -> None:
    """A result does not name files that are gone."""
    if isinstance(one, Result | DenseResult):
        one.path = ""
        one.metadata = json.loads(json.dumps(one.metadata).replace(f"{folder}/", ""))


def _is_view(path: str, stems: tuple[str, ...]) -> bool:
    """Whether a file shows again what a result file holds, by the stems of these."""
    ends = [path[len(stem) :] for stem in stems if path.startswith(stem)]
    if ".tsv" in ends:  # a table of points; that of the views of a scan stands nowhere else
        with open(path, encoding="utf-8") as file:
            return "Zpos" in file.readline()
    return any(end in _IMAGES or end in _VIEWS for end in ends)


def _reader(path: str) -> Callable[[str], Any] | None:
    """How a file is read; None for what is to be looked at."""
    known = {".hdf": _result, ".tif": tifffile.imread, ".npy": np.load, ".tsv": _table, ".csv": _table, ".txt": _table}
    return known.get(Path(path).suffix.lower())


def _result(path: str) -> Any:
    try:
        found = read(path)
    except UserError:
        return read_mesh_geometry(path)
    # an image of grey values is an array
    return found["grey"] if isinstance(found, DenseResult) and found.names == ["grey"] else found


def _table(path: str) -> Any:
    """A field, or a table of other columns: a structured array, or plain numbers where it has no names."""
    if path.endswith(".tsv"):
        try:
            return read(path)
        except UserError:
            pass
    lines = [line for line in Path(path).read_text().splitlines() if line and not line.startswith("#")]
    named = bool(lines) and lines[0].lstrip()[:1].isalpha()
    delimiter = {".tsv": "\t", ".csv": ","}.get(Path(path).suffix.lower())
    return np.genfromtxt(
        io.StringIO("\n".join(lines)), delimiter=delimiter, names=named or None, dtype=None, encoding="utf-8", ndmin=1
    )
