"""The volume that views show: iterative reconstructions, and filtered backprojection of a single axis.

All start from nothing, so that a volume depends on the offsets of the views alone. W is 1 / (length of a ray in the
volume) times the weight of a pixel, C is 1 / (sum of the weights that a voxel has in all views).

* sirt: x <- x - C A' W (A x - d)
* mitra: the same with momentum, and no voxel below 0
* cgls: conjugate gradients of the normal equations A' W A x = A' W d, preconditioned by C
* fbp: each row filtered by |frequency|, backprojected (Kak & Slaney 1988, doi 10.1137/1.9780898719277, eq. 61)
"""

from collections.abc import Callable

import numpy as np
import scipy.fft

from hpcdvc.errors import UserError, quoted
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.pair import Projector
from hpcdvc.tomography.settings import AlignSettings

#: Steps, where none are asked for: with mitra of 20 steps alignment stops far from the truth, see docs/theory.
STEPS = {"mitra": 40, "sirt": 100, "cgls": 10, "fbp": 1}
#: Steps at most.
MOST_STEPS = 10**6


def mitra(
    projector: Projector,
    data: np.ndarray,
    weights: np.ndarray,
    maxiter: int,
    momentum: float = 0.95,
    positive: bool = True,
) -> np.ndarray:
    """Part of the volume, by steps with momentum (Nesterov).

    Parameters
    ----------
    projector : where the views are
    data, weights : measured parts, absorbances and what they count
    maxiter : steps
    momentum : part of a step that the next one repeats
    positive : no voxel is below 0
    """
    weights, inverse = projector.weights() * weights, projector.preconditioner()
    volume = np.zeros(projector.part_shape, np.float32)
    step = np.zeros_like(volume)
    for _ in range(maxiter):
        residual = projector.forward(volume - step)
        residual -= data
        residual *= weights
        step += inverse * projector.adjoint(residual)
        volume -= step
        step *= np.float32(momentum)
        if positive:
            np.maximum(volume, 0, out=volume)
    return volume


def sirt(projector: Projector, data: np.ndarray, weights: np.ndarray, maxiter: int) -> np.ndarray:
    """Part of the volume, by steps of the same weights without momentum; see `mitra`."""
    return mitra(projector, data, weights, maxiter, momentum=0.0, positive=False)


def cgls(projector: Projector, data: np.ndarray, weights: np.ndarray, maxiter: int) -> np.ndarray:
    """Part of the volume, by conjugate gradients; see `mitra`."""
    weights, inverse = projector.weights() * weights, projector.preconditioner()
    volume = np.zeros(projector.part_shape, np.float32)
    residual = projector.adjoint(weights * data)
    direction = inverse * residual
    size = projector.sum_volume(residual * direction)
    for _ in range(maxiter):
        seen = projector.forward(direction)
        curvature = projector.sum_measured(weights * seen * seen)
        if not (size > 0 and curvature > 0):
            break
        length = np.float32(size / curvature)
        volume += length * direction
        residual -= length * projector.adjoint(weights * seen)
        steepest, before = inverse * residual, size
        size = projector.sum_volume(residual * steepest)
        direction = steepest + np.float32(size / before) * direction
    return volume


def fbp(projector: Projector, data: np.ndarray, weights: np.ndarray, maxiter: int = 1) -> np.ndarray:
    """Part of the volume of a single axis, by filtered backprojection; see `mitra`.

    Each view counts for the angle up to the middle of its neighbours, over half a turn.
    """
    geometry = projector.geometry
    count = geometry.shape[0]
    size = scipy.fft.next_fast_len(2 * count, real=True)
    place = np.minimum(np.arange(size), size - np.arange(size))
    odd = place % 2 == 1
    ramp = np.where(odd, -1 / (np.pi * np.maximum(place, 1)) ** 2, 0.0)
    ramp[0] = 0.25
    response = scipy.fft.rfft(ramp).real.astype(np.float32)[:, None]
    spectrum = scipy.fft.rfft(data, size, axis=1) * response
    filtered = scipy.fft.irfft(spectrum, size, axis=1)[:, :count].astype(np.float32)
    wedges = angles_between(geometry).astype(np.float32)
    if len(data) != len(wedges):  # the own views alone
        wedges = wedges[projector.own_views.start : projector.own_views.stop]
    return projector.adjoint(filtered * wedges[:, None, None])


def angles_between(geometry: Geometry) -> np.ndarray:
    """(n,) radian, the part of half a turn that lies next to each view of a single axis."""
    angles = np.arctan2(geometry.u[:, 1], geometry.u[:, 0]) % np.pi
    order = np.argsort(angles, kind="stable")
    ahead = np.diff(angles[order], append=angles[order[0]] + np.pi)
    wedges = np.empty(len(angles))
    wedges[order] = (ahead + np.roll(ahead, 1)) / 2
    return wedges


BUILT_IN: dict[str, Callable[..., np.ndarray]] = {"mitra": mitra, "sirt": sirt, "cgls": cgls, "fbp": fbp}
#: Keywords that each takes, and what they must be.
KEYWORDS = {
    "mitra": ("maxiter", "momentum", "positive"),
    "sirt": ("maxiter",),
    "cgls": ("maxiter",),
    "fbp": ("maxiter",),
}


def steps_of(settings: AlignSettings) -> int:
    """Pairs of projection and backprojection of one reconstruction; a function of the user's is taken for mitra."""
    name = settings.reconstruction if settings.reconstruction in BUILT_IN else "mitra"
    asked = settings.reconstruction_kwargs.get("maxiter")
    return asked if is_count(asked) else STEPS[name]


def is_count(value: object) -> bool:
    """Whether it is a number of steps."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST_STEPS


def check_reconstruction(geometry: Geometry, settings: AlignSettings) -> None:
    """Whether a reconstruction can be made.

    Raises
    ------
    UserError
        There is no such one, it takes no such keyword or value, or needs a single axis.
    """
    name = settings.reconstruction
    if name not in BUILT_IN:
        return
    if name == "fbp" and not geometry.single_axis:
        raise UserError("fbp needs views that turn about one axis; these are tilted: take mitra, sirt or cgls")
    for word, value in settings.reconstruction_kwargs.items():
        if word not in KEYWORDS[name]:
            raise UserError(f"{name} takes no {word!r}, only {', '.join(KEYWORDS[name])}")
        if word == "maxiter" and not is_count(value):
            raise UserError(f"maxiter of {name} must be a whole number from 1 to {MOST_STEPS}, not {quoted(value)}")
        if word == "momentum" and not (isinstance(value, int | float) and 0 <= value < 1):
            raise UserError(f"momentum of {name} must be at least 0 and below 1, not {value!r}")
        if word == "positive" and not isinstance(value, bool):
            raise UserError(f"positive of {name} must be true or false, not {value!r}")


def reconstruct(projector: Projector, data: np.ndarray, weights: np.ndarray, settings: AlignSettings) -> np.ndarray:
    """Part of the volume, by the built-in reconstruction that the settings name. Collective."""
    arguments = {"maxiter": STEPS[settings.reconstruction], **settings.reconstruction_kwargs}
    return BUILT_IN[settings.reconstruction](projector, data, weights, **arguments)
