"""Whether what the iterations have settled on is a measurement.

The likelihood has maxima that are none of the motion. What im1 explains of im2 (the correlation ratio) tells them: at
the end it must be no less than at the start, no less than without motion, and clearly more than beside the end.
"""

import numpy as np

from hpcdvc.fields.status import Status
from hpcdvc.multimodal.objective import moments_of
from hpcdvc.multimodal.pair import ModalPair, explained
from hpcdvc.multimodal.registration import Iterate

#: Part of the variance of im2 that im1 must explain.
LEAST_EXPLAINED = 0.09
#: What the end may leave more than the start, parts: likelihood and correlation ratio are not greatest at one place.
SLACK = 0.02
#: Part of the variance that may be left in any case: nearly that of identical images, which explain each other wholly.
UNEXPLAINED = 1e-4
#: Displacement to places beside the end, parts of the sides of im1.
BESIDE = 0.2
#: What the end must leave at most of what is left beside it, or else by how much it must explain more; and what is
#: enough for any.
LEFT, MORE, ENOUGH = 0.85, 4.0, 0.9
#: Least part of the voxels of the end that makes another place comparable.
COMPARABLE = 0.5


def verdict(pair: ModalPair, state: Iterate, end: np.ndarray, starts: list[np.ndarray], is_last: bool) -> int:
    """Status of a level. Collective.

    Parameters
    ----------
    pair : images at this level
    state : last of the iterations
    end : (bins, bins) joint histogram of it
    starts : the same of the start, and without motion
    is_last : the level is the result: it is compared with places beside it, too
    """
    if state.status not in (Status.CONVERGED, Status.MAX_ITERATIONS):
        return state.status
    found = explains(end)
    for other in starts:
        if other.sum() >= COMPARABLE * end.sum() and 1 - found > (1 + SLACK) * (1 - explains(other)) + UNEXPLAINED:
            return int(Status.ERROR_GROWTH)
    if state.status == Status.CONVERGED and found < LEAST_EXPLAINED:
        return int(Status.DECORRELATED)
    if (
        state.status == Status.CONVERGED
        and is_last
        and found < ENOUGH
        and _is_chance(found, _beside(pair, state.phi, end.sum()))
    ):
        return int(Status.DECORRELATED)
    return state.status


def explains(histogram: np.ndarray) -> float:
    """Part of the variance of im2 that im1 explains, of a joint histogram."""
    return explained(moments_of(histogram))


def _is_chance(found: float, beside: float) -> bool:
    return 1 - found > LEFT * (1 - beside) and found < MORE * beside


def _beside(pair: ModalPair, phi: np.ndarray, voxels: int) -> float:
    """The most that is explained beside the end."""
    most = 0.0
    for axis in (axis for axis, n in enumerate(pair.shape) if n > 1):
        for way in (-BESIDE, BESIDE):
            there = phi.copy()
            there[:, 3] += way * pair.shape[axis] * phi[:, axis]
            histogram = pair.histogram(there)
            if histogram.sum() >= COMPARABLE * voxels:
                most = max(most, explains(histogram))
    return most
