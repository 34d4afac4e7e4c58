"""The joint histogram of the page of hpcdvc-mmr-graphical, and the phases in it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.multimodal.components import Mixture
from hpcdvc.multimodal.greys import GreyRange, grey_range
from hpcdvc.multimodal.mixture import fit_mixture, fit_peaks, fit_weights, pick_peaks
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.multimodal.peaks import smoothed
from hpcdvc.multimodal.phases import diagram_of
from hpcdvc.multimodal.phases_file import PhasesFile
from hpcdvc.multimodal.tables import Tables
from hpcdvc.multimodal.verdict import explains
from hpcdvc.pages.ereg_images import PairOfImages
from hpcdvc.pages.ereg_jobs import TeamOfOne
from hpcdvc.pages.mmr_state import MmrState, Peak

#: Voxels that are counted before the page is told, and can say stop.
AT_A_TIME = 2**23
#: Part of the voxels that a peak must have in its reach, smoothed.
LEAST_THERE = 1e-7


@dataclass(frozen=True)
class Search:
    """How peaks are found and fitted, as the command was told.

    Attributes
    ----------
    crop : part of each side left out where ranges of grey values are found
    distance : least distance between two peaks, bins; None: bins / 25
    fit_distance : how far from its peak a phase is fitted, bins; None: bins / 2
    """

    crop: float = 0.1
    distance: float | None = None
    fit_distance: float | None = None


@dataclass(frozen=True, eq=False)
class Joint:
    """A joint histogram.

    Attributes
    ----------
    of : Phi and what of `Picked` it was made of, see `made_of`
    ranges : grey values of the first and the last bin of im1 and of im2
    histogram : (bins, bins) int64 array, im1 by im2
    """

    of: tuple
    ranges: tuple[GreyRange, GreyRange]
    histogram: np.ndarray

    @cached_property
    def explained(self) -> float:
        """Part of the variance of im2 that im1 explains."""
        return explains(self.histogram)

    @cached_property
    def grey(self) -> np.ndarray:
        """(bins, bins) uint8: the logarithm of the counts."""
        return np.rint(255 * np.log1p(self.histogram) / np.log1p(max(self.histogram.max(), 1))).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class Fit:
    """Phases of a joint histogram.

    Attributes
    ----------
    of : what they were fitted to, see `fitted_to`
    peaks : that they began with
    mixture : the phases
    kept : numbers of the peaks, from 0, that are its phases
    partial : the boundaries between the phases are missing
    """

    of: tuple
    peaks: tuple[Peak, ...]
    mixture: Mixture
    kept: list[int]
    partial: bool = False

    @classmethod
    def of_file(cls, state: MmrState, phases: PhasesFile) -> "Fit":
        """Phases as they are in a file that the state is of."""
        mixture = phases.mixture
        n, reach = mixture.n_phases, state.picked.bins / 2
        peaks = state.picked.peaks or tuple((*mean, reach) for mean in mixture.means[:n].tolist())
        return cls(fitted_to(state), peaks, mixture, list(range(n)), not phases.complete)

    @cached_property
    def tables(self) -> Tables:
        """What residuals are read from."""
        return Tables.of(self.mixture, self.of[1].bins)

    def diagram(self, histogram: np.ndarray | None, coverage: float) -> np.ndarray:
        """(bins, bins) uint8: the phase of each bin, from 1; 0 none."""
        return diagram_of(self.mixture, self.of[1].bins, histogram, None if histogram is None else coverage)


def made_of(state: MmrState) -> tuple:
    """What a joint histogram depends on."""
    picked = state.picked
    return np.array(state.phi).tobytes(), picked.box, picked.bins, picked.ranges


def fitted_to(state: MmrState) -> tuple:
    """What phases depend on."""
    return made_of(state), replace(state.picked, coverage=1.0)


def count(images: PairOfImages, state: MmrState, search: Search, team: TeamOfOne, tell: Callable[[str], None]) -> Joint:
    """Make the joint histogram of the images, im2 brought back by Phi, in the box of im1.

    Raises
    ------
    UserError
        An image without contrast.
    """
    of, phi, picked = made_of(state), state.matrix, state.picked
    level = images.whole
    tell("grey values")
    names = (images.im1.spec, images.im2.spec)
    given = zip((level.im1, level.im2), picked.ranges, names, strict=True)
    ranges = tuple(grey_range(image, search.crop, team, *limits, name) for image, limits, name in given)
    histogram = np.zeros((picked.bins, picked.bins), np.int64)
    (first, stop), *others = picked.box
    ends = [(low, n - high) for (low, high), n in zip(others, level.im1.shape[1:], strict=True)]
    depth = max(1, AT_A_TIME // np.prod([high - low for low, high in others]))
    for z in range(first, stop, depth):
        team.check()
        last = min(z + depth, stop)
        margin = ((z, len(level.im1) - last), *ends)
        pair = ModalPair(level, ranges, picked.bins, margin, images.middle, team)
        histogram += pair.histogram(phi[:3])
        tell(f"{100 * (last - first) / (stop - first):.0f} %")
    return Joint(of, ranges, histogram)


def fit(joint: Joint, state: MmrState, search: Search, before: Fit | None = None) -> Fit:
    """The phases of a joint histogram: those there are, or from the peaks that were picked, or that are found.

    Raises
    ------
    UserError
        There is nothing to fit.
    """
    picked, histogram = state.picked, joint.histogram
    if before is not None and before.of == fitted_to(state) and not before.partial:
        return before
    if not histogram.any():
        raise UserError("no voxel counts: in the box im1 and im2 do not meet")
    if before is not None and before.of == fitted_to(state):
        return replace(before, mixture=fit_weights(before.mixture, histogram), partial=False)
    if picked.peaks is None:
        return _found(joint, state, search)
    smooth, width = smoothed(histogram)
    nodes = np.arange(picked.bins)
    for f, g, reach in picked.peaks:
        near = (nodes[:, None] - f) ** 2 + (nodes - g) ** 2 <= max(reach, width) ** 2
        if smooth[near].sum() < LEAST_THERE * histogram.sum():
            raise UserError(f"no voxel has grey values near the peak at bins {f:.0f} and {g:.0f}")
    peaks = np.array(picked.peaks)
    with np.errstate(invalid="ignore"):
        mixture, kept = fit_peaks(histogram, peaks[:, :2], peaks[:, 2])
    if not np.isfinite(mixture.weights).all():
        raise UserError("too few voxels have grey values near the peaks: no phase can be fitted to them")
    return Fit(fitted_to(state), picked.peaks, mixture, kept)


def _found(joint: Joint, state: MmrState, search: Search) -> Fit:
    """Phases of peaks that are found."""
    picked = state.picked
    how = search.distance, search.fit_distance, picked.thresholds
    try:
        peaks = pick_peaks(joint.histogram, picked.n_phases, *how)
    except ValueError as error:
        raise UserError("no voxel has grey values beyond both thresholds: there are no phases") from error
    mixture = fit_mixture(joint.histogram, len(peaks), *how)
    reach = search.fit_distance or picked.bins / 2
    shown = tuple((*peak, float(reach)) for peak in peaks.tolist())
    return Fit(fitted_to(state), shown, mixture, list(range(mixture.n_phases)))


def phases_of(state: MmrState, ranges: tuple | None, fitted: Fit | None, search: Search) -> PhasesFile:
    """What is kept, and replayed.

    Parameters
    ----------
    state : of the page
    ranges : grey values of the bins; None where they are not known yet
    fitted : the phases; None where none are known yet
    search : how they were found
    """
    picked = state.picked
    none = Mixture.of(np.empty(0), np.empty((0, 2)), np.empty((0, 2, 2)), np.empty((0, 2)), 0)
    mixture, complete = (fitted.mixture, not fitted.partial) if fitted else (none, False)
    return PhasesFile(
        state.matrix, state.centre, picked.bins, search.crop, ranges, picked.thresholds, mixture, complete,
        picked.box, state.rigid, picked.coverage,
    )  # fmt: skip
