"""Any result by its path: `hpcdvc.read`."""

import os
from dataclasses import fields
from pathlib import Path

from hpcdvc.errors import UserError, quoted
from hpcdvc.fields.field import Field
from hpcdvc.fields.rows import without_background
from hpcdvc.output.dense_result import DenseResult, read_dense
from hpcdvc.output.files import check_regular
from hpcdvc.output.kinds import ending_of
from hpcdvc.output.mesh_result import read_elements
from hpcdvc.output.notebook import Result
from hpcdvc.output.voxel_size import FACT
from hpcdvc.ranks.team import Team

#: Ends of the names of the files that are read.
ENDINGS = (".hdf", ".tsv", ".vtk", ".tif", ".tiff")


def read(path: str | Path, comm=None, spacing: tuple[int, int, int] | None = None) -> Result | DenseResult:
    """Read any result: .hdf files of ours, tables (.tsv), legacy VTK files (.vtk) and images of ours and of spam.

    Parameters
    ----------
    path : the file; its content says what it is, else the end of its name. Of images, `<name>-Xdisp.tif`: those beside
        it are read, too
    comm : mpi4py communicator whose ranks call this together and get the same field, large arrays in memory that those
        of a node share; None: this process reads alone
    spacing : of the nodes, ZYX, voxels, which images do not say

    Returns
    -------
    Result : a Field; displacement in voxels, NaN where not measured, every column by name. Of a file with a value for
        each pixel (hpcdvc-localShifts, hpcdvc-umpa, images of grey values) a DenseResult: the same by pixels

    Raises
    ------
    UserError : no such file, or none of these; the sentence names the file
    TypeError : what is given is no path
    """
    if not isinstance(path, str | os.PathLike):
        raise TypeError(f"path takes the path of a result, not {type(path).__name__}: {quoted(path)}")
    team = Team(comm)
    found = read_result(path, team, spacing)
    if found.metadata.get("kind") == "mesh":
        found.elements = team.agree(lambda: read_elements(str(path)))
    return found


def read_result(path: str | Path, team: Team, spacing: tuple[int, int, int] | None = None) -> Result | DenseResult:
    """The same for a team. Collective.

    Parameters
    ----------
    path : the file
    team : hpcdvc.ranks.team.Team
    spacing : of the nodes, ZYX, voxels, which images do not say

    Raises
    ------
    UserError : as in `read`, on every rank
    """
    ending = ending_of(path)
    metadata = {}
    if ending == ".hdf":
        from hpcdvc.output import reader

        image = team.agree(lambda: read_dense(path))
        if image is not None:
            return image
        metadata = team.agree(lambda: reader.read_metadata(path))
        found = reader.read_together(path, team)
    elif ending == ".tsv":
        from hpcdvc.output.tsv import read_together

        found = without_background(read_together(path, team, strain=True))
    elif ending == ".vtk":
        from hpcdvc.output.vtk_reader import read_vtk, voxel_size_in

        found = team.agree(lambda: read_vtk(path))
        size = team.agree(lambda: voxel_size_in(path))
        metadata = {FACT: size.text} if size else {}
    elif ending in (".tif", ".tiff"):
        from hpcdvc.output.tiff_reader import read_tiffs

        if spacing is None:
            team.fail(UserError(f"{path}: images do not say how far apart their nodes are: give the node spacing"))
        found = team.agree(lambda: read_tiffs(path, spacing))
    else:
        team.agree(lambda: check_regular(path))
        words = "no result has a name with this end, and its content is none"
        team.fail(UserError(f"{path}: {words}; {', '.join(ENDINGS)} are read"))
    members = {one.name: getattr(found, one.name) for one in fields(Field)}
    return Result(**members, path=str(path), metadata=metadata)
