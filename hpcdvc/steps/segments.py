"""Masks and labels as files: the image, its picture, and of labels a table; and what they take."""

import os
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, describe, memory_text, open_volume, read_planes
from hpcdvc.kernels.segmentation import LONGEST_SIDE
from hpcdvc.labels.scan import centres_of, scan_labels
from hpcdvc.options.declare import named_files
from hpcdvc.output import files
from hpcdvc.output.image import ImageFile
from hpcdvc.output.outlines import PICTURE, Cut, draw_labels, draw_outline
from hpcdvc.output.places import stem_of
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, metadata_of, parameters_of
from hpcdvc.runs.machine import node_memory
from hpcdvc.runs.slabs import SLAB, slab_depth, write_slabs
from hpcdvc.segmentation.planes import block_depth
from hpcdvc.segmentation.threshold import bright, grey_histogram, otsu_threshold
from hpcdvc.steps.label_images import PLANES, maker
from hpcdvc.steps.roi import Region

#: Columns of the table of labels, and how they are written.
COLUMNS = {
    "Label": "%d", "Volume": "%d", "Zpos": "%.6f", "Ypos": "%.6f", "Xpos": "%.6f",
    "Zmin": "%d", "Zmax": "%d", "Ymin": "%d", "Ymax": "%d", "Xmin": "%d", "Xmax": "%d",
}  # fmt: skip
#: Bytes of a process before it reads anything.
PROCESS = 100e6
#: Rough core time per voxel that is written, s.
SECONDS_OF_FILE = 1e-8


@dataclass(frozen=True)
class MaskFile(ImageFile):
    """A mask, and its picture.

    Attributes
    ----------
    image : header of the image that it is made of
    """

    image: VolumeInfo | None = None

    @property
    def stem(self) -> str:
        """Path without extension."""
        return os.path.splitext(self.path)[0]

    @property
    def file_bytes(self) -> int:
        """About the size of the image and of what stands beside it."""
        return super().file_bytes + PICTURE

    def view_paths(self) -> list[str]:
        """The picture."""
        return [f"{self.stem}.png"]

    def write_views(self) -> None:
        """Draw the picture, from the file (one rank)."""
        marks = open_volume(describe(self.path))
        title = f"{os.path.basename(self.path)} over {self.image.stem}"
        draw_outline(f"{self.stem}.png", _cuts(self.image, marks), title)


@dataclass(frozen=True)
class LabelsFile(MaskFile):
    """Labels, their table and their picture."""

    def view_paths(self) -> list[str]:
        """The table, and the picture."""
        return [f"{self.stem}.tsv", f"{self.stem}.png"]

    def write_views(self) -> None:
        """Write the table and draw the picture, from the file (one rank)."""
        labels = open_volume(describe(self.path))
        found = scan_labels(labels)
        write_label_table(f"{self.stem}.tsv", found)
        title = f"{os.path.basename(self.path)}: {len(found)} labels, over {self.image.stem}"
        draw_labels(f"{self.stem}.png", _cuts(self.image, labels), title)


def write_label_table(path: str, found: np.ndarray) -> None:
    """Write a table of labels: volume, centre of mass, first and last voxel along each axis.

    Parameters
    ----------
    path : of the table
    found : (n,) array of hpcdvc.labels.scan.PARTICLE
    """
    ends = [found[side][:, axis] for axis in range(3) for side in ("low", "high")]
    columns = [found["label"], found["volume"], *centres_of(found).T, *ends]
    with files.whole_file(path, 200 * len(found)) as temporary, files.fill(temporary, encoding="utf-8") as file:
        file.write("\t".join(COLUMNS) + "\n")
        files.write_table(file, columns, list(COLUMNS.values()), "\t")


def _cuts(image: VolumeInfo, marks: np.ndarray) -> dict[str, Cut]:
    """Slices of an image and of its mask or labels, through the middle of what is marked."""
    places = _middle(marks)
    if marks.shape[0] == 1:
        return {"Z": Cut(read_planes(image, 0, 1)[0], marks[0], 0)}
    shape, step = image.shape, -(-block_depth(image.shape) // image.depth) * image.depth  # nothing is decoded twice
    grey = {axis: np.empty([n for k, n in enumerate(shape) if k != axis], image.dtype) for axis in range(3)}
    for first in range(0, shape[0], step):
        planes = read_planes(image, first, min(first + step, shape[0]))
        if first <= places[0] < first + len(planes):
            grey[0][...] = planes[places[0] - first]
        grey[1][first : first + len(planes)] = planes[:, places[1]]
        grey[2][first : first + len(planes)] = planes[:, :, places[2]]
    return {"ZYX"[k]: Cut(grey[k], marks.take(places[k], k), places[k]) for k in range(3)}


def _middle(marks: np.ndarray) -> list[int]:
    """The middle of the planes, rows and columns that hold something."""
    rows, columns = np.zeros(marks.shape[1], bool), np.zeros(marks.shape[2], bool)
    planes = np.zeros(marks.shape[0], bool)
    for z, plane in enumerate(marks):
        some = plane != 0
        planes[z] = some.any()
        rows |= some.any(axis=1)
        columns |= some.any(axis=0)
    found = [np.flatnonzero(some) for some in (planes, rows, columns)]
    return [int(some[0] + some[-1]) // 2 if len(some) else n // 2 for some, n in zip(found, marks.shape, strict=True)]


def check_image(image: VolumeInfo, limits: tuple[float, float | None] | None) -> None:
    """Make sure, of its header, that an image can be taken apart.

    Raises
    ------
    UserError
        It is too long, or no voxel of its type can be within the limits.
    """
    if max(image.shape) > LONGEST_SIDE:
        raise UserError(f"{image.spec} is {max(image.shape)} voxels long: up to {LONGEST_SIDE} are possible")
    if limits is not None and image.dtype.kind in "iu":
        low, high = limits
        held = np.iinfo(image.dtype)
        if low >= held.max or (high is not None and high <= held.min):
            raise UserError(
                f"no voxel of {image.spec} ({image.dtype}) is "
                + (f"above {low:g}" if low >= held.max else f"below {high:g}")
                + f": its grey values are {held.min} to {held.max}"
            )


def limits_of(volume: np.ndarray, spec: str, team, mask_too: bool = False) -> tuple[float, float | None]:
    """The threshold of Otsu of an image. Collective.

    Parameters
    ----------
    volume : (nz, ny, nx) array
    spec : of the image, for messages
    team : hpcdvc.ranks.team.Team
    mask_too : an image of bytes with two values at most is a mask: all that is not 0, or the higher of two values

    Raises
    ------
    UserError
        The image has one grey value only, or none, or they lie too far apart.
    """
    try:
        counts, centres = grey_histogram(volume, team)
    except ValueError as error:
        team.fail(UserError(f"{spec} holds {error}, too far apart for a threshold to be found: -thr gives one"))
    values = centres[counts > 0]
    if mask_too and volume.dtype == np.uint8 and len(values) <= 2 and values[-1] > 0:
        return (0.0 if len(values) == 1 else float(values[0])), None
    if len(values) < 2:
        held = f"the grey value {values[0]:g} only" if len(values) else "no grey values, only NaN or infinite ones"
        team.fail(UserError(f"{spec} holds {held}: there is no threshold to be found, -thr gives one"))
    return team.agree(lambda: otsu_threshold(counts, centres)), None


def bright_planes(volume: np.ndarray, limits: tuple[float, float | None]):
    """From the first and the last plane to the planes of the mask between two grey values."""
    return lambda first, last: bright(volume[first:last], *limits)


@dataclass(frozen=True)
class Needs:
    """What a run takes.

    Attributes
    ----------
    image : header of the image
    region : of it that counts
    shared : bytes for each voxel that the ranks of a node share
    own : bytes that a rank has of its own
    seconds_per_voxel : rough core time
    """

    image: VolumeInfo
    region: Region
    shared: int
    own: float
    seconds_per_voxel: float

    @property
    def voxels(self) -> int:
        """Voxels that count."""
        return int(np.prod(self.region.shape, dtype=np.int64))

    def node(self, ranks: int) -> float:
        """Bytes of a node with so many ranks, without what is mapped from files."""
        decoded = 0 if self.image.offset is not None else self.image.voxel_bytes
        return decoded + self.shared * self.voxels + ranks * (PROCESS + self.own)

    def check(self, ranks: int, available: float) -> None:
        """Make sure that a node has the memory.

        Raises
        ------
        UserError
            It has not.
        """
        if self.node(ranks) > available:
            raise UserError(
                f"{self.image.spec} needs {self.node(ranks) / 1e9:.3g} GB of memory on a node with {ranks} ranks, and "
                f"there are {available / 1e9:.3g} GB: take a node with more, fewer ranks, or an image that was binned"
            )

    def estimate(self, file: ImageFile, ranks: int) -> str:
        """As text: memory, core time, disk."""
        seconds, shared = self.seconds_per_voxel * self.voxels, min(ranks, self.region.shape[0])
        return (
            f"per node: {memory_text((self.image,))}, {self.shared * self.voxels / 1e6:.1f} MB shared\n"
            f"per rank: about {(PROCESS + self.own) / 1e6:.0f} MB\n"
            f"{core_time(seconds, seconds / shared, ranks)}\n"
            f"disk: {file.file_bytes / 1e6:.1f} MB for {file.path} and what stands beside it"
        )


def block_bytes(shape: tuple[int, int, int], planes: int) -> float:
    """Bytes of a rank for blocks of so many planes of an image, with what is computed of them."""
    return 16.0 * min(planes, shape[0]) * shape[1] * shape[2]


def job_of(
    command: str, suffix: str, kind: type[MaskFile], dtype: type, needs: Needs, options, inputs: Inputs, team
) -> Job:
    """The job of a command that writes one such file, for which there is memory; on one rank.

    Parameters
    ----------
    command : its name without prefix
    suffix : end of the name of the file
    kind : of the file
    dtype : of its voxels
    needs : what the run takes; the task of the job
    options, inputs, team : of the run

    Raises
    ------
    UserError
        A node has not the memory.
    """
    if not options.dry_run:
        needs.check(team.node_sizes[0], node_memory())
    image, parameters = needs.image, parameters_of(options, inputs.identities())
    metadata = metadata_of(command, parameters, named_files(options))
    stem = stem_of(options.out_dir, options.prefix or image.stem, suffix, image.path)
    file = kind(f"{stem}.{options.format}", image.shape, np.dtype(dtype), metadata, image=image)
    return Job(stem=stem, parameters=parameters, files=(file,), task=needs, dtype=SLAB, unit="slabs")


def write_planes(
    found: Callable[[int, int], np.ndarray], region: Region, file: MaskFile, checkpoint: Checkpoint, options, team
) -> int:
    """Write what was found in a region, and 0 outside; how many voxels are not 0. Collective.

    Parameters
    ----------
    found : gives planes first to last - 1 of the region
    region : of the image
    file : is written
    checkpoint, options, team : of the run
    """
    shape = file.shape

    def planes(first: int, last: int) -> tuple[np.ndarray, float]:
        low, high = max(first, region.low[0]), min(last, region.high[0])
        image = np.zeros((last - first, *shape[1:]), file.dtype)
        if low < high:
            values = found(low - region.low[0], high - region.low[0])
            image[(slice(low - first, high - first), *region.in_plane)] = values
        return image, 0.0

    depth = slab_depth(shape, PLANES)
    seconds = SECONDS_OF_FILE * depth * shape[1] * shape[2]
    make = maker(planes, Region.whole(shape))
    return int(write_slabs(team, [file], depth, make, seconds, checkpoint, options.quiet)[0])
