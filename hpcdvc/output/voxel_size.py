"""The size of a voxel that a result keeps, and what is written in its unit.

With one, geometry, displacements and their standard deviations are in the unit, so that what viewers warp is right.
Beside each array stands its twin in voxels, `<name>_voxel`, and beside points their positions: readers take these, so
that everything in memory is in voxels, the same bit for bit as without.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output.columns import VECTOR, Column
from hpcdvc.output.stored import Stored

#: What the facts of a result call it, the end of the name of a twin, and the positions of points in voxels.
FACT, TWIN, POSITIONS = "voxel_size", "_voxel", "position_voxel"
#: Columns that are in the unit.
LENGTHS = ("displacement", "displacement_std", "measured_displacement")
TWINS = frozenset((POSITIONS, *(name + TWIN for name in LENGTHS)))


def of_metadata(metadata: Mapping) -> VoxelSize | None:
    """The size that the facts of a result say; None where they say none."""
    text = metadata.get(FACT)
    return VoxelSize.of(text) if text else None


def in_file(stored: Stored) -> VoxelSize | None:
    """That of an open file; None where it says none.

    Raises
    ------
    UserError : it says something else there
    """
    text = stored.json("hpcdvc", FACT)
    try:
        return None if text is None else VoxelSize.of(text)
    except ValueError as error:
        raise stored.damaged(f"{FACT} {error}") from None


def factor_of(size: VoxelSize | None) -> float:
    """What voxels are multiplied by to be in the unit; 1 where there is none."""
    return size.number if size else 1.0


def is_length(column: Column) -> bool:
    """Whether a column is in the unit of a file that has one."""
    return column.name in LENGTHS


def twin(column: Column) -> Column:
    """The same in voxels, beside one in the unit."""
    return replace(column, name=column.name + TWIN, vtk=column.vtk and column.vtk + TWIN, tsv=(), tif=())


def written(columns: Iterable[Column], size: VoxelSize | None) -> list[tuple[Column, float]]:
    """The arrays that stand for some columns in a file, and what each is multiplied by."""
    found = []
    for column in columns:
        if size and is_length(column):
            found += [(replace(column, unit=size.unit), size.number), (twin(column), 1.0)]
        else:
            found.append((column, 1.0))
    return found


def in_voxels(stored: Stored, place: str) -> str:
    """Where an array stands in voxels: `place`, or its twin in a file with a voxel size that is in the unit."""
    if place.rpartition("/")[2] in LENGTHS and in_file(stored):
        return place + TWIN
    return place


def points_in_voxels(stored: Stored) -> str:
    """The same of the positions of points."""
    return f"VTKHDF/PointData/{POSITIONS}" if in_file(stored) else "VTKHDF/Points"


def scaled(values: np.ndarray, factor: float) -> np.ndarray:
    """Values times what makes lengths of voxels, in their own type; the same array where that is 1."""
    return values if factor == 1 else values * values.dtype.type(factor)


def agreed(said: Mapping[str, VoxelSize]) -> VoxelSize | None:
    """The one size of several files, by their names.

    Raises
    ------
    UserError : they say different ones
    """
    first = next(iter(said), None)
    for name, size in said.items():
        if not size.equals(said[first]):
            raise UserError(
                f"{first} has voxels of {said[first]}, {name} of {size}: --voxel-size says which the result has"
            )
    return said[first] if said else None


POSITION = Column(POSITIONS, "f8", "voxel", "positions of the points", VECTOR)
