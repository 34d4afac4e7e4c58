"""The size of a voxel that a result on the disk says."""

from pathlib import Path

from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output.kinds import ending_of
from hpcdvc.output.stored import opened
from hpcdvc.output.voxel_size import in_file
from hpcdvc.output.vtk_reader import voxel_size_in


def of_result(path: str | Path) -> VoxelSize | None:
    """That of a result, .hdf or .vtk; None where it says none, or is of another format.

    Raises
    ------
    UserError : no such file, or a damaged one
    """
    ending = ending_of(path)
    if ending == ".hdf":
        with opened(path) as stored:
            return in_file(stored)
    if ending == ".vtk":
        return voxel_size_in(path)
    return None
