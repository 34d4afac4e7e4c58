"""Maps over displacements, whose numbers are cells of ImageData, so that ParaView opens them."""

import json
from dataclasses import dataclass

import numpy as np

from hpcdvc.fields.grid import Grid
from hpcdvc.output import files, voxel_size, vtkhdf
from hpcdvc.output.image import KEY
from hpcdvc.output.points import KeyedFile
from hpcdvc.output.stored import opened
from hpcdvc.output.transports import GatheredFile, put_text


@dataclass(frozen=True)
class MapFile(KeyedFile):
    """Maps of one range of displacements, an HDF5 file that one rank writes."""

    def is_ours(self) -> bool:
        """Whether the file was made by a run with this key; UserError if it is no HDF5 file."""
        with opened(self.path) as stored:
            return stored.text("hpcdvc", KEY) == self.metadata["key"]

    def write_maps(self, maps: dict[str, np.ndarray], low: tuple[int, ...]) -> None:
        """Write maps; RunError if the disk does not take them.

        Parameters
        ----------
        maps : (ny, nx) or (nz, ny, nx) arrays of one shape, by name
        low : the displacement of their first number, ZYX or YX, voxels; the next ones are one voxel apart
        """
        shape = (1, 1, *next(iter(maps.values())).shape)[-3:]
        origin = (0, 0, *low)[-3:]
        with files.whole_file(self.path, self.file_bytes) as temporary, GatheredFile(temporary) as out:
            ours, root = out.file.create_group("hpcdvc"), out.file.create_group("VTKHDF")
            for name, text in {"schema": "hpcdvc-image", KEY: self.metadata["key"]}.items():
                put_text(ours, name, text)
            for name, value in self.metadata.items():
                put_text(ours, name, json.dumps(value))
            root.attrs["Version"] = np.array([1, 0], "i8")
            corners = Grid(tuple(place - 0.5 for place in origin), (1.0,) * 3, tuple(size + 1 for size in shape))
            vtkhdf.write_image(root, corners, voxel_size.factor_of(voxel_size.of_metadata(self.metadata)))
            data = root.create_group("CellData")
            data.attrs["Scalars"] = np.bytes_(next(iter(maps)))
            for name, values in maps.items():
                data.create_dataset(name, data=values.reshape(shape).astype("f8"), track_times=False)
