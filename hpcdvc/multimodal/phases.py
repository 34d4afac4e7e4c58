"""Which phase a voxel belongs to, by its grey values in both images."""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.multimodal.components import MOST_PHASES, Mixture
from hpcdvc.multimodal.mixture import fit_weights


def parameters_of(mixture: Mixture) -> np.ndarray:
    """The phases as (n, 6) array: phi, mu1, mu2, a, b, c of phi exp(-(a D1^2 + 2 b D1 D2 + c D2^2) / 2)."""
    n = mixture.n_phases
    precision = mixture.precisions()[:n]
    of = precision[:, 0, 0], precision[:, 0, 1], precision[:, 1, 1]
    return np.column_stack([mixture.heights()[:n], mixture.means[:n], *of])


def diagram_of(
    mixture: Mixture, bins: int, histogram: np.ndarray | None = None, coverage: float | None = None
) -> np.ndarray:
    """The phase of each bin: (bins, bins) uint8 array, from 1; 0 none.

    Parameters
    ----------
    mixture : whose phases they are
    bins : of each axis
    histogram : (bins, bins) array of counts; what `coverage` is a part of
    coverage : part of the voxels that gets a phase, those nearest to their peaks; None or 1: every bin has one
    """
    histogram = np.ones((bins, bins)) if histogram is None else histogram
    return phase_diagram(parameters_of(mixture), histogram, coverage, np.inf, bins)[0]


def phase_diagram(
    gaussian_parameters: np.ndarray,
    joint_histogram: np.ndarray,
    voxel_coverage: float | None = None,
    sigma_max: float = 9,
    bins: int = 64,
) -> tuple[np.ndarray, float]:
    """Give each bin of a joint histogram to the phase that is most likely there.

    Parameters
    ----------
    gaussian_parameters : (n, 6) array, phi, mu1, mu2, a, b, c of each phase as of `gaussian_mixture_parameters`
    joint_histogram : (bins, bins) array, im1 by im2, of counts or of parts
    voxel_coverage : part of the voxels that gets a phase: those within so many standard deviations of their phase that
        no more than this part is there. None or 1: every bin gets one
    sigma_max : most standard deviations, where `voxel_coverage` is less than 1
    bins : of the joint histogram

    Returns
    -------
    (bins, bins) uint8 array : phases in the order of the parameters, from 1; 0 where there is none
    float : part of the voxels that have one

    Raises
    ------
    UserError
        Parameters that are no Gaussians, a histogram of other bins, or a coverage that is no part.

    Notes
    -----
    The phase with the least (a D1^2 + 2 b D1 D2 + c D2^2) / 2 - ln phi. After Tudisco et al. (2017), An extension of
    digital volume correlation for multimodality image registration.
    """
    phi, mu1, mu2, a, b, c = checked_parameters(gaussian_parameters).T[:, :, None, None]
    histogram = np.asarray(joint_histogram, float)
    if histogram.shape != (bins, bins):
        raise UserError(f"a joint histogram of shape {histogram.shape} has not {bins} x {bins} bins")
    d1, d2 = np.arange(bins)[:, None] - mu1, np.arange(bins) - mu2
    square = a * d1**2 + 2 * b * d1 * d2 + c * d2**2
    phase = np.argmin(square / 2 - np.log(phi), axis=0)
    diagram = (phase + 1).astype(np.uint8)
    if voxel_coverage is not None and voxel_coverage != 1:
        if not 0 < voxel_coverage < 1:
            raise UserError(f"a coverage of {voxel_coverage} is no part of the voxels: above 0 and at most 1")
        away = np.take_along_axis(square, phase[None], axis=0)[0]
        diagram[_beyond(away, histogram, voxel_coverage, sigma_max)] = 0
    return diagram, float(histogram[diagram > 0].sum() / max(histogram.sum(), np.finfo(float).tiny))


def _beyond(away: np.ndarray, histogram: np.ndarray, coverage: float, sigma_max: float) -> np.ndarray:
    """Bins too far from their phases, by squared distance."""
    order = np.argsort(away, axis=None, kind="stable")
    covered = np.cumsum(histogram.ravel()[order])
    within = covered <= coverage * covered[-1] * (1 + 1e-12)
    within &= away.ravel()[order] <= sigma_max**2
    beyond = np.ones(away.size, bool)
    beyond[order[within]] = False
    return beyond.reshape(away.shape)


def mixture_from(parameters: np.ndarray, histogram: np.ndarray) -> Mixture:
    """The mixture of given phases and the boundaries between them, with the weights that a joint histogram wants.

    Parameters
    ----------
    parameters : (n, 6) array, as of `gaussian_mixture_parameters`; phi is not used
    histogram : (bins, bins) array of counts
    """
    _, mu1, mu2, a, b, c = checked_parameters(parameters).T
    precision = np.stack([a, b, b, c], axis=1).reshape(-1, 2, 2)
    n = len(precision)
    phases = Mixture.of(np.full(n, 1 / n), np.column_stack([mu1, mu2]), np.linalg.inv(precision), np.empty((0, 2)), 0)
    return fit_weights(phases, histogram)


def checked_parameters(parameters: np.ndarray) -> np.ndarray:
    """(n, 6) float64 array of phases.

    Raises
    ------
    UserError
        They are no Gaussians, or there are none, or too many.
    """
    found = np.asarray(parameters, float)
    if found.ndim != 2 or found.shape[1] != 6 or not 1 <= len(found) <= MOST_PHASES:
        words = f"1 to {MOST_PHASES} rows of phi, mu1, mu2, a, b, c"
        raise UserError(f"the parameters of phases are {words}, not an array of shape {found.shape}")
    phi, _, _, a, b, c = found.T
    if not (np.isfinite(found).all() and ((phi > 0) & (a > 0) & (a * c > b * b)).all()):
        raise UserError("the parameters of each phase must be finite, with phi > 0, a > 0 and a c > b^2")
    return found
