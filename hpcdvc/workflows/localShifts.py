"""hpcdvc-localShifts: where the window about each pixel of an image or a stack has gone, or about nodes of a grid."""

import logging
from dataclasses import dataclass
from functools import partial

from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.status import Status
from hpcdvc.images import VolumeInfo, memory_text, open_mask
from hpcdvc.images.stack import check_stacks, open_stack
from hpcdvc.options.declare import named_files
from hpcdvc.options.localShifts import Options
from hpcdvc.output.dense import DenseFile
from hpcdvc.output.hdf5 import choose_transport
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import FieldFile, judge_points
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.runs.slabs import SLAB, write_slabs
from hpcdvc.stacks.dense import DenseSettings
from hpcdvc.stacks.device import array_module
from hpcdvc.stacks.refine import KINDS
from hpcdvc.steps.bands import BAND, Bands, BandsIn, NodeRows, check_window, maker, note_convention
from hpcdvc.steps.pairs import PairReader, check_flat_mask, greys_of, masked_marker
from hpcdvc.steps.roi import Region, nodes_in, region_of
from hpcdvc.steps.row_measure import RowMeasure

log = logging.getLogger("hpcdvc")

#: Columns of a dense result.
COLUMNS = ("displacement", "zncc", "returnStatus")
#: Statuses that a pixel ends with, and what to try then.
ADVICE = {
    Status.CONVERGED: "",
    Status.MAX_ITERATIONS: "larger -hws, or -pm taylor",
    Status.SINGULAR: "larger -hws",
    Status.NO_SPECIMEN: "",
    Status.FEW_VALID_VOXELS: "smaller -hws or -sr at the border of the image",
    Status.DECORRELATED: "larger -hws, another -sr, or lower -ccmin",
    Status.AMBIGUOUS: "larger -hws, smaller -sr",
    Status.BORDER_OF_RANGE: "wider -sr",
    Status.SATURATED: "images that are less exposed",
}
#: Core time of one displacement and frame at a pixel, and of a window sum there, s.
SECONDS_PER_PRODUCT, SECONDS_PER_SUM = 2e-10, 1e-9


@dataclass(frozen=True)
class LocalShiftsTask:
    """Two stacks, and how they are compared.

    Attributes
    ----------
    im1, im2, mask : headers of the images
    settings : of the windows
    grid : nodes; None: every pixel
    region : in which pixels are measured
    """

    im1: VolumeInfo
    im2: VolumeInfo
    mask: VolumeInfo | None
    settings: DenseSettings
    grid: Grid | None
    region: Region

    @property
    def seconds_per_pixel(self) -> float:
        """Rough cost."""
        low_y, high_y, low_x, high_x = self.settings.reach
        tried = (high_y - low_y + 1) * (high_x - low_x + 1)
        return tried * (SECONDS_PER_PRODUCT * self.im1.shape[0] + SECONDS_PER_SUM)

    @property
    def pixels(self) -> int:
        """How many are measured."""
        return self.grid.size if self.grid else self.region.shape[1] * self.region.shape[2]


def run(options: Options, team) -> list[str]:
    """Measure all pixels or nodes; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, measure, lambda jobs: estimate(jobs[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The one job, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    im1, im2, mask = (inputs.volume(name) for name in ("im1", "im2", "mask1"))
    check_stacks(im1, im2)
    if mask:
        check_flat_mask(im1, mask)
    settings = settings_of(options)
    check_window(settings.half_window, settings.reach, im1)
    array_module(options.device)
    note_convention(options)
    if options.mask_coverage != 0.5 and (mask is None or options.template == "im2"):
        log.warning("-mc is ignored: it is for windows of im1 and its mask, -mf1")
    step = options.node_spacing
    shape = (1, *im1.shape[1:])
    region = region_of(options, shape, im1.spec)
    grid = nodes_in(region, make_grid(shape, (step,) * 3)) if step > 1 else None
    task = LocalShiftsTask(im1, im2, mask, settings, grid, region or Region.whole(shape))
    parameters = parameters_of(options, inputs.identities())
    metadata = metadata_of("localShifts", parameters, named_files(options))
    stem = stem_of(options.out_dir, options.prefix or f"{im1.stem}-{im2.stem}", "localShifts", im1.path)
    if grid:
        views = tuple(view for view in ("tsv", "vtk", "tif") if getattr(options, view))
        half = (0, options.half_window_size, options.half_window_size)
        file = FieldFile(stem, grid.size, metadata, views, half, choose_transport(team), ADVICE)
        return [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=file.dtype)]
    views = tuple(view for view in ("vtk", "tif") if getattr(options, view))
    columns = COLUMNS + ("displacement_std",) * (options.peak_method in KINDS)
    file = DenseFile(stem, (1, *im1.shape[1:]), columns, metadata, views, ADVICE, turned=options.turned)
    return [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=SLAB, unit="bands")]


def settings_of(options: Options) -> DenseSettings:
    """How windows are compared."""
    return DenseSettings(
        options.half_window_size,
        options.reach,
        template=options.template,
        peak="poly" if options.peak_method == "poly" else "taylor",
        peak_size=options.peak_size,
        least_score=options.least_score,
        step=options.node_spacing,
    )


def measure(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Measure and write the HDF5 file. Collective."""
    task: LocalShiftsTask = job.task
    log.info("%s -> %s: %d %s", task.im1.spec, task.im2.spec, task.pixels, "nodes" if task.grid else "pixels")
    bands = bands_of(task, options, team)
    (file,) = job.files
    if task.grid:
        nodes = NodeRows(bands, task.grid, file.dtype)
        rows = measure_points(
            team, task.grid.size, nodes, task.seconds_per_pixel, checkpoint, options.quiet, chunk=nodes.chunk
        )
        file.write(rows, task.grid, team)
        return {"transport": file.transport, "points": team.agree(file.counts)}
    seconds = task.seconds_per_pixel * BAND * task.im1.shape[2]
    if options.roi is not None:
        bands = BandsIn(bands, task.region.low[1:], task.region.high[1:], task.im1.shape[2])
    write_slabs(team, [file], BAND, maker(bands, file.columns), seconds, checkpoint, options.quiet)
    return {**file.metadata, "points": team.agree(file.counts)}


def bands_of(task: LocalShiftsTask, options: Options, team) -> Bands:
    """The images, opened, and how they are measured. Collective."""
    stacks = tuple(open_stack(info, team) for info in (task.im1, task.im2))
    mask = open_mask(task.mask, team)[0] if task.mask else None
    greys = tuple(greys_of(stack, options.norm, team) for stack in stacks)
    reader = PairReader(stacks, greys, mask)
    means = team.agree(lambda: reader.means)
    device = options.device, team.rank, options.peak_method
    how = RowMeasure(task.settings, task.im1.shape[1], means, options.dim == 1, *device)
    mark = None
    if mask is not None and options.template == "im1":
        mark = masked_marker(mask, options.half_window_size, options.mask_coverage)
    return Bands(reader, how, mark, options.chunk)


judge = partial(judge_points, nothing="no window was found, most end")


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: pixels, memory, core time, disk."""
    task: LocalShiftsTask = job.task
    frames, height, width = task.im1.shape
    band = min(BAND, height) + 2 * task.settings.half_window + 2 * max(map(abs, task.settings.reach[:2]))
    seconds = task.seconds_per_pixel * task.pixels
    what = f"nodes {task.grid.shape[1:]} (YX)" if task.grid else f"pixels of {height} x {width}"
    return (
        f"{task.pixels} {what}, {frames} frame{'s' * (frames > 1)}\n"
        f"per node: {memory_text((task.im1, task.im2, task.mask))}\n"
        f"per rank: about {60 + 4 * 4e-6 * frames * band * width:.0f} MB\n"
        f"{core_time(seconds, seconds / ranks, ranks)}\n"
        f"disk: about {sum(file.file_bytes for file in job.files) / 1e6:.1f} MB for the results"
    )
