"""Chi square over all displacements of a pair of images, and the terms that it is the sum of, as a file.

With the method map it is the correlation coefficient, over the displacements that are tried.
"""

from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.output.maps import MapFile
from hpcdvc.output.result import FieldFile
from hpcdvc.runs.job import Job
from hpcdvc.runs.shards import key_of
from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.stacks.shift import measure_shift
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
    team.agree(lambda: _write(job.files[0], read(task.number), task))


def _write(file: MapFile, pair: tuple, task: MapTask) -> None:
    """On one rank; NaN where there is nothing to be compared."""
    im1, im2, noise, mask1, mask2 = pair
    found = measure_shift(im1, im2, replace(task.settings, keep_map=True), noise, mask1, mask2).details.get("map")
    if found is None:
        found = dict.fromkeys(MAPS, np.full(task.pairs.compared, np.nan))
    low = found.pop("lowest", [-(size // 2) for size in task.pairs.compared])
    shape = next(values.shape for values in found.values() if np.ndim(values))
    file.write_maps({name: np.broadcast_to(values, shape) for name, values in found.items()}, tuple(low))
