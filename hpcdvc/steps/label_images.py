"""Images that are made of a label image and a field of its labels, slab by slab."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.images import VolumeInfo, memory_text
from hpcdvc.options.declare import named_files
from hpcdvc.output.image import ImageFile
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, metadata_of, parameters_of
from hpcdvc.runs.slabs import SLAB, slab_depth
from hpcdvc.steps.roi import Region, region_in

#: Planes of a slab: few, so that all ranks have some, and more than what a label has to be looked at beyond them.
PLANES = 8


@dataclass(frozen=True)
class LabelTask:
    """What is made of which label image.

    Attributes
    ----------
    labels : header of the label image
    field : of its labels
    path : of the field, for messages
    seconds_per_voxel : rough cost
    region : what is written of the image
    """

    labels: VolumeInfo
    field: Field
    path: str
    seconds_per_voxel: float
    region: Region

    @property
    def depth(self) -> int:
        """Planes per slab."""
        return slab_depth(self.labels.shape, PLANES)

    @property
    def seconds_per_slab(self) -> float:
        """Rough cost of a slab."""
        return self.seconds_per_voxel * self.depth * self.labels.shape[1] * self.labels.shape[2]

    def estimate(self, image: ImageFile, ranks: int) -> str:
        """What the run will take, as text: memory, core time, disk."""
        slabs = -(-self.region.shape[0] // self.depth)
        own = 60e6 + 12 * self.depth * self.labels.shape[1] * self.labels.shape[2]
        seconds = self.seconds_per_slab * slabs
        return (
            f"{slabs} slabs of {self.depth} planes\n"
            f"per node: {memory_text((self.labels,))}, {len(self.field)} rows\n"
            f"per rank: about {own / 1e6:.0f} MB\n"
            f"{core_time(seconds, seconds / min(ranks, slabs), ranks)}\n"
            f"disk: {image.file_bytes / 1e6:.1f} MB for {image.path}"
        )


def label_image_job(command: str, options: Any, inputs: Inputs, stem: str, dtype: np.dtype, task: LabelTask) -> Job:
    """The job of a command that writes one such image, on one rank.

    Parameters
    ----------
    command : its name
    options : of it, with `format`
    inputs : its files
    stem : of the image
    dtype : of its voxels
    task : what it is made of
    """
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of(command, parameters, named_files(options))
    file = ImageFile(f"{stem}.{options.format}", task.region.shape, np.dtype(dtype), metadata, first=task.region.low)
    return Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=SLAB, unit="slabs")


def maker(
    planes: Callable[[int, int], tuple[np.ndarray, float]], region: Region
) -> Callable[[int, int], Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]]:
    """What `hpcdvc.runs.slabs.write_slabs` wants.

    Parameters
    ----------
    planes : gives planes first to last - 1 of the whole image, and a number
    region : what is written of it

    Returns
    -------
    function
        Its sums are those of the voxels of the region that have a value, of the numbers, and of the voxels of the whole
        planes that have one.
    """

    def make(first: int, last: int) -> Iterator[tuple[tuple[np.ndarray, ...], np.ndarray]]:
        values, number = planes(*region.planes(first, last))
        for plane in values:
            part = plane[region.in_plane]
            yield (part,), np.array([_filled(part), number, _filled(plane)], float)
            number = 0.0

    return make


def _filled(plane: np.ndarray) -> int:
    """Voxels that have a value: a label, or a number."""
    return np.count_nonzero(np.isfinite(plane) if plane.dtype.kind == "f" else plane)


def region_written(options: Any, labels: VolumeInfo) -> Region:
    """What is written of a label image, by `--roi`; UserError where that does not lie in it."""
    return region_in(options, labels) or Region.whole(labels.shape)
