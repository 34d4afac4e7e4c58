"""hpcdvc-noise: random error and bias of the displacement against the size of the window."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import RunError
from hpcdvc.fields.noise import PART, Errors, errors_at_rest, errors_of_shifts, recommended
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.images import OpenVolumes, VolumeInfo, check_mask, check_pair, memory_text, open_mask
from hpcdvc.options.declare import named_files
from hpcdvc.options.noise import Options
from hpcdvc.output.noise_picture import noise_picture
from hpcdvc.output.places import stem_of
from hpcdvc.output.points import KeyedFile
from hpcdvc.registration.settings import Settings
from hpcdvc.registration.windows import WindowRegistration
from hpcdvc.runs.checkpoint import Checkpoint
from hpcdvc.runs.cost import core_time
from hpcdvc.runs.inputs import Inputs
from hpcdvc.runs.job import Job, carry_out, metadata_of, parameters_of
from hpcdvc.runs.points import measure_points
from hpcdvc.steps.noise import AROUND, AtRest, Resampled, sizes_for
from hpcdvc.steps.noise_text import sentence, table_text
from hpcdvc.steps.roi import Region, region_in
from hpcdvc.steps.self_start import LOST, Pair, look_around
from hpcdvc.steps.settings import settings_of, window_of

log = logging.getLogger("hpcdvc")

#: Mean displacement between two scans at rest beyond which they are none, voxels; the same of its gradient.
MOVED, STRAINED = 1.0, 0.01
#: Planes that are compared to tell whether two scans are one.
LOOKED_AT = 8
#: Random errors that are so many times what windows state themselves are not of white noise alone.
BEYOND_STATED = 3.0
#: Least variance of a texture, in units of that of the noise.
LEAST_TEXTURE = 0.25
#: Bytes of the text files.
TEXT = 2**14


@dataclass(frozen=True)
class NoiseTask:
    """One scan or two, and the windows that are measured in it.

    Attributes
    ----------
    images : headers of the scans
    mask : header of the mask, or None
    windows : of all sizes
    """

    images: tuple[VolumeInfo, ...]
    mask: VolumeInfo | None
    windows: AtRest | Resampled

    @property
    def unit(self) -> str:
        """What lengths are in."""
        return "pixel" if self.images[0].two_dimensional else "voxel"

    @property
    def settings(self) -> tuple[Settings, ...]:
        """Of the windows of each size, ascending."""
        return self.windows.settings

    @property
    def halves(self) -> list[int]:
        """Half windows, ascending, voxels."""
        return [max(one.window.half_size) for one in self.settings]


def run(options: Options, team) -> list[str]:
    """Measure the noise; returns the paths written. Collective.

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
    images, mask = inputs.volumes["images"], inputs.volume("mask1")
    first, last = images[0], images[-1]
    check_pair(first, last)
    if mask:
        check_mask(first, mask)
    alone = len(images) == 1
    region = region_in(options, first)
    part = f"--roi {region} of {first.spec}" if region else first.spec
    region = region or Region.whole(first.shape)
    flat, around = first.two_dimensional, AROUND if alone else 0
    sizes = sizes_for(region.shape, options.half_window_sizes, around, flat, part)
    settings = tuple(settings_of(options, first, window_of(options, first, (size,) * 3)) for size in sizes)
    windows = (Resampled if alone else AtRest)(region, settings, options.windows)
    parameters = parameters_of(options, inputs.identities(**{f"im{k}": info for k, info in enumerate(images, 1)}))
    metadata = metadata_of("noise", parameters, named_files(options) | {"images": [info.spec for info in images]})
    name = options.prefix or "-".join(info.stem for info in images)
    stem = stem_of(options.out_dir, name, "noise", first.path)
    files = tuple(KeyedFile(f"{stem}{end}", metadata, size) for end, size in ((".tsv", TEXT), (".md", TEXT)))
    files += (KeyedFile(f"{stem}.png", metadata),)
    task = NoiseTask(images, mask, windows)
    return [Job(stem=stem, parameters=parameters, files=files, task=task, unit="windows")]


def measure(job: Job, checkpoint: Checkpoint, options: Options, team) -> dict:
    """Measure the windows and write what they say. Collective; returns what the record of the run keeps."""
    task: NoiseTask = job.task
    images = OpenVolumes(team)(*task.images)
    mask = open_mask(task.mask, team) if task.mask else None
    if len(images) == 2:
        rows, noise = _of_two(task, images, mask, checkpoint, options, team), None
    else:
        rows, noise = _of_one(task, images[0], mask, checkpoint, options, team)
    rows, _ = team.collect(rows, len(task.windows.sizes))
    return team.agree(lambda: _write(job, rows, noise, options))


def _of_two(
    task: NoiseTask, images: list[np.ndarray], mask: np.ndarray | None, checkpoint: Checkpoint, options: Options, team
) -> np.ndarray:
    """Rows of this rank, of two scans. Collective."""
    team.agree(lambda: _check_unlike(task, images))
    registrations = [WindowRegistration(*images, one, mask) for one in task.settings]
    places = task.windows.places[-1].astype(float)
    seen = look_around(lambda: places, len(places), Pair(*images, mask, task.settings[-1], registrations[-1], team))
    if seen.facts["used"]:
        team.fail(RunError(_moved(task, f"by up to {seen.facts['largest']:.1f} {task.unit}s")))
    if seen.facts["lost"] > PART * len(seen.numbers):
        team.fail(RunError(_nothing(task, seen.rows)))
    seconds = task.windows.seconds()
    return measure_points(team, len(seconds), task.windows.measure(registrations), seconds, checkpoint, options.quiet)


def _check_unlike(task: NoiseTask, images: list[np.ndarray]) -> None:
    """Make sure, on one rank, that some planes of the two differ; RunError if not."""
    one, two = (image[task.windows.region.slices] for image in images)
    some = np.unique(np.linspace(0, len(one) - 1, LOOKED_AT).astype(int))
    if all(np.array_equal(one[k], two[k]) for k in some):
        raise RunError(f"{_names(task)} are one and the same image: there is no noise between them")


def _of_one(
    task: NoiseTask, image: np.ndarray, mask: np.ndarray | None, checkpoint: Checkpoint, options: Options, team
) -> tuple[np.ndarray, float]:
    """Rows of this rank, of one scan and its resampling, and the noise that was added. Collective."""
    windows: Resampled = task.windows
    noise = team.agree(lambda: options.noise or _noise_in(task, image))
    log.info("%s: noise of %.4g grey values is added, %d tiles", task.images[0].spec, noise, len(windows.tiles))
    measured = windows.measure(image, mask, noise)
    count, chunk = len(windows.sizes), windows.per_tile
    rows = measure_points(team, count, measured, windows.seconds(), checkpoint, options.quiet, chunk=chunk)
    return rows, noise


def _noise_in(task: NoiseTask, image: np.ndarray) -> float:
    """The noise of a scan, on one rank.

    Raises
    ------
    RunError
        There is no texture beside it.
    """
    noise, spread = task.windows.noise_of(image)
    if not spread**2 - noise**2 > LEAST_TEXTURE * noise**2:
        raise RunError(
            f"{task.images[0].spec} has no texture that could be told from noise: its grey values vary by "
            f"{spread:.3g}, those of neighbouring voxels by {noise:.3g}; -noise says what it is, two scans show it"
        )
    return noise


def _names(task: NoiseTask) -> str:
    return " and ".join(info.spec for info in task.images)


def _moved(task: NoiseTask, how: str) -> str:
    return f"{_names(task)} are not two scans at rest: they have moved {how}; hpcdvc-ldic measures that"


def _nothing(task: NoiseTask, rows: np.ndarray) -> str:
    """Why too few windows have converged, in a sentence."""
    names = _names(task)
    statuses, counts = np.unique(rows["return_status"][rows["return_status"] != Status.CONVERGED], return_counts=True)
    if not len(statuses):
        return f"{names}: there is no room for enough windows side by side, smaller ones (-hws) are needed"
    most = int(statuses[counts.argmax()])
    return (
        f"{names}: too few windows have converged to say what the noise is, most end with status {most} "
        f"({reason_of(most)})" + "; the two do not show the same at rest" * (len(task.images) == 2 and most in LOST)
    )


def errors_of(task: NoiseTask, rows: np.ndarray) -> list[Errors]:
    """Errors of the windows of each size, ascending; rows in the order of the windows."""
    found = []
    specimen, good = rows["return_status"] != Status.NO_SPECIMEN, rows["return_status"] == Status.CONVERGED
    for size, half in enumerate(task.halves):
        some = specimen & (task.windows.sizes == size)
        if isinstance(task.windows, AtRest):
            found.append(errors_at_rest(half, task.windows.positions[some], rows[some], good[some]))
        else:
            truth = task.windows.truth[some]
            found.append(errors_of_shifts(half, truth, rows[some], good[some], task.windows.axes))
    return found


def check_errors(task: NoiseTask, errors: Sequence[Errors], rows: np.ndarray) -> None:
    """Make sure, on one rank, that they are errors.

    Raises
    ------
    RunError
        Too few windows have converged, the images are one and the same, or what they show has moved.
    """
    known = [one for one in errors if one.known]
    if not known:
        raise RunError(_nothing(task, rows))
    if len(task.images) == 1:
        return
    largest = known[-1]
    if largest.largest_bias > MOVED:
        raise RunError(_moved(task, f"by {' '.join(f'{v:.2f}' for v in largest.bias)} {task.unit}s (ZYX)"))
    if largest.largest_random > BEYOND_STATED * largest.stated:
        log.warning(
            "%s: the scatter of %.2g %s is %.0f times what windows of -hws %d state themselves: the specimen or the "
            "scanner has changed between the scans, or their noise is not white",
            _names(task), largest.largest_random, task.unit, largest.largest_random / largest.stated, largest.half,
        )  # fmt: skip


def _write(job: Job, rows: np.ndarray, noise: float | None, options: Options) -> dict:
    """Table, sentence and picture, on one rank; returns what the record keeps."""
    task: NoiseTask = job.task
    errors = errors_of(task, rows)
    try:
        check_errors(task, errors, rows)
    except RunError:
        job.shards.clear()  # nothing is left to go on with
        raise
    two = len(task.images) == 2
    chosen = recommended(errors, options.wanted, with_bias=not two)
    used = chosen or next(one for one in reversed(errors) if one.known)
    text = sentence(used, task.settings[errors.index(used)], len(task.images), noise)
    half = f"-hws {used.half}"
    advice = (
        f"recommended: {half} -ns {used.half}"
        if chosen
        else f"no window has an error below {options.wanted:g} {task.unit}, the largest ({half}) comes nearest"
    )
    table, words, picture = job.files
    head = f"hpcdvc-noise {job.key}"
    table.write(table_text(errors, f"{head}; {advice}"))
    words.write(f"<!-- {head} -->\n\n{text}\n\n{advice[0].upper()}{advice[1:]}.\n".encode())
    title = " and ".join(info.stem for info in task.images)
    names = title, "mean displacement: bias and drift" if two else f"largest bias at shifts of 0 to 0.5 {task.unit}"
    picture.write(noise_picture(errors, chosen, options.wanted, names, task.unit, job.key))
    for one in errors:
        log.info(
            "-hws %d: %d of %d windows, random error %.2g %s, bias %.2g %s",
            one.half, one.converged, one.windows, one.largest_random, task.unit, one.largest_bias, task.unit,
        )  # fmt: skip
    log.info(advice)
    log.info("%s", text)
    return {"half_window_size": used.half, "reached": chosen is not None, "added_noise": noise}


def estimate(job: Job, ranks: int) -> str:
    """What the run will take, as text: windows, memory, core time."""
    task: NoiseTask = job.task
    seconds = float(np.sum(np.broadcast_to(task.windows.seconds(), len(task.windows.sizes))))
    return (
        f"{len(task.windows.sizes)} windows of half {' '.join(map(str, task.halves))} {task.unit}s\n"
        f"per node: {memory_text((*task.images, task.mask))}\n"
        f"per rank: about 100 MB\n" + core_time(seconds, seconds / ranks, ranks)
    )
