"""hpcdvc-pixelSearch: where the windows of a grid, or the particles of a label image, have gone, to the whole voxel."""

import logging
from dataclasses import dataclass
from functools import partial

import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.fields.status import Family, Status
from hpcdvc.images import OpenVolumes, VolumeInfo, check_mask, check_pair, memory_text, open_mask, open_volume
from hpcdvc.options.declare import OptionSet, named_files
from hpcdvc.options.pixelSearch import Options
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import FieldFile, judge_points
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.search.rows import PARTICLE_ROW, SEARCH_ROW
from hpcdvc.search.settings import SearchSettings
from hpcdvc.steps.particles import check_label_type, scan_some_labels
from hpcdvc.steps.roi import Region, particles_in, region_in
from hpcdvc.steps.search_points import NodePoints, ParticlePoints, WindowPoints, particle_starts
from hpcdvc.steps.search_settings import (
    half_window_of,
    range_of,
    search_seconds,
    search_settings_of,
    searcher,
    time_of_particles,
)
from hpcdvc.steps.start import StartPoints, nodes_for, read_start

log = logging.getLogger("hpcdvc")

#: Statuses that a point ends with, and what to try then.
ADVICE = {
    Status.CONVERGED: "",
    Status.MAX_ITERATIONS: "",
    Status.SINGULAR: "larger -hws, or skip such windows with -glt",
    Status.NO_SPECIMEN: "",
    Status.FEW_VALID_VOXELS: "lower -mc",
    Status.BAD_START: "filter the start field first",
    Status.LEFT_IMAGE: "another -sr, or lower -mc",
    Status.DECORRELATED: "larger -hws, another -sr, or a better start with -pf",
    Status.AMBIGUOUS: "larger -hws, smaller -sr about a start with -pf",
    Status.BORDER_OF_RANGE: "wider -sr, or none, which adapts",
}


@dataclass(frozen=True)
class SearchTask:
    """One pair of images, and what is looked for in it.

    Attributes
    ----------
    im1, im2, mask1, mask2, labels : headers of the images
    settings : of the search
    start : field or registration to start from
    points : the nodes or guiding points; None for particles, which are made when the labels are read
    search_range : six numbers; None: it adapts
    region : where points lie that are wanted; None: everywhere
    """

    im1: VolumeInfo
    im2: VolumeInfo
    mask1: VolumeInfo | None
    mask2: VolumeInfo | None
    labels: VolumeInfo | None
    settings: SearchSettings
    start: Field | None
    points: NodePoints | WindowPoints | None
    search_range: tuple[int, ...] | None
    region: Region | None

    @property
    def half(self) -> tuple[int, int, int] | None:
        """Half window, ZYX; None for particles."""
        return self.points.half if self.points else None

    @property
    def volumes(self) -> tuple[VolumeInfo | None, ...]:
        """All headers."""
        return self.im1, self.im2, self.mask1, self.mask2, self.labels


def run(options: Options, team) -> list[str]:
    """Search; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    work = partial(search, volumes=OpenVolumes(team))
    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs[0], team.size, team.node_size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, im2, mask1, mask2, labels = images_of(inputs)
    start = read_start(options.phi_file, options.phi_file_bin_ratio, im1)
    reach, points, region = range_of(options.search_range, im1), None, region_in(options, im1)
    if labels is None:
        grid, start = nodes_for(im1.shape, options.spacing, start, options.phi_file, region)
        nodes = StartPoints(grid, start, "all")
        points = NodePoints(nodes, half_window_of(options, im1), reach, options.apply_f)
    settings = search_settings_of(options, options.subvoxel)
    task = SearchTask(im1, im2, mask1, mask2, labels, settings, start, points, reach, region)
    made_from = {"grid": [points.grid.origin, points.grid.spacing, points.grid.shape]} if points else {}
    return [job_of("pixelSearch", options, inputs.identities() | made_from, task, choose_transport(team), ADVICE)]


def images_of(inputs: Inputs) -> tuple[VolumeInfo | None, ...]:
    """Headers of im1, im2, their masks and the labels, None for those that are not given, on one rank.

    Raises
    ------
    UserError
        They do not fit each other, or the labels are no whole numbers.
    """
    im1, im2, *masks, labels = (inputs.volume(name) for name in ("im1", "im2", "mask1", "mask2", "labels1"))
    check_pair(im1, im2)
    for mask in filter(None, masks):
        check_mask(im1, mask)
    if labels:
        check_mask(im1, labels, "label image")
        check_label_type(labels)
    return im1, im2, *masks, labels


def job_of(command: str, options: OptionSet, made_from: dict, task: SearchTask, transport: str, advice: dict) -> Job:
    """The job of a search, on one rank.

    Parameters
    ----------
    command : its name
    options : of it
    made_from : what else the result depends on
    task : the search
    transport : how rows on a grid get into the file
    advice : statuses that a point ends with, and what to try then
    """
    points, im1 = task.points, task.im1
    on_grid = points is not None and points.grid is not None
    parameters = parameters_of(options, made_from)
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{task.im2.stem}", command, im1.path)
    file = FieldFile(
        stem,
        points.count if points else 0,
        metadata_of(command, parameters, named_files(options)),
        views_of(options, on_grid),
        points.half if points else (0, 0, 0) if im1.two_dimensional else (1, 1, 1),
        transport if on_grid else "gather",
        {status: text.replace("-hws", "-ld") for status, text in advice.items()} if task.labels else advice,
        SEARCH_ROW if points else PARTICLE_ROW,
        Family.SEARCH,
    )
    return Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=file.dtype)


def views_of(options: OptionSet, on_grid: bool) -> tuple[str, ...]:
    """Views that are written; images are made of grids only."""
    if options.labels1 and (options.node_spacing or options.node_spacing3 or options.half_window):
        log.warning("-lab1 measures particles: -ns and -hws are ignored")
    if options.tif and not on_grid:
        log.warning("-tif is ignored: images are made of grids, not of particles or single points")
    return tuple(view for view in ("tsv", "vtk", "tif") if getattr(options, view) and (on_grid or view != "tif"))


def search(job: Job, checkpoint: Checkpoint, options: Options, team, volumes: OpenVolumes) -> dict:
    """Search and write the HDF5 file. Collective."""
    task: SearchTask = job.task
    images, masks, labels = opened(task, volumes, team)
    points = task.points or particles_of(task, labels, options, team)
    log.info("%s -> %s: %d %s", task.im1.spec, task.im2.spec, points.count, "nodes" if task.points else "particles")
    find = searcher(task.settings, images, masks, labels, task.half, task.search_range, team)
    numbers, seconds = points.count, search_seconds(task.half, task.search_range, task.im1.two_dimensional)
    if task.labels:
        numbers, seconds = points.largest_first()
    (file,) = job.files
    rows = measure_points(
        team, numbers, lambda some: find(points(some)), seconds, checkpoint, options.quiet, family=file.family
    )
    border = int(team.sum(int(np.count_nonzero(rows["border"]))))
    write(file, rows, points, team)
    if task.search_range is not None:
        log.info("the best correlation lies on the border of the range at %d of %d points", border, points.count)
    return {"transport": file.transport, "points": team.agree(file.counts), "border": border}


def opened(task: SearchTask, volumes: OpenVolumes, team) -> tuple[tuple, list, np.ndarray | None]:
    """Images, masks and labels of a search, None for those that are not given. Collective."""
    images = volumes(task.im1, task.im2)
    masks = [open_mask(info, team) if info else None for info in (task.mask1, task.mask2)]
    return images, masks, open_volume(task.labels, team) if task.labels else None


def write(file: FieldFile, rows: np.ndarray, points: NodePoints | ParticlePoints | WindowPoints, team) -> None:
    """Write the rows of all points. Collective."""
    if points.grid is not None:
        file.write(rows, points.grid, team)
    else:
        rows, _ = team.collect(rows, points.count)
        file.write(rows, None, team, points.positions[: len(rows)])


def scanned(task: SearchTask, labels: np.ndarray, team) -> np.ndarray:
    """The particles (PARTICLE) of the label image, of which there must be some. Collective."""
    return scan_some_labels(labels, task.labels.spec, team)


def particles_of(task: SearchTask, labels: np.ndarray, options: Options, team) -> ParticlePoints:
    """The particles of the label image, and what they start from. Collective."""
    found = scanned(task, labels, team)
    path, spec = options.phi_file, task.labels.spec
    phi = team.agree(lambda: particle_starts(found, task.start, options.apply_f, path, spec))
    points = ParticlePoints(found, phi, options.label_dilate, task.search_range, task.im1.two_dimensional)
    return particles_in(task.region, points, spec, team)


judge = partial(judge_points, nothing="nothing was found, most points end")


def estimate(job: Job, ranks: int, ranks_per_node: int) -> str:
    """What the run will take, as text: points, memory, core time, disk."""
    task: SearchTask = job.task
    memory = f"per node: {memory_text(task.volumes)}"
    if task.points is None:
        each = search_seconds(None, task.search_range, task.im1.two_dimensional)
        time = time_of_particles(task, ranks, lambda voxels: each)
        return f"particles of {task.labels.spec}: how many there are is known when it is read\n{memory}\n{time}"
    seconds = search_seconds(task.half, task.search_range, task.im1.two_dimensional) * task.points.count
    return (
        f"{task.points.count} nodes {task.points.grid.shape} (ZYX)\n{memory}\n"
        f"{core_time(seconds, seconds / ranks, ranks, ranks_per_node)}\n"
        f"disk: about {sum(file.file_bytes for file in job.files) / 1e6:.1f} MB for the result"
    )
