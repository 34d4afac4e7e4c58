"""Any result by its path: `hpcdvc.read`."""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.output.notebook import Result
from hpcdvc.ranks.team import Team

#: Ends of the names of the files that are read.
ENDINGS = (".hdf", ".tsv", ".vtk")


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


def without_background(found: Field) -> Field:
    """A field of particles without the first row, where that is the background as tables of spam have it."""
    labels = (found.extra or {}).get("label")
    if labels is None or len(labels) < 2 or labels[0] != 0:
        return found
    if found.measured[0] and found.positions[0].any():  # numbers of nodes in the place of labels
        return found
    arrays = {one.name: getattr(found, one.name) for one in fields(Field)}
    rest = {name: array[1:] for name, array in arrays.items() if isinstance(array, np.ndarray)}
    return replace(found, **rest, extra={name: array[1:] for name, array in found.extra.items()})
