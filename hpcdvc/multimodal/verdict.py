"""Whether what the iterations have settled on is a measurement."""

from hpcdvc.fields.status import Status

#: Part of the variance of im2 that im1 must explain.
LEAST_EXPLAINED = 0.09
#: What the end may explain less than the start: noise, for a start that is right already.
SLACK = 0.02


def verdict(state, start: float, end: float) -> int:
    if state.status not in (Status.CONVERGED, Status.MAX_ITERATIONS):
        return state.status
    if 1 - end > (1 + SLACK) * (1 - start) + 1e-6:
        return int(Status.ERROR_GROWTH)
    if state.status == Status.CONVERGED and end < LEAST_EXPLAINED:
        return int(Status.DECORRELATED)
    return state.status
