"""From options to how a shift of whole images is measured."""

import logging

from hpcdvc.errors import UserError
from hpcdvc.options.declare import declarations
from hpcdvc.options.shift import METHODS, Options
from hpcdvc.options.values import is_number, listed
from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.steps.guiding import read_points
from hpcdvc.steps.shift_pairs import SMALLEST, ShiftPairs

log = logging.getLogger("hpcdvc")

#: Methods that compare what overlaps; options that only some methods know.
OF_OVERLAPS = ("chi2", "cc")
WINDOWS, POINTS, ZOOMS = ("map", "points"), ("points",), ("chi2iterzoom",)
WHOLE = tuple(method for method in METHODS if method not in WINDOWS)
KNOWN_BY = {
    "upsampling": ("dft", "phase"), "boundary": WHOLE, "errors": WHOLE, "zoom_shape": ZOOMS, "least_difference": ZOOMS,
    "axis": ("map",), "peak": WINDOWS, "peak_size": WINDOWS, "peak_dimensions": WINDOWS, "search_range": WINDOWS,
    "half_window": POINTS, "point_count": POINTS, "points_file": POINTS, "seed": POINTS, "global_value": POINTS,
}  # fmt: skip


def shift_settings_of(options: Options, pairs: ShiftPairs) -> ShiftSettings:
    """The settings that options ask for, on one rank.

    Parameters
    ----------
    options : of hpcdvc-shift
    pairs : what is compared

    Raises
    ------
    UserError
        They do not go together, or windows do not fit into the images.
    """
    o = options
    boundary = o.boundary or ("overlap" if o.wcs and o.method in OF_OVERLAPS else "wrap")
    if o.map_file and (boundary == "overlap" or o.method == "points"):
        raise UserError("-map is of images that go round or end: not with -boundary overlap, nor -met points")
    for sentence in ignored(o, boundary):
        log.warning("%s", sentence)
    if o.listed and o.method != "points":
        raise UserError("-list goes with -met points")
    settings = ShiftSettings(
        method=o.method, stack=o.stack, upsample=None if o.upsampling == "auto" else int(o.upsampling),
        boundary=boundary, zeromean=o.zero_mean, largest=o.largest, errors=o.errors, fitted=o.fitted,
        zoom_shape=o.zoom_shape, mindiff=o.least_difference, reach=o.reach, axis=o.axis, peak=o.peak,
        peak_size=o.peak_size, peak_dim=o.peak_dimensions, half_window=o.half_window, points=_points(o, pairs),
        number=o.point_count, seed=o.seed, global_value=o.global_value,
    )  # fmt: skip
    if o.method in ("map", "points"):
        _check_windows(settings, pairs)
    return settings


def ignored(options: Options, boundary: str) -> list[str]:
    """Sentences for options that are given and change nothing here."""
    o, sentences = options, []
    for declared in declarations(Options):
        methods = KNOWN_BY.get(declared.name, METHODS)
        if o.method not in methods and getattr(o, declared.name) != declared.default:
            names = listed([f"-met {method}" for method in methods], "and")
            sentences.append(f"{declared.label} is ignored: it is for {names}")
    if o.fitted != 2 and o.errors != "contour":
        sentences.append("-nfit is ignored: it is for -errors contour")
    if o.peak_size != 3 and o.method in WINDOWS and o.peak != "poly":
        sentences.append("-psize is ignored: it is for -pm poly")
    how = "-boundary overlap" if boundary == "overlap" else f"-met {o.method}"
    if boundary == "overlap" and o.errors != "hessian":
        sentences.append(f"-errors is ignored: standard deviations of {how} are those of its last step")
    if o.noise is not None and (boundary == "overlap" or o.method in ("phase", *WINDOWS)):
        what = "-err is ignored" if is_number(o.noise) else "-err says only which pixels count"
        sentences.append(f"{what}: {how} takes the noise from the images")
    return sentences


def _points(options: Options, pairs: ShiftPairs):
    """(n, 2) y and x in what is compared, of the file that is given."""
    if options.points_file is None:
        return None
    points = read_points(options.points_file, pairs.images[0], flat=True)[:, 1:]
    return points - [part.start or 0 for part in pairs.crop[-2:]] if len(pairs.crop) > 1 else points


def _check_windows(settings: ShiftSettings, pairs: ShiftPairs) -> None:
    """UserError where a window and its range do not fit into an image."""
    of_points = settings.method == "points"
    for k, (name, size) in enumerate(zip("YX", pairs.compared, strict=True)):
        low, high = settings.reach[2 * k : 2 * k + 2]
        if settings.axis not in (None, k):
            low = high = 0
        left = size + min(low, 0) - max(high, 0)
        needed = 2 * settings.half_window + 1 if of_points else SMALLEST
        if left < needed:
            what = f"-hws {settings.half_window}, a window of {needed} pixels, and -sr" if of_points else "-sr"
            raise UserError(f"{what} from {low} to {high} do not fit into the {size} pixels of the images along {name}")
