"""Images shifted back by what was measured of them, so that they lie on the first one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hpcdvc.deformation.images import PLANES, Deformation
from hpcdvc.deformation.mappings import PhiMap
from hpcdvc.images import open_volume
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.image import ImageFile
from hpcdvc.output.result import FieldFile
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.job import Job
from hpcdvc.runs.shards import key_of
from hpcdvc.runs.slabs import SLAB, Maker, slab_depth, write_slabs
from hpcdvc.steps.deformed import SECONDS_PER_VOXEL
from hpcdvc.steps.shift_pairs import PairReader, ShiftPairs

#: Order of the splines.
ORDER = 5


@dataclass(frozen=True)
class ShiftedImages:
    """The second images of some pairs, to be shifted back.

    Attributes
    ----------
    pairs : all of them
    numbers : of those that become planes of one image, or of the one pair of volumes or stacks
    measured : the .hdf file with their displacements
    shape : (nz, ny, nx) of what is written
    """

    pairs: ShiftPairs
    numbers: range
    measured: str
    shape: tuple[int, int, int]

    @property
    def depth(self) -> int:
        """Planes per slab."""
        return 1 if self.pairs.flat else slab_depth(self.shape, PLANES)


def shifted_jobs(stem: str, measured: FieldFile, pairs: ShiftPairs, tif: bool) -> list[Job]:
    """The jobs that write the second images shifted back.

    Images in two dimensions become the planes of one file, in the order of the pairs; each volume or stack is a file,
    numbered from 1 where there are several.

    Parameters
    ----------
    stem : of the files
    measured : file of the job that measures the shifts
    pairs : ShiftPairs
    tif : write TIFF files, too
    """
    count = len(pairs.pairs)
    if len(pairs.shape) == 2:
        tasks = {stem: (range(count), (count, *pairs.shape))}
    else:
        names = [f"{stem}-{k}" for k in range(1, count + 1)] if count > 1 else [stem]
        tasks = {name: (range(k, k + 1), pairs.shape) for k, name in enumerate(names)}
    return [
        _job(name, measured, ShiftedImages(pairs, numbers, measured.path, shape), tif)
        for name, (numbers, shape) in tasks.items()
    ]


def _job(stem: str, measured: FieldFile, task: ShiftedImages, tif: bool) -> Job:
    numbers = [task.numbers.start, task.numbers.stop]
    parameters = {"shifts": measured.metadata["key"], "pairs": numbers, "order": ORDER}
    endings = ("hdf", "tif") if tif else ("hdf",)
    metadata = {"key": key_of(parameters)}
    files = tuple(ImageFile(f"{stem}.{ending}", task.shape, np.dtype(np.float32), metadata) for ending in endings)
    return Job(stem=stem, parameters=parameters, files=files, task=task, dtype=SLAB, unit="slabs", recorded=False)


def write_shifted(job: Job, checkpoint: Checkpoint, team, quiet: bool) -> None:
    """Write images shifted back. Collective.

    Parameters
    ----------
    job : from `shifted_jobs`
    checkpoint : its shards
    team : hpcdvc.ranks.team.Team
    quiet : show no progress
    """
    task: ShiftedImages = job.task
    field = team.agree(lambda: read_field(task.measured))
    displacements = np.where(field.measured[:, None], field.displacement, np.nan)
    if len(task.pairs.shape) == 2:
        make = _planes_of_pairs(task, PairReader(task.pairs, team), displacements, len(job.files))
    else:
        make = _planes_of_one(task, team, displacements[task.numbers.start], len(job.files))
    seconds = SECONDS_PER_VOXEL[ORDER] * task.depth * task.shape[1] * task.shape[2]
    write_slabs(team, list(job.files), task.depth, make, seconds, checkpoint, quiet)


def _planes_of_pairs(task: ShiftedImages, reader: PairReader, displacements: np.ndarray, files: int) -> Maker:
    def make(first: int, last: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        for k in range(first, last):
            image = reader.on_first(*task.pairs.pairs[k])[None]
            yield (_back(image, displacements[k], 0, 1)[0],) * files, np.zeros(3)

    return make


def _planes_of_one(task: ShiftedImages, team, displacement: np.ndarray, files: int) -> Maker:
    image = open_volume(task.pairs.images[task.pairs.pairs[task.numbers.start][1]], team)

    def make(first: int, last: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        if task.pairs.stack:
            planes = [_back(image[k : k + 1], displacement, 0, 1)[0] for k in range(first, last)]
        else:
            planes = _back(image, displacement, first, last)
        for plane in planes:
            yield (plane,) * files, np.zeros(3)

    return make


def _back(image: np.ndarray, displacement: np.ndarray, first: int, last: int) -> np.ndarray:
    """Planes first to last of image(x + u), float32, NaN where that is not in the image or u is not known."""
    if not np.isfinite(displacement).all():
        return np.full((last - first, *image.shape[1:]), np.nan, np.float32)
    phi = np.eye(4)
    phi[:3, 3] = -displacement
    values, inside = Deformation(image, PhiMap(phi, np.zeros(3)), ORDER).planes(first, last, np.float32)
    values[inside == 0] = np.nan
    return values
