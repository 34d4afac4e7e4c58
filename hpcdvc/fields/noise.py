"""What displacements of windows that should not have moved say: random error and bias."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

#: Windows that have to converge for a standard deviation, and part of those that have a specimen.
LEAST, PART = 10, 0.5
#: Of these, at each shift.
LEAST_AT_SHIFT = 3


@dataclass(frozen=True)
class Errors:
    """Errors of the windows of one size, ZYX, voxels; NaN where too few windows have converged.

    Attributes
    ----------
    half : half window, voxels
    windows : that have a specimen
    converged : of these
    random : (3,) standard deviations of the displacement
    bias : (3,) mean displacement of scans at rest (with the drift between them), at the middle of the windows; of a
        resampled scan the mean error, at the shift where it is largest
    bias_std : (3,) standard deviations of these means
    gradient : standard deviation of the components of the displacement gradient, root mean square of them
    stated : standard deviation of the displacement that the windows themselves state, root mean square
    drift : of scans at rest the largest component, in magnitude, of the displacement gradient between them
    """

    half: int
    windows: int
    converged: int
    random: np.ndarray
    bias: np.ndarray
    bias_std: np.ndarray
    gradient: float
    stated: float
    drift: float = 0.0

    @property
    def known(self) -> bool:
        """Whether enough windows have converged."""
        return self.converged >= max(LEAST, PART * self.windows)

    @property
    def largest_random(self) -> float:
        """Of the components, voxels."""
        return float(np.max(self.random))

    @property
    def sure_bias(self) -> float:
        """The largest bias beyond two of its standard deviations, voxels."""
        return float(np.max(np.maximum(np.abs(self.bias) - 2 * self.bias_std, 0)))

    @property
    def largest_bias(self) -> float:
        """Magnitude of that of the components, voxels."""
        return float(np.max(np.abs(self.bias)))


def errors_at_rest(half: int, positions: np.ndarray, rows: np.ndarray, good: np.ndarray) -> Errors:
    """Errors of windows in two scans of a specimen at rest.

    An affine motion is fitted to the displacements and taken off: translation and rotation by the stage, and the scale
    of the scanner, are no random errors.

    Parameters
    ----------
    half : of the windows, voxels
    positions : (n, 3) ZYX, voxels, of the windows that have a specimen
    rows : (n,) of hpcdvc.fields.field.ROW
    good : (n,) bool, those that have converged
    """
    u, away = rows["Phi"][good, :, 3], positions[good] - (positions[good].mean(axis=0) if good.any() else 0)
    away = away[:, np.ptp(away, axis=0) > 0] if len(away) else away
    basis = np.column_stack([np.ones(len(away)), away])
    spare = len(u) - basis.shape[1]
    if spare < LEAST:
        return _unknown(half, len(rows), len(u))
    fit = np.linalg.lstsq(basis, u, rcond=None)[0]
    random = np.sqrt(((u - basis @ fit) ** 2).sum(axis=0) / spare)
    gradient, stated = _beside(rows[good], [slice(None)])
    drift = float(np.abs(fit[1:]).max(initial=0))
    return Errors(half, len(rows), len(u), random, fit[0], random / np.sqrt(len(u)), gradient, stated, drift)


def errors_of_shifts(half: int, truth: np.ndarray, rows: np.ndarray, good: np.ndarray, axes: Sequence[int]) -> Errors:
    """Errors of windows in a scan and its resampling by known shifts.

    Parameters
    ----------
    half : of the windows, voxels
    truth : (n,) displacement along each axis, voxels
    rows : (n,) of hpcdvc.fields.field.ROW, of the windows that have a specimen
    good : (n,) bool, those that have converged
    axes : along which the image was moved
    """
    error = rows["Phi"][good, :, 3].copy()
    error[:, axes] -= truth[good, None]
    groups = [truth[good] == shift for shift in np.unique(truth)]
    if len(error) < LEAST or min(np.count_nonzero(group) for group in groups) < LEAST_AT_SHIFT:
        return _unknown(half, len(rows), len(error))
    means = np.array([error[group].mean(axis=0) for group in groups])
    variances = np.array([error[group].var(axis=0, ddof=1) for group in groups])
    counts = np.array([np.count_nonzero(group) for group in groups])
    worst = np.abs(means).argmax(axis=0), np.arange(3)
    deviations = np.sqrt(variances / counts[:, None])
    beside = _beside(rows[good], groups)
    return Errors(
        half, len(rows), len(error), np.sqrt(variances.mean(axis=0)), means[worst], deviations[worst], *beside
    )


def _unknown(half: int, windows: int, converged: int) -> Errors:
    none = np.full(3, np.nan)
    return Errors(half, windows, converged, none, none, none, np.nan, np.nan)


def _beside(rows: np.ndarray, groups: list) -> tuple[float, float]:
    """`gradient` and `stated`."""
    slopes = np.mean([rows["Phi"][group, :, :3].var(axis=0, ddof=1) for group in groups], axis=0)
    stated = rows["variance"][:, 3::4]
    active = slopes > 0  # none along z in two dimensions
    known = stated[np.isfinite(stated) & (stated > 0)]
    return (
        float(np.sqrt(slopes[active].mean())) if active.any() else 0.0,
        float(np.sqrt(known.mean())) if len(known) else np.nan,
    )


def white_noise(image: np.ndarray) -> float:
    """Standard deviation of white noise in an image, from its second differences along all axes together.

    They suppress a texture that is smooth from voxel to voxel; a finer one counts as noise. Noise that neighbouring
    voxels share, as that of filtered or binned images, is underestimated.

    Parameters
    ----------
    image : (nz, ny, nx) array; NaN: no voxel

    Returns
    -------
    float, grey values; NaN where too few voxels are finite

    References
    ----------
    Immerkaer 1996, doi 10.1006/cviu.1996.0060; Donoho & Johnstone 1994, doi 10.1093/biomet/81.3.425 (the median)
    """
    differences, factor = np.asarray(image, float), 1.0
    for axis in np.flatnonzero(np.array(image.shape) > 2):
        differences, factor = np.diff(differences, 2, axis=axis), factor * np.sqrt(6)
    differences = np.abs(differences[np.isfinite(differences)])
    return float(np.median(differences) / 0.6745 / factor) if len(differences) >= LEAST else np.nan


def recommended(errors: Sequence[Errors], wanted: float, with_bias: bool) -> Errors | None:
    """The smallest window that will do; None where none does.

    Parameters
    ----------
    errors : by size, ascending
    wanted : largest random error, voxels
    with_bias : what is sure of the bias may not be larger either
    """
    for one in errors:
        enough = one.known and one.converged >= 0.95 * one.windows and one.largest_random <= wanted
        if enough and not (with_bias and one.sure_bias > wanted):
            return one
    return None
