"""The files of a strain field: those of a field, and views in the columns that users of spam know."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.strain import COMPONENTS
from hpcdvc.fields.strain_errors import WITHOUT
from hpcdvc.output import files, views
from hpcdvc.output.contents import Mesh
from hpcdvc.output.result import END_OF_VIEW, FieldFile
from hpcdvc.output.voxel_size import of_metadata

#: Components of symmetric tensors that there are in two dimensions: yy, yx, xx.
IN_PLANE = slice(3, 6)
_NUMBER_BYTES = 15


def strain_columns(names: tuple[str, ...], deviations: bool) -> list[tuple]:
    """Columns of components of strain, each beside its standard deviation, for `hpcdvc.fields.field.row_with`."""
    columns = []
    for name in names:
        for column in (name, f"{name}_std") if deviations and name not in WITHOUT else (name,):
            columns.append((column, "f8", (len(COMPONENTS[name]),) if COMPONENTS[name] else ()))
    return columns


def strain_names(column: str, flat: bool = False) -> tuple[str, ...]:
    """Names of the numbers of a column of strain in tables and images; `flat`: of images in two dimensions."""
    name, _, end = column.partition("_")
    parts = COMPONENTS[name][IN_PLANE] if flat and len(COMPONENTS[name]) == 6 else COMPONENTS[name]
    return tuple("_".join(filter(None, (name + part, end))) for part in parts or ("",))


def strain_table(columns: Mapping[str, np.ndarray], positions: np.ndarray, status: np.ndarray) -> dict[str, np.ndarray]:
    """Columns of a table of strain: number and place of a point, its components, how it ended.

    Parameters
    ----------
    columns : (n,) or (n, k) arrays by the name of the column, in the order of the table
    positions : (n, 3) ZYX, voxels
    status : (n,) integers
    """
    table = {"StrainPointNumber": np.arange(len(positions)), **dict(zip(views.POSITIONS, positions.T, strict=True))}
    for column, values in columns.items():
        table |= dict(zip(strain_names(column), values.reshape(len(values), -1).T, strict=True))
    return {**table, "returnStatus": status}


def write_strain_tsv(path: str, table: Mapping[str, np.ndarray]) -> None:
    """Write such a table. RunError if the disk does not take it."""
    columns = list(table.values())
    formats = ["%d" if column.dtype.kind in "iu" else "%.9g" for column in columns]
    with (
        files.whole_file(path, len(columns[0]) * len(columns) * _NUMBER_BYTES) as temporary,
        files.fill(temporary, encoding="ascii", newline="\n") as stream,
    ):
        stream.write("\t".join(table) + "\n")
        files.write_table(stream, columns, formats, "\t")


@dataclass(frozen=True)
class StrainFile(FieldFile):
    """A strain field to be written.

    Attributes
    ----------
    mode : how it is made, as in the names of the files: `<name>-strain-<mode>`
    """

    mode: str = ""

    @property
    def shown(self) -> list[str]:
        """Columns of strain, in the order of the table."""
        return [name for name in self.columns if name.partition("_")[0] in COMPONENTS]

    @property
    def flat(self) -> bool:
        """Of images in two dimensions."""
        return self.half_window_size[0] == 0

    def write_mesh(self, rows: np.ndarray, mesh: Mesh, team) -> None:
        """Write the HDF5 file of a mesh whose cells have these rows, all of them on rank 0. Collective."""
        from hpcdvc.output.hdf5 import write_field

        extra = {name: rows[name] for name in self.columns}
        how = {"extra": extra, "family": self.family, "advice": self.advice, "mesh": mesh}
        first, middles = (0 if team.rank == 0 else self.points), mesh.points[mesh.cells].mean(axis=1)
        write_field(self.path, rows, first, None, self.metadata, team, positions=middles, **how)

    def view_paths(self) -> list[str]:
        """Files beside it."""
        paths = [f"{self.stem}{END_OF_VIEW[view]}" for view in self.views if view != "tif"]
        names = [name for column in self.shown for name in strain_names(column, self.flat)]
        return paths + [self._image_path(name) for name in names if "tif" in self.views]

    def _image_path(self, name: str) -> str:
        return f"{self.stem.removesuffix(f'-strain-{self.mode}')}-{name}-{self.mode}.tif"

    def write_views(self) -> None:
        """Write what was asked for beside the HDF5 file, from that file (one rank)."""
        from hpcdvc.output import hdf5, tiff, vtk

        if not self.views:
            return
        field = hdf5.read_field(self.path)
        columns = {name: field.extra[name] for name in self.shown}
        if "tsv" in self.views:
            table = strain_table(columns, field.positions, field.return_status)
            if "label" in field.extra:
                table["Label"] = field.extra["label"]
            write_strain_tsv(f"{self.stem}.tsv", table)
        if "vtk" in self.views:
            vtk.write_vtk(f"{self.stem}.vtk", field, (*self.shown, "returnStatus"), size=of_metadata(self.metadata))
        if "tif" in self.views:
            for column, values in columns.items():
                named = dict(zip(strain_names(column), values.reshape(len(values), -1).T, strict=True))
                for name in strain_names(column, self.flat):
                    tiff.write_image(self._image_path(name), named[name].reshape(field.grid.shape))
