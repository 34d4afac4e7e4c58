"""The geometry of a result file, in the group ``/VTKHDF``: image, or mesh of vertices, lines, squares, ...

Everything is X Y Z there. Strings are of fixed length, `Direction` is always given, and no array has more than four
dimensions: ParaView 5.11 and vtk 9 lose data otherwise.
"""

import h5py
import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.output.transports import CollectiveFile, GatheredFile

VTK_VERTEX, VTK_LINE, VTK_QUAD = 1, 3, 9
#: Corners of a cell of a mesh -> VTK's number: triangle, tetrahedron.
VTK_OF = {3: 5, 4: 10}
#: Order of the nodes of a tetrahedron in files: with a positive volume in ZYX it would be inverted in XYZ, and back.
TURNED = [0, 1, 3, 2]


def is_image(grid: Grid | None) -> bool:
    """Whether a grid can be stored as ImageData.

    One with a single layer cannot: vtk 9.7 wants its arrays in two dimensions, and ParaView 5.11 crashes on either.
    """
    return grid is not None and min(grid.shape) > 1


def write_image(root: "h5py.Group", grid: Grid, factor: float = 1.0) -> None:
    """Describe a grid as ImageData: extent, origin at the first node, spacing; lengths times `factor`."""
    nz, ny, nx = grid.shape
    root.attrs["Type"] = np.bytes_("ImageData")
    root.attrs["WholeExtent"] = np.array([0, nx - 1, 0, ny - 1, 0, nz - 1], "i8")
    root.attrs["Origin"] = factor * np.array(grid.origin[::-1], "f8")
    root.attrs["Spacing"] = factor * np.array(grid.spacing[::-1], "f8")
    root.attrs["Direction"] = np.eye(3).ravel()


def write_voxels(
    root: "h5py.Group",
    shape: tuple[int, int, int],
    scalars: str,
    first: tuple[int, int, int] = (0, 0, 0),
    factor: float = 1.0,
) -> "h5py.Group":
    """Describe a volume as ImageData, voxel i at coordinate (first + i) `factor`; returns the group for its arrays.

    Voxels are points. The pixels of a 2-D image are cells, for readers fail on points in a single layer.

    Parameters
    ----------
    root : the group ``/VTKHDF``
    shape : (nz, ny, nx)
    scalars : name of the array that is shown first
    first : coordinates of voxel 0, ZYX
    factor : edge of a voxel
    """
    flat = min(shape) == 1
    corner = tuple(place - 0.5 * flat for place in first)
    write_image(root, Grid(corner, (1.0,) * 3, tuple(n + flat for n in shape)), factor)
    data = root.create_group("CellData" if flat else "PointData")
    data.attrs["Scalars"] = np.bytes_(scalars)
    return data


def write_mesh(
    out: GatheredFile | CollectiveFile,
    positions: np.ndarray,
    start: int,
    total: int,
    cells: np.ndarray,
    cell_type: int,
    factor: float = 1.0,
) -> None:
    """Write an UnstructuredGrid of cells of one type.

    Parameters
    ----------
    out : open file
    positions : (n, 3) ZYX of the points `start`, `start` + 1, ...
    start, total : number of the first point given, and of all points
    cells : (m, corners) point numbers, the same on all ranks
    cell_type : VTK's number
    factor : on the positions
    """
    out.file["VTKHDF"].attrs["Type"] = np.bytes_("UnstructuredGrid")
    count, corners = cells.shape
    offsets = np.arange(0, cells.size + 1, corners)
    writer = slice(None) if start == 0 and len(positions) else slice(0)  # one rank writes what is not spread

    def put_once(name: str, values: np.ndarray, dtype: str) -> None:
        out.put(f"VTKHDF/{name}", values.astype(dtype)[writer], 0, values.shape)

    put_once("NumberOfPoints", np.array([total]), "i8")
    put_once("NumberOfCells", np.array([count]), "i8")
    put_once("NumberOfConnectivityIds", np.array([cells.size]), "i8")
    out.put("VTKHDF/Points", factor * np.ascontiguousarray(positions[:, ::-1], dtype="f8"), start, (total, 3))
    put_once("Connectivity", cells.ravel(), "i8")
    put_once("Offsets", offsets, "i8")
    put_once("Types", np.full(count, cell_type), "u1")


def vertices(count: int) -> tuple[np.ndarray, int]:
    """One vertex per point: (count, 1) point numbers and VTK's cell type."""
    return np.arange(count)[:, None], VTK_VERTEX


def flat_cells(shape: tuple[int, int, int]) -> tuple[np.ndarray, int]:
    """Squares between the nodes of a grid with one layer, lines along a row of nodes, or the vertex of a single one.

    Parameters
    ----------
    shape : at least one of the three is 1

    Returns
    -------
    (m, 4), (m, 2) or (1, 1) point numbers, and VTK's cell type
    """
    extended = tuple(n for n in shape if n > 1)
    numbers = np.arange(np.prod(shape)).reshape(extended)
    if len(extended) == 2:
        corners = [numbers[:-1, :-1], numbers[:-1, 1:], numbers[1:, 1:], numbers[1:, :-1]]
        return np.stack(corners, axis=-1).reshape(-1, 4), VTK_QUAD
    if len(extended) == 1:
        return np.stack([numbers[:-1], numbers[1:]], axis=-1), VTK_LINE
    return vertices(1)
