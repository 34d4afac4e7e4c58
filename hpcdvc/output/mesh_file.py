"""A mesh of tetrahedra to be written: an HDF5 file that ParaView opens, and the same for other programs beside it."""

import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcdvc.options.voxel_size import VoxelSize
from hpcdvc.output import files, voxel_size, vtkhdf
from hpcdvc.output.contents import write_positions
from hpcdvc.output.mesh import read_mesh_geometry
from hpcdvc.output.stored import opened
from hpcdvc.output.transports import GatheredFile, put_text
from hpcdvc.output.vtk import SIZE

#: View -> the name of its format in meshio, and what it is told beside the mesh.
FORMATS: dict[str, tuple[str, dict]] = {
    "vtk": ("vtk", {}),
    "vtu": ("vtu", {}),
    "msh": ("gmsh22", {}),
    "xdmf": ("xdmf", {"data_format": "XML"}),  # its numbers stand in the file itself
}
#: Last lines of files whose nodes are in the unit of a voxel size; these formats have no other place for it.
SAID = {
    "vtu": "<!-- voxel {} -->\n",
    "msh": "$Comments\nvoxel {}\n$EndComments\n",
    "xdmf": "\n<!-- voxel {} -->\n",
}
#: Bytes of a node and of a tetrahedron in the HDF5 file and in one of the others, and of all else.
NODE, TETRAHEDRON, OVERHEAD = 100, 150, 2**20


@dataclass(frozen=True)
class MeshFile:
    """The files of one mesh.

    Attributes
    ----------
    stem : path without extension
    metadata : what to remember, anything JSON can hold; "key" tells this run from others
    views : which of "vtk", "vtu", "msh", "xdmf" are written beside the .hdf file
    nodes, tetrahedra : about how many there will be
    """

    stem: str
    metadata: dict
    views: tuple[str, ...] = ()
    nodes: int = 0
    tetrahedra: int = 0

    @property
    def path(self) -> str:
        """The HDF5 file."""
        return f"{self.stem}.hdf"

    @property
    def file_bytes(self) -> int:
        """Disk space that all files take, about."""
        return (1 + len(self.views)) * (NODE * self.nodes + TETRAHEDRON * self.tetrahedra + OVERHEAD)

    def is_ours(self) -> bool:
        """Whether the file was made by a run with this key; UserError if it is none of hpcdvc."""
        return self.stored().get("key") == self.metadata["key"]

    def stored(self) -> dict:
        """What the file says of what it was made from."""
        with opened(self.path) as stored:
            found = {name: stored.json("hpcdvc", name) for name in ("key", "parameters", "provenance")}
        return {name: value for name, value in found.items() if value is not None}

    def begun(self) -> bool:
        """Whether an earlier run has reserved its disk space."""
        return False

    def remembered(self) -> dict:
        """What the record of the run that made it can say after that run."""
        return {}

    def view_paths(self) -> list[str]:
        """Files beside it."""
        return [f"{self.stem}.{view}" for view in self.views]

    def write(self, points: np.ndarray, connectivity: np.ndarray, cell_data: Mapping[str, np.ndarray]) -> None:
        """Write the HDF5 file, on one rank.

        Parameters
        ----------
        points : (n, 3) ZYX, voxels
        connectivity : (k, 4) tetrahedra with positive volume
        cell_data : numbers of the tetrahedra without a unit, by name, (k,) arrays

        Raises
        ------
        RunError
            The disk does not take it.
        """
        size = NODE * len(points) + TETRAHEDRON * len(connectivity) + OVERHEAD
        with files.whole_file(self.path, size) as temporary, GatheredFile(temporary) as out:
            ours = out.file.create_group("hpcdvc")
            for name, text in {"schema": "hpcdvc-mesh", "kind": "mesh", "array_order": "zyx"}.items():
                put_text(ours, name, text)
            for name, value in self.metadata.items():
                put_text(ours, name, json.dumps(value))
            out.file.create_group("VTKHDF").attrs["Version"] = np.array([1, 0], "i8")
            lengths, cells = voxel_size.of_metadata(self.metadata), connectivity[:, vtkhdf.TURNED]
            factor = voxel_size.factor_of(lengths)
            vtkhdf.write_mesh(out, points, 0, len(points), cells, vtkhdf.VTK_OF[4], factor)
            write_positions(out, points, 0, len(points), lengths)
            data = out.file["VTKHDF"].create_group("CellData")
            for name, values in cell_data.items():
                out.put(f"VTKHDF/CellData/{name}", np.asarray(values, np.float32), 0, (len(connectivity),))
                put_text(data[name], "unit", "1")
                data.attrs["Scalars"] = np.bytes_(name)

    def write_views(self) -> None:
        """Write what was asked for beside the HDF5 file, from that file (one rank)."""
        if self.views:
            points, cells = read_mesh_geometry(self.path)  # the cells in the order of VTK
            for view, path in zip(self.views, self.view_paths(), strict=True):
                write_with_meshio(path, points, cells, view, voxel_size.of_metadata(self.metadata))

    def summary(self) -> None:
        """Nothing to be said that the work has not said."""


def write_with_meshio(
    path: str | Path, points: np.ndarray, cells: np.ndarray, view: str, size: VoxelSize | None = None
) -> None:
    """Write a mesh for other programs; it has its name when it is whole.

    Parameters
    ----------
    path : of the file
    points : (n, 3) ZYX, voxels
    cells : (k, 4) tetrahedra in the order of VTK
    view : key of `FORMATS`
    size : of a voxel: the nodes are in its unit, and where they are in voxels stands beside them

    Raises
    ------
    RunError
        The disk does not take it.
    """
    import meshio

    kind, more = FORMATS[view]
    tags = {"gmsh:physical": [np.ones(len(cells), np.int32)], "gmsh:geometrical": [np.ones(len(cells), np.int32)]}
    beside = {voxel_size.POSITIONS: np.ascontiguousarray(points[:, ::-1])} if size else {}
    nodes = voxel_size.factor_of(size) * points[:, ::-1]
    mesh = meshio.Mesh(nodes, [("tetra", cells)], beside, cell_data=tags if view == "msh" else {})
    with files.write_errors(path), tempfile.TemporaryDirectory() as folder:  # where nobody else can put a link
        made = Path(folder, f"mesh.{view}")
        with contextlib.redirect_stdout(io.StringIO()):
            meshio.write(made, mesh, file_format=kind, **more)
        with files.whole_file(path, made.stat().st_size) as temporary, files.fill(temporary, "wb") as file:
            with made.open("rb") as source:
                if size and view == "vtk":  # in its title, as in those of fields
                    file.write(source.readline() + source.readline().rstrip() + f"{SIZE}{size.text}\n".encode())
                shutil.copyfileobj(source, file)
            if size and view in SAID:
                file.write(SAID[view].format(size.text).encode())
