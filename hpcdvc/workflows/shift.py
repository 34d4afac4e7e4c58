"""hpcdvc-shift: one translation for each pair of whole images, and how sure it is."""

import logging
import math
from dataclasses import dataclass, replace

import numpy as np

from hpcdvc.fields.field import row_with
from hpcdvc.fields.rows import blank_rows
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.images import memory_text
from hpcdvc.options.declare import named_files
from hpcdvc.options.shift import Options
from hpcdvc.output.places import stem_of
from hpcdvc.output.result import FieldFile, judge_points
from hpcdvc.output.tsv import write_tsv
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.stacks.shift import measure_shift
from hpcdvc.steps.series import note_masks
from hpcdvc.steps.shift_maps import MapTask, map_jobs, write_map
from hpcdvc.steps.shift_pairs import PairReader, ShiftPairs, pairs_of
from hpcdvc.steps.shift_points import PointsTask, points_job, write_points
from hpcdvc.steps.shift_settings import shift_settings_of
from hpcdvc.steps.shifted import ShiftedImages, shifted_jobs, write_shifted

log = logging.getLogger("hpcdvc")

#: Rough core time per pixel of a pair, s, and bytes that it takes.
SECONDS_PER_PIXEL, BYTES_PER_PIXEL = 3e-7, 150
#: Statuses that a pair ends with, and what to try then.
ADVICE = {
    Status.CONVERGED: "",
    Status.SINGULAR: "images with texture",
    Status.FEW_VALID_VOXELS: "a mask or -crop that leaves more",
    Status.DECORRELATED: "images of the same thing, -crop, or -boundary overlap",
    Status.AMBIGUOUS: "-maxoff, -crop, or -boundary overlap",
    Status.BORDER_OF_RANGE: "a larger -maxoff or -sr",
    Status.SATURATED: "images that are not clipped",
}
#: Columns of displacements on the sky.
WORLD = ("world1disp", "world2disp")
#: Pairs that are told one by one.
TOLD = 20


@dataclass(frozen=True)
class ShiftTask:
    """What is measured."""

    pairs: ShiftPairs
    settings: ShiftSettings


@dataclass(frozen=True)
class ShiftFile(FieldFile):
    """The shifts; `turned`: displacements have the opposite sign in their table."""

    turned: bool = False

    def write_views(self) -> None:
        """Write what was asked for beside the HDF5 file, from that file (one rank)."""
        if not self.turned or "tsv" not in self.views:
            super().write_views()
            return
        from hpcdvc.output.hdf5 import read_field

        replace(self, views=tuple(view for view in self.views if view != "tsv")).write_views()
        field = read_field(self.path)
        turned = [field.phi[:, :3, 3], *(field.extra[name] for name in WORLD if name in field.extra)]
        for values in turned:
            values[...] = 0.0 - values  # no -0
        write_tsv(f"{self.stem}.tsv", field)


def run(options: Options, team) -> list[str]:
    """Measure the shifts; returns the paths written. Collective.

    Parameters
    ----------
    options : Options
    team : hpcdvc.ranks.team.Team
    """
    return carry_out(options, team, plan, work, lambda jobs: estimate(jobs[0], team.size))


def plan(options: Options, inputs: Inputs, team) -> list[Job]:
    """The table and what is written beside it, on one rank.

    Raises
    ------
    UserError
        With one sentence, when something is missing or does not fit.
    """
    pairs = pairs_of(options, inputs)
    settings = shift_settings_of(options, pairs)
    names = [pairs.name(k) for k in range(len(pairs.pairs) + 1)]
    masks = [mask and mask.spec for mask in (pairs.mask1, pairs.mask2)]
    note_masks(names, options.series_incremental, masks)
    if options.turned and options.tsv:
        log.warning("-convention %s: the table has other signs than the .hdf file, which -pf needs", options.convention)
    if options.tif and not options.registered:
        log.warning("-tif is ignored: only -reg makes images")
    series = {f"im{k}": info for k, info in enumerate(pairs.images, 1)}
    parameters = parameters_of(options, inputs.identities(**series))
    count, im1 = len(pairs.pairs), pairs.images[0]
    name = options.prefix or (im1.stem if pairs.frames else f"{im1.stem}-{pairs.images[-1].stem}")
    stem = stem_of(options.out_dir, name, "shift", im1.path)
    columns = [("step", "i4")] * (count > 1) + [(name, "f8") for name in WORLD if options.wcs]
    views = tuple(view for view in ("tsv", "vtk") if getattr(options, view))
    metadata = metadata_of("shift", parameters, named_files(options))
    file = ShiftFile(
        stem, count, metadata, views, (0, 0, 0) if pairs.flat else (1, 1, 1),
        advice=ADVICE, dtype=row_with(*columns), turned=options.turned,
    )  # fmt: skip
    task = ShiftTask(pairs, settings)
    jobs = [Job(stem=stem, parameters=parameters, files=(file,), task=task, dtype=file.dtype, unit="pairs")]
    if options.registered:
        jobs += shifted_jobs(f"{stem}-reg", file, pairs, options.tif)
    if options.listed:
        jobs.append(points_job(f"{stem}-points", file, pairs, settings))
    if options.map_file:
        jobs += map_jobs(options.map_file.removesuffix(".hdf"), file, pairs, settings)
    return jobs


def work(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict | None:
    """Measure, or write what is beside the table. Collective; returns what the record of the run keeps."""
    if isinstance(job.task, ShiftedImages):
        return write_shifted(job, checkpoint, team, options.quiet)
    if isinstance(job.task, MapTask):
        return write_map(job, team)
    if isinstance(job.task, PointsTask):
        return write_points(job, team)
    return measure(job, checkpoint, options, team)


def measure(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Measure the pairs and write the HDF5 file. Collective."""
    task: ShiftTask = job.task
    (file,) = job.files
    read, count = PairReader(task.pairs, team), len(task.pairs.pairs)

    def measure_some(numbers: np.ndarray) -> np.ndarray:
        rows = blank_rows(numbers, file.dtype)
        for row in rows:
            fill(row, task, read)
        return rows

    rows = measure_points(team, count, measure_some, pair_seconds(task.pairs), checkpoint, options.quiet)
    rows, _ = team.collect(rows, count)
    if count <= TOLD and team.rank == 0:
        tell(rows, task.pairs)
    file.write(rows, None, team, np.repeat(task.pairs.centre[None], len(rows), axis=0))
    return {"transport": file.transport, "points": team.agree(file.counts)}


def fill(row: np.void, task: ShiftTask, read: PairReader) -> None:
    """Measure the pair of a row."""
    number = int(row["index"])
    im1, im2, noise, mask1, mask2 = read(number)
    shift = measure_shift(im1, im2, task.settings, noise, mask1, mask2)
    row["Phi"] = np.eye(4)[:3]
    row["Phi"][:, 3] = shift.displacement
    row["variance"].reshape(3, 4)[:, 3] = shift.std**2
    row["return_status"], row["zncc"] = shift.status, shift.score
    row["error"] = row["delta_phi_norm"] = 0
    row["valid_fraction"] = valid_part(((im1, mask1), (im2, mask2)))
    if "step" in row.dtype.names:
        row["step"] = number + 1
    if task.pairs.wcs:
        first, _ = task.pairs.pairs[number]
        for name, degrees in zip(WORLD, read.degrees(first, shift.displacement), strict=True):
            row[name] = degrees


def valid_part(images: tuple[tuple[np.ndarray, np.ndarray | None], ...]) -> float:
    """Part of the pixels that are numbers, and not masked, in both images."""
    valid = np.ones(images[0][0].shape, bool)
    for image, mask in images:
        if image.dtype.kind == "f":
            valid &= np.isfinite(image)
        if mask is not None:
            valid &= mask != 0
    return float(valid.mean())


def tell(rows: np.ndarray, pairs: ShiftPairs) -> None:
    """Say what was measured of each pair, as x, y (and z)."""
    axes = slice(None, 0, -1) if pairs.flat else slice(None, None, -1)
    for row in rows:
        first, second = pairs.pairs[row["index"]]
        what = f"{pairs.name(first)} -> {pairs.name(second)}"
        if row["return_status"] != Status.CONVERGED:
            log.info("%s: status %d, %s", what, row["return_status"], reason_of(row["return_status"]))
            continue
        numbers = zip("xyz", row["Phi"][axes, 3], np.sqrt(row["variance"][3::4])[axes], strict=False)
        log.info("%s: %s", what, ", ".join(f"{name} {u:.4f} +- {std:.4f}" for name, u, std in numbers))


def judge(paths: list[str]) -> None:
    """RunError where no pair was measured, on one rank; the first path is that of the HDF5 file of the shifts."""
    judge_points(paths[:1], "nothing was measured, most pairs end")


def pair_seconds(pairs: ShiftPairs) -> float:
    """Rough core time of a pair, s."""
    return SECONDS_PER_PIXEL * math.prod(pairs.shape)


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: memory and core time."""
    task: ShiftTask = job.task
    count, seconds = len(task.pairs.pairs), pair_seconds(task.pairs) * len(task.pairs.pairs)
    own = 60 + BYTES_PER_PIXEL * math.prod(task.pairs.shape) / 1e6
    return (
        f"{count} pair{'s' * (count > 1)}\n"
        f"per node: {memory_text(task.pairs.volumes)}\n"
        f"per rank: about {own:.0f} MB\n"
        f"{core_time(seconds, seconds / min(ranks, count), ranks)}"
    )
