"""Any result by its path: `hpcdvc.read`."""

from dataclasses import fields
from pathlib import Path

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.rows import without_background
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
