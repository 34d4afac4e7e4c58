"""What the functions of `chi2_api` and `pair_api` share: their arguments, and the order of what they return."""

import logging

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.stacks.shift import Shift, ShiftSettings, measure_shift

log = logging.getLogger("hpcdvc")


def measure_images(
    im1: np.ndarray, im2: np.ndarray, settings: ShiftSettings, noise: float | np.ndarray | None, verbose: bool
) -> Shift:
    """The shift of two images; why there is none is logged."""
    for name, image in (("im1", im1), ("im2", im2)):
        if np.ndim(image) != 2:
            raise UserError(f"{name} of shape {np.shape(image)} is no image of two axes; measure_shift takes others")
    shift = measure_shift(im1, im2, settings, noise=noise)
    if shift.status != Status.CONVERGED:
        log.warning("the shift cannot be measured: %s", reason_of(shift.status))
    elif verbose:
        log.info("shift %s, standard deviations %s", shift.displacement[:0:-1], shift.std[:0:-1])
    return shift


def in_peer_order(shift: Shift, return_error: bool) -> tuple[float, ...]:
    """x, y and, where asked for, their standard deviations."""
    values = (*shift.displacement[:0:-1], *(shift.std[:0:-1] if return_error else ()))
    return tuple(float(value) for value in values)


def check_boundary(boundary: str) -> None:
    """Refuse a boundary that only interpolation knows."""
    if boundary in ("constant", "reflect", "nearest"):
        raise UserError(f"the boundary {boundary} is not to be had: wrap, overlap or fill")
