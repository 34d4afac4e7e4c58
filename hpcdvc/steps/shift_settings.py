"""From options to how a shift of whole images is measured."""

from hpcdvc.errors import UserError
from hpcdvc.options.shift import Options
from hpcdvc.stacks.settings import ShiftSettings
from hpcdvc.steps.guiding import read_points
from hpcdvc.steps.shift_pairs import SMALLEST, ShiftPairs

#: Methods that compare what overlaps.
OF_OVERLAPS = ("chi2", "cc")


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
