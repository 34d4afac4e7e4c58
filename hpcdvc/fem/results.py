"""What a global correlation has found, judged: how each node ended, what is left in each element, and chance."""

import numpy as np

from hpcdvc.fem.equations import Texture
from hpcdvc.fem.pattern import at_nodes
from hpcdvc.fem.photometry import Greys, correlation
from hpcdvc.fem.quality import corner_determinants
from hpcdvc.fem.sums import Sums
from hpcdvc.fields.status import Status
from hpcdvc.registration.control import VOLUME_RATIO
from hpcdvc.registration.filters import spline_filter
from hpcdvc.registration.gauss_newton import CHANCE

#: Least part of the voxels of the mesh that must meet im2, and of those around a node that is measured by them alone.
MIN_OVERLAP, LEAST_SEEN = 0.1, 0.25
#: Of the spline that interpolates im2.
ORDER = 3
#: Least correlation of what is called converged.
LEAST_ZNCC = 0.3
#: Contrast of im1 around a node from which on a lower correlation tells that it is not found, in units of that of im1.
LEAST_CONTRAST = 0.5
#: How much of the square of the correlation a free displacement wins in a cell of unrelated grey values, at most.
WON_BY_CHANCE = 0.2
#: What an element shows is something else where its correlation is surely, by so many standard deviations, below this
#: part of the usual one, and its mean squared residual above the usual one by this factor.
LEAST_OF_USUAL, SURE, NOISIER = 0.7, 3.0, 1.5
#: Part of the voxels around a node that such elements may hold.
MOST_STRANGE = 0.25


def astray(points: np.ndarray, connectivity: np.ndarray, displacements: np.ndarray) -> np.ndarray:
    """(k,) bool, tetrahedra squeezed or stretched as no material is."""
    before, after = (corner_determinants(at, connectivity) for at in (points, points + displacements))
    ratio = after / before
    return ~((ratio > VOLUME_RATIO[0]) & (ratio < VOLUME_RATIO[1]))


def chance(freedom: float, cells: float) -> float:
    """Correlation that unrelated textures may reach, by luck and where displacements are free to bring it about.

    Parameters
    ----------
    freedom : number of free displacements
    cells : number of independent cells of grey values
    """
    luck = min(CHANCE[0] / np.sqrt(cells), CHANCE[1]) if cells > 0 else 1.0
    return float(max(won(freedom, cells), luck))


def won(freedom: float, cells: float) -> float:
    """The part of `chance` that is the same in each part of the mesh, and the least that is asked for."""
    return max(float(np.sqrt(1 - np.exp(-WON_BY_CHANCE * freedom / cells))), LEAST_ZNCC) if cells > 0 else 1.0


def noise_variance(sums: Sums, squares: np.ndarray, displacements: np.ndarray, connectivity: np.ndarray) -> np.ndarray:
    """(k,) variances of f - a g as sums over many voxels see it: of the whole mesh, or more where more is around.

    Interpolation takes some of the white noise of im2 from single voxels, by what fractions of a voxel they have moved,
    but none from sums over many. Less around them is not believed: what is elsewhere changes gain and offset here.

    Parameters
    ----------
    sums : of k elements
    squares : (k,) sums of squared residuals
    displacements : (n, 3) voxels
    connectivity : (k, 4)
    """
    at_sixteenths = spline_filter(ORDER).noise
    kept = at_sixteenths[np.rint(16 * displacements).astype(np.int64) % 16].prod(axis=1)
    whole = squares.sum() / max(sums.n.sum(), 1) * 2 / (1 + kept.mean())
    before = squares * 2 / (1 + kept[connectivity].mean(axis=1))
    around = [at_nodes(connectivity, of, len(displacements)) for of in (before, sums.n)]
    return np.maximum((around[0] / np.maximum(around[1], 1))[connectivity].mean(axis=1), whole)


def of_elements(sums: Sums, greys: Greys, texture: Texture) -> dict[str, np.ndarray]:
    """What is known of (k,) elements, as in `hpcdvc.fem.iterates.Result`; NaN where no voxel of it meets im2."""
    n, gain, offset = sums.n, greys.gain, greys.offset
    with np.errstate(invalid="ignore", divide="ignore"):
        fraction = np.where(texture.voxels > 0, n / texture.voxels, 0.0)
        residual = np.sqrt(greys.squares / np.where(n > 0, n, np.nan))
    return {
        "residual": residual,
        "zncc": correlation(sums.moments),
        "valid_fraction": np.minimum(fraction, 1.0),
        "gain": gain,
        "offset": offset,
        "voxels": n,
        "visible": texture.voxels,
        "squares": greys.squares,
        "brightness": sums.f,
    }


def unlike(
    connectivity: np.ndarray, sums: Sums, squares: np.ndarray, contrast: float, least: float, nodes: int
) -> np.ndarray:
    """(n,) bool, nodes around which im2 does not show what im1 does: a part of the body that is not found.

    So it is where all that is around a node hardly correlates, and where a part of that does which is large enough to
    pull the node: what matches in the rest of large tetrahedra would hide it.

    Parameters
    ----------
    connectivity : (k, 4)
    sums : of k elements
    squares : (k,) sums of squared residuals
    contrast : standard deviation of im1 in the mesh
    least : correlation that is asked for, `won`
    nodes : how many there are
    """
    moments = sums.moments
    around = np.column_stack([at_nodes(connectivity, of, nodes) for of in moments.T])
    hardly = _contrasted(around, contrast) & (correlation(around) <= least)
    strangers = at_nodes(connectivity, sums.n * _strangers(moments, squares, contrast), nodes)
    return hardly | (strangers > MOST_STRANGE * around[:, 0])


def _contrasted(moments: np.ndarray, contrast: float) -> np.ndarray:
    """(m,) bool, where im1 has contrast, for rows n, f, g, ff, fg, gg; elsewhere grey values are mostly noise."""
    n = np.maximum(moments[:, 0], 1)
    return moments[:, 3] / n - (moments[:, 1] / n) ** 2 > (LEAST_CONTRAST * contrast) ** 2


def _strangers(moments: np.ndarray, squares: np.ndarray, contrast: float) -> np.ndarray:
    """(k,) bool, elements that match much less than most do, which noise that is alike everywhere does not bring about.

    The correlation of n voxels is known to 1 / sqrt(n - 3) in its inverse hyperbolic tangent (Fisher).
    """
    n, contrasted = moments[:, 0], _contrasted(moments, contrast) & (moments[:, 0] > 3)
    if not contrasted.any():
        return contrasted
    zncc, residual = correlation(moments), squares / np.maximum(n, 1)
    usual = np.median(zncc[contrasted])
    noisier = residual > NOISIER * np.median(residual[n > 0])
    at_most = np.tanh(np.arctanh(np.clip(zncc, -0.999, 0.999)) + SURE / np.sqrt(np.maximum(n - 3, 1)))
    return contrasted & noisier & (at_most < LEAST_OF_USUAL * usual)


def node_status(
    status: np.ndarray,
    connectivity: np.ndarray,
    strange: np.ndarray,
    flat: np.ndarray,
    unseen: np.ndarray,
    other: np.ndarray,
) -> np.ndarray:
    """How each node ended.

    Parameters
    ----------
    status : (n,) how the run ended
    connectivity : (k, 4)
    strange : (k,) bool, tetrahedra that are `astray`
    flat, unseen : (n,) bool, nodes around which im1 has no texture, and im2 shows next to nothing
    other : (n,) bool, nodes that are `unlike`

    Returns
    -------
    (n,) int32: that of the run; where the run has come to its end, why a node is not measured all the same
    """
    ended = status > 0
    result = status.copy()
    result[ended & other] = Status.DECORRELATED
    result[ended & (at_nodes(connectivity, strange.astype(float), len(status)) > 0)] = Status.VOLUME_CHANGE
    result[ended & unseen] = Status.LEFT_IMAGE
    result[ended & flat] = Status.SINGULAR
    return result
