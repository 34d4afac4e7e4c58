"""How a shift of two images is measured, and what comes out."""

from dataclasses import dataclass, field

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status

METHODS = ("chi2", "chi2iterzoom", "cc", "dft", "phase", "map", "points")
BOUNDARIES = ("wrap", "overlap", "fill")
ERRORS = ("hessian", "contour", "zucker")


@dataclass(frozen=True)
class ShiftSettings:
    """How a shift is measured.

    Attributes
    ----------
    method : "chi2" Newton's method on the exact interpolation of chi2; "chi2iterzoom" finer and finer grids of it; "cc"
        Taylor step on the cross-correlation; "dft" up-sampled cross-correlation; "phase" up-sampled phase correlation;
        "map" correlation coefficients of the middle of im2 in im1; "points" of windows of im2 at some points
    stack : the first axis of the images counts frames that share one shift
    upsample : points per pixel of "dft" and "phase"; None: the maximum between all points
    boundary : "wrap" images go round; "overlap" only what is in both counts, pixels that are not there do not; "fill"
        zeros around them
    zeromean : take the means from the images; changes "chi2" with noise that is not alike everywhere
    largest : of each component, pixels; None: any
    errors : "hessian" curvature of the peak and noise; "contour" rise of chi2; "zucker" correlation coefficient
    fitted : numbers fitted together, for "contour"
    zoom_shape, mindiff : of "chi2iterzoom": points of a grid, and when to stop
    keep_map : keep chi2 over all displacements; of "map" the correlation coefficients
    reach : displacements that "map" and "points" try, whole pixels: y from, y to, x from, x to, inclusive
    axis : 0 or 1: the shift is along y or x only; for "map"
    peak, peak_size, peak_dim : "taylor" or "poly", of so many pixels, along so many axes at once
    half_window, points, number, seed, global_value : of "points": see `hpcdvc.stacks.points.global_shift_of_points`

    Raises
    ------
    UserError
        A word is not known, words do not go together, or a number is out of range.
    """

    method: str = "chi2"
    stack: bool = False
    upsample: int | None = None
    boundary: str = "wrap"
    zeromean: bool = False
    largest: float | None = None
    errors: str = "hessian"
    fitted: int = 2
    zoom_shape: tuple[int, ...] = (10, 10)
    mindiff: float = 1.0
    keep_map: bool = False
    reach: tuple[int, int, int, int] = (-10, 10, -10, 10)
    axis: int | None = None
    peak: str = "taylor"
    peak_size: int = 3
    peak_dim: int = 2
    half_window: int = 20
    points: np.ndarray | None = None
    number: int = 30
    seed: int = 0
    global_value: str = "mixed"

    def __post_init__(self) -> None:
        for name, known in (("method", METHODS), ("boundary", BOUNDARIES), ("errors", ERRORS)):
            if getattr(self, name) not in known:
                raise UserError(f"the {name} {getattr(self, name)!r} is not known: {', '.join(known)}")
        if self.errors == "contour" and self.method not in ("chi2", "chi2iterzoom"):
            raise UserError("errors of a contour are those of chi2: take the method chi2 or chi2iterzoom")
        if self.boundary == "overlap" and self.method not in ("chi2", "cc"):
            raise UserError(f"what overlaps is compared by the methods chi2 and cc, not by {self.method}")
        if self.upsample is not None and self.upsample < 1:
            raise UserError(f"upsample must be 1 or more, not {self.upsample}")
        if self.largest is not None and not self.largest >= 0:
            raise UserError(f"the largest shift must be 0 or more, not {self.largest}")
        if self.fitted < 1 or not self.mindiff > 0 or min(self.zoom_shape) < 3:
            raise UserError("fitted must be 1 or more, mindiff positive, and a grid to zoom have 3 points per axis")


@dataclass(frozen=True)
class Shift:
    """The shift of im2 against im1.

    Attributes
    ----------
    displacement : (3,) u, ZYX, pixels; NaN unless the status is 2
    std : (3,) its standard deviations, 0 along Z of images
    status : 2 measured; -2 an image is constant; -6 too few pixels are there; -9 nothing in common; -10 another place
        is as good; -11 the best place lies beyond the largest shift; -15 saturated
    score : zero-mean normalised correlation there
    details : what else was asked for: `map`, see `chi2_map`
    """

    displacement: np.ndarray
    std: np.ndarray
    status: Status
    score: float
    details: dict = field(default_factory=dict, repr=False)


def nothing(status: int, score: float = np.nan, details: dict | None = None) -> Shift:
    """No shift, and why."""
    return Shift(np.full(3, np.nan), np.full(3, np.nan), Status(status), score, details or {})


def measured(place: np.ndarray, covariance: np.ndarray, score: float, details: dict | None = None) -> Shift:
    """A shift of two or three components."""
    variances = np.diag(covariance)
    if not (np.isfinite(variances) & (variances >= 0)).all():
        return nothing(Status.SINGULAR, score, details)
    displacement, std = np.zeros(3), np.zeros(3)
    displacement[3 - len(place) :] = place
    std[3 - len(place) :] = np.sqrt(variances)
    return Shift(displacement, std, Status.CONVERGED, score, details or {})
