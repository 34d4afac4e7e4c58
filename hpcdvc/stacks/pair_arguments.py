"""What the functions of `chi2_api` and `pair_api` share: their arguments, and the order of what they return."""

import logging

import numpy as np
import scipy.fft

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status, reason_of
from hpcdvc.stacks.shift import Shift, ShiftSettings, measure_shift
from hpcdvc.stacks.spectrum import Polynomial

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


def periodic(values: np.ndarray) -> Polynomial:
    """An image that goes round, between its pixels."""
    return Polynomial(scipy.fft.rfftn(values), values.shape)


def note_ignored(**ignored: bool) -> None:
    """Say which arguments that were given have no effect."""
    names = [name for name, given in ignored.items() if given]
    if names:
        log.info("without effect here: %s", ", ".join(names))


def check_boundary(boundary: str) -> None:
    """Refuse a boundary that only interpolation knows."""
    if boundary in ("constant", "reflect", "nearest"):
        raise UserError(f"the boundary {boundary} is not to be had: wrap, overlap or fill")
