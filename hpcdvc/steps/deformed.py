"""im1 as a registration deforms it, written beside the result of the registration."""

from collections.abc import Iterator

import numpy as np

from hpcdvc.deformation.images import PLANES, Deformation
from hpcdvc.deformation.mappings import PhiMap
from hpcdvc.deformation.residual import residual_of
from hpcdvc.images import VolumeInfo, open_volume
from hpcdvc.output.hdf5 import read_field, read_metadata
from hpcdvc.output.image import ImageFile
from hpcdvc.runs.checkpoint import Checkpoint, key_of
from hpcdvc.runs.slabs import SLAB, Maker, slab_depth, write_slabs

#: Rough core time per voxel by order, s.
SECONDS_PER_VOXEL = {0: 5e-9, 1: 6e-9, 3: 1.5e-8, 5: 2e-8}


def slab_maker(deformation: Deformation, im1: np.ndarray, im2: np.ndarray | None = None) -> Maker:
    """Function that makes the planes of a slab: the deformed image and, with im2, what differs from it."""

    def make(first: int, last: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        values, inside = deformation.planes(first, last)
        for k, z in enumerate(range(first, last)):
            if im2 is None:
                yield (values[k],), np.array([np.count_nonzero(inside[k]), 0.0, 0.0])
            else:
                residual, sums = residual_of(values[k], inside[k], im1[z], im2[z])
                yield (values[k], residual), sums

    return make


def write_deformed(result: str, path: str, info: VolumeInfo, order: int, team, quiet: bool) -> str:
    """Write im1 as the registration in a result file deforms it; returns the path. Collective.

    Parameters
    ----------
    result : .hdf file of the registration
    path : of the image, replaced if it exists
    info : im1
    order : of the interpolation
    team : hpcdvc.ranks.team.Team
    quiet : show no progress
    """
    field, key = team.agree(lambda: (read_field(result), read_metadata(result)["key"]))
    parameters = {"registration": key, "order": order}
    image = ImageFile(path, info.shape, info.dtype, {"key": key_of(parameters)})
    shards = Checkpoint(path.removesuffix(".tif"), parameters, team, 10.0, SLAB, "slabs")
    im1 = open_volume(info, team)
    deformation = Deformation(im1, PhiMap(field.phi[0], field.positions[0]), order)
    depth = slab_depth(info.shape, PLANES)
    seconds = SECONDS_PER_VOXEL[order] * depth * info.shape[1] * info.shape[2]
    write_slabs(team, [image], depth, slab_maker(deformation, im1), seconds, shards, quiet)
    team.agree(shards.clear)
    return path
