"""im1 as a registration deforms it, written beside the result of the registration."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpcdvc.deformation.images import PLANES, Deformation
from hpcdvc.deformation.mappings import PhiMap
from hpcdvc.deformation.residual import AS_THEY_ARE, GreyFit, fits_of, grey_sums, planes_of_fit, residual_of
from hpcdvc.images import VolumeInfo, open_volume
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.image import ImageFile
from hpcdvc.output.result import FieldFile
from hpcdvc.output.slab_file import SlabFile
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.job import Job
from hpcdvc.runs.shards import key_of
from hpcdvc.runs.slabs import SLAB, Maker, slab_depth, write_slabs
from hpcdvc.steps.roi import Region

#: Rough core time per voxel by order, s.
SECONDS_PER_VOXEL = {0: 5e-9, 1: 6e-9, 3: 1.5e-8, 5: 2e-8}


def slab_maker(
    deformation: Deformation,
    im1: np.ndarray,
    im2: np.ndarray | None = None,
    fits: tuple[GreyFit, GreyFit] = AS_THEY_ARE,
    coverage: bool = False,
    region: Region | None = None,
) -> Maker:
    """Function that makes the planes of a slab: the deformed image, with im2 what differs from it, where it has values.

    Parameters
    ----------
    deformation : of im1
    im1, im2 : (nz, ny, nx) arrays
    fits : of the grey values of im1 and of im1(Phi), to those of im2
    coverage : also a mask, 1 where the deformed image has a value
    region : what is written; None: all
    """
    region = region or Region.whole(im1.shape)
    part = region.in_plane

    def make(first: int, last: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        planes = range(*region.planes(first, last))
        for z, plane, has_value in zip(planes, *deformation.planes(planes.start, planes.stop), strict=True):
            values, inside = plane[part], has_value[part]
            images, sums = (values,), np.array([np.count_nonzero(inside), 0.0, 0.0])
            if im2 is not None:
                residual, sums = residual_of(values, inside, im1[z][part], im2[z][part], fits)
                images += (residual,)
            yield images + ((inside != 0) & np.isfinite(values),) * coverage, sums

    return make


def fit_grey(team, deformation: Deformation, im1: np.ndarray, im2: np.ndarray) -> tuple[GreyFit, GreyFit]:
    """Gain and offset that bring the grey values of im1, and of im1(Phi), to those of im2. Collective.

    From some planes, the same ones on any number of ranks.

    Parameters
    ----------
    team : hpcdvc.ranks.team.Team
    deformation : of im1
    im1, im2 : (nz, ny, nx) arrays
    """
    planes = planes_of_fit(len(im1))
    mine = {}
    for z in planes[team.rank :: team.size].tolist():
        values, inside = deformation.planes(z, z + 1)
        mine[z] = grey_sums(values[0], inside[0], im1[z], im2[z])
    found = {z: sums for some in team.all_gather(mine) for z, sums in some.items()}
    return fits_of(np.sum([found[z] for z in sorted(found)], axis=0))


@dataclass(frozen=True)
class DeformedImage:
    """im1, and the .hdf file of the registration that deforms it; or im2, which it brings back."""

    image: VolumeInfo
    registration: str
    order: int
    back: bool = False


def deformed_job(
    stem: str, registration: FieldFile | SlabFile, image: VolumeInfo, order: int, back: bool = False
) -> Job:
    """The job that writes im1 as a registration deforms it, or im2 as it is before.

    Parameters
    ----------
    stem : of the image
    registration : file of a job that comes before
    image : im1, or im2 where it is to be brought back
    order : of the interpolation
    back : it is
    """
    parameters = {"registration": registration.metadata["key"], "order": order}
    file = ImageFile(f"{stem}.tif", image.shape, image.dtype, {"key": key_of(parameters)})
    task = DeformedImage(image, registration.path, order, back)
    return Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=SLAB, unit="slabs", recorded=False)


def write_deformed(job: Job, checkpoint: Checkpoint, team, quiet: bool) -> None:
    """Write the image as the registration deforms it, or brings it back. Collective.

    Parameters
    ----------
    job : from `deformed_job`
    checkpoint : its shards
    team : hpcdvc.ranks.team.Team
    quiet : show no progress
    """
    task: DeformedImage = job.task
    field = team.agree(lambda: read_field(task.registration))
    image, shape = open_volume(task.image, team), task.image.shape
    phi = np.linalg.inv(field.phi[0]) if task.back else field.phi[0]
    deformation = Deformation(image, PhiMap(phi, field.positions[0]), task.order)
    depth = slab_depth(shape, PLANES)
    seconds = SECONDS_PER_VOXEL[task.order] * depth * shape[1] * shape[2]
    write_slabs(team, list(job.files), depth, slab_maker(deformation, image), seconds, checkpoint, quiet)
