"""Chi square over all displacements of a pair of images, and the terms that it is the sum of, as a file."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.output.maps import MapFile
from hpcdvc.output.result import FieldFile
from hpcdvc.runs.job import Job
from hpcdvc.runs.shards import key_of
from hpcdvc.stacks.shift import ShiftSettings
from hpcdvc.steps.shift_pairs import PairReader, ShiftPairs

#: What is written: chi square, then the sum of im2^2, the cross term and the sum of im1^2, all over noise^2.
MAPS = ("chi2", "term1", "term2", "term3")


@dataclass(frozen=True)
class MapTask:
    """The pair whose map is written."""

    pairs: ShiftPairs
    settings: ShiftSettings
    number: int


def map_jobs(stem: str, measured: FieldFile, pairs: ShiftPairs, settings: ShiftSettings) -> list[Job]:
    """The jobs that write maps, one for each pair, numbered from 1 where there are several.

    Parameters
    ----------
    stem : of the files
    measured : file of the job that measures the shifts
    pairs : ShiftPairs
    settings : whose boundary and mean are those of the map
    """
    jobs = []
    for number in range(len(pairs.pairs)):
        own = f"{stem}-{number + 1}" if len(pairs.pairs) > 1 else stem
        parameters = {"shifts": measured.metadata["key"], "map": number}
        size = 8 * len(MAPS) * int(np.prod(pairs.shape)) + 2**16
        file = MapFile(f"{own}.hdf", {"key": key_of(parameters)}, size)
        task = MapTask(pairs, settings, number)
        jobs.append(Job(stem=own, parameters=parameters, files=(file,), task=task, unit="maps", recorded=False))
    return jobs


def write_map(job: Job, team) -> None:
    """Write the map of a pair. Collective."""
    task: MapTask = job.task
    read = PairReader(task.pairs, team)
    team.agree(lambda: _write(job.files[0], read(task.number), task.settings))


def _write(file: MapFile, pair: tuple, settings: ShiftSettings) -> None:
    """On one rank."""
    from hpcdvc.stacks.pair_api import chi2n_map

    im1, im2, noise, mask1, mask2 = pair
    frames = zip(*(_frames(image, mask, settings.stack) for image, mask in ((im1, mask1), (im2, mask2))), strict=True)
    found: list[np.ndarray] = []
    for one, two in frames:
        maps = chi2n_map(one, two, noise, settings.boundary, zeromean=settings.zeromean, return_all=True)
        found = [a + b for a, b in zip(found, maps, strict=True)] if found else list(maps)
    flipped = [np.flip(np.broadcast_to(values, found[0].shape)) for values in found]
    low = tuple((size - 1) // 2 - (size - 1) for size in found[0].shape)
    file.write_maps(dict(zip(MAPS, flipped, strict=True)), low)


def _frames(image: np.ndarray, mask: np.ndarray | None, stack: bool) -> list[np.ndarray]:
    """The frames of an image, NaN where it does not count."""
    image = np.array(image, np.float64)
    if mask is not None:
        image[np.broadcast_to(mask == 0, image.shape)] = np.nan
    if not np.isfinite(image).any():
        raise UserError("a mask leaves nothing of an image")
    return list(image) if stack else [image]
