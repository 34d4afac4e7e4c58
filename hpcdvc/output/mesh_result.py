"""The files of a field measured at the nodes of a mesh: what is known of its tetrahedra stands beside the rows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.output.columns import columns_of, to_memory
from hpcdvc.output.contents import Elements
from hpcdvc.output.result import BYTES_PER_POINT, FieldFile
from hpcdvc.output.stored import opened
from hpcdvc.output.stored_field import CELLS
from hpcdvc.output.voxel_size import of_metadata
from hpcdvc.output.vtkhdf import TURNED

#: Bytes of a tetrahedron in the HDF5 file, with all columns, and in a .vtk file.
BYTES_PER_ELEMENT, VTK_BYTES_PER_ELEMENT = 250, 120


@dataclass(frozen=True)
class MeshFieldFile(FieldFile):
    """A field at the nodes of a mesh, to be written.

    Attributes
    ----------
    elements : how many tetrahedra there are
    iteration_bytes : of the shards, at most
    """

    elements: int = 0
    iteration_bytes: int = 0

    @property
    def file_bytes(self) -> int:
        """Disk space that it takes while it is made: shards, HDF5 file, views."""
        per_element = BYTES_PER_ELEMENT + VTK_BYTES_PER_ELEMENT * ("vtk" in self.views)
        views = self.points * sum(BYTES_PER_POINT[view] for view in self.views)
        return self.points * 2 * self.dtype.itemsize + views + self.elements * per_element + self.iteration_bytes

    def write_nodes(
        self,
        rows: np.ndarray,
        points: np.ndarray,
        cells: np.ndarray,
        of_elements: Mapping[str, np.ndarray],
        history: np.ndarray,
        team,
    ) -> None:
        """Write the HDF5 file. Collective.

        Parameters
        ----------
        rows : (n,) records of the nodes, in their order, on every rank; those of rank 0 are written
        points : (n, 3) ZYX, voxels
        cells : (k, 4) nodes of the tetrahedra
        of_elements : (k, ...) columns, and `return_status`
        history : records of the iterations
        team : hpcdvc.ranks.team.Team
        """
        from hpcdvc.output.hdf5 import write_field

        tables = {"iterations": history}
        about = {"tables": tables, "advice": self.advice, "elements": Elements(cells, of_elements)}
        extra = {name: rows[name] for name in self.columns}
        write_field(self.path, rows, 0, None, self.metadata, team, positions=points, extra=extra, **about)

    def write_views(self) -> None:
        """Write what was asked for beside the HDF5 file, from that file (one rank)."""
        from hpcdvc.output import hdf5, tsv, vtk

        if not self.views:
            return
        field = hdf5.read_field(self.path)
        if "tsv" in self.views:
            tsv.write_tsv(f"{self.stem}.tsv", field)
        if "vtk" in self.views:
            vtk.write_vtk(f"{self.stem}.vtk", field, elements=read_elements(self.path), size=of_metadata(self.metadata))


def read_elements(path: str) -> Elements:
    """The tetrahedra of a result, and what is known of each.

    Raises
    ------
    UserError
        No such file, or none with tetrahedra and data of theirs.
    """
    with opened(path) as stored:
        cells = stored.array("VTKHDF/Connectivity", (None,))
        names = [column for column in columns_of("mesh") if stored.find(f"{CELLS}/{column.name}") is not None]
        if not names or len(cells) % 4:
            raise UserError(f"{path} holds no data of tetrahedra")
        members = {
            column.made_from: to_memory(stored.array(f"{CELLS}/{column.name}"), column.components) for column in names
        }
    return Elements(cells.reshape(-1, 4)[:, TURNED], members)
