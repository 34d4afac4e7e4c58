"""Any result by its path: `hpcdvc.read`."""

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.rows import without_background
from hpcdvc.output import notebook, schema, views
from hpcdvc.output.columns import Column
from hpcdvc.ranks.team import Team

if TYPE_CHECKING:
    import pandas
    import pyvista
    import xarray

#: Ends of the names of the files that are read.
ENDINGS = (".hdf", ".tsv", ".vtk")


@dataclass(repr=False)
class Result(Field):
    """A field that was read from a file.

    Displacement, F and standard deviations are NaN where a row is not measured; `phi` keeps the last iterate there.
    ``result["zncc"]`` is a column by its name in the file, (n, ...), ZYX; `columns` has all of them.

    Attributes
    ----------
    path : the file
    metadata : what it says about itself: parameters, provenance, statuses, ...; empty for tables and VTK files
    """

    path: str = ""
    metadata: dict = field(default_factory=dict)

    @property
    def displacement(self) -> np.ndarray:
        """(n, 3) displacements, ZYX, voxels; NaN where not measured."""
        return self["displacement"]

    @property
    def columns(self) -> dict[str, np.ndarray]:
        """All columns, (n, ...), ZYX, by the names that they have in the file."""
        return {name: self[name] for name in self.names}

    @property
    def names(self) -> list[str]:
        """Names of the columns."""
        known = [column.name for column in self.declared()]
        made_from = {column.made_from for column in self.declared()}
        return known + [name for name in self.extra or {} if name not in made_from]

    def __getitem__(self, name: str) -> np.ndarray:
        """A column; KeyError where there is none of this name."""
        for column in self.declared():
            if column.name == name:
                return schema.shown_values(column, schema.members_of_field(self), self.family)
        return (self.extra or {})[name]

    def declared(self) -> Iterator[Column]:
        """Columns that this version of the file format knows."""
        return iter(schema.present(schema.members_of_field(self), views.kind_of_field(self)))

    def to_pandas(self) -> "pandas.DataFrame":
        """A table with a row for each point and a column for each number, in the names of tables; needs pandas.

        Raises
        ------
        UserError : pandas is not installed
        """
        return notebook.to_pandas(self)

    def to_xarray(self) -> "xarray.Dataset":
        """The columns on z, y and x of a grid, or along the points; vectors and tensors ZYX; needs xarray.

        Raises
        ------
        UserError : xarray is not installed
        """
        return notebook.to_xarray(self)

    def to_pyvista(self) -> "pyvista.DataSet":
        """The grid, or the points, with the columns as ParaView shows them: X Y Z; needs pyvista.

        Raises
        ------
        UserError : pyvista is not installed
        """
        return notebook.to_pyvista(self)

    def __repr__(self) -> str:
        kind = views.kind_of_field(self)
        what = {
            "grid": f"grid of {' x '.join(map(str, self.grid.shape)) if self.grid else 0} nodes",
            "registration": "registration",
        }.get(kind, f"{len(self)} {kind}")
        return f"<{what}, {int(self.measured.sum())} measured: {', '.join(self.names)}>"


def read(path: str | Path, comm=None) -> Result:
    """Read any result: .hdf files of ours, tables (.tsv) and legacy VTK files (.vtk) of ours and of spam.

    Parameters
    ----------
    path : the file; the end of its name says what it is
    comm : mpi4py communicator whose ranks call this together and get the same field, large arrays in memory that those
        of a node share; None: this process reads alone

    Returns
    -------
    Result : a Field; displacement in voxels, NaN where not measured, every column by name

    Raises
    ------
    UserError : no such file, or none of these; the sentence names the file
    """
    return read_result(path, Team(comm))


def read_result(path: str | Path, team: Team) -> Result:
    """The same for a team. Collective.

    Parameters
    ----------
    path : the file
    team : hpcdvc.ranks.team.Team

    Raises
    ------
    UserError : as in `read`, on every rank
    """
    ending = Path(path).suffix.lower()
    metadata = {}
    if ending == ".hdf":
        from hpcdvc.output import reader

        metadata = team.agree(lambda: reader.read_metadata(path))
        found = reader.read_together(path, team)
    elif ending == ".tsv":
        from hpcdvc.output.tsv import read_together

        found = without_background(read_together(path, team, strain=True))
    elif ending == ".vtk":
        from hpcdvc.output.vtk_reader import read_vtk

        found = team.agree(lambda: read_vtk(path))
    else:
        team.fail(UserError(f"{path}: no result has a name with this end; those of {', '.join(ENDINGS)} are read"))
    members = {one.name: getattr(found, one.name) for one in fields(Field)}
    return Result(**members, path=str(path), metadata=metadata)
