"""Which rows of a field can be used: by their status, by where they stand."""

import logging

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field, status_counts
from hpcdvc.images import VolumeInfo

log = logging.getLogger("hpcdvc")


def usable_rows(field: Field, threshold: int | None, path: str) -> np.ndarray:
    """Numbers of the rows that are wanted and have a finite position and Phi.

    Parameters
    ----------
    field : n rows
    threshold : `-rst`, the lowest return status; None takes the rows that are measured
    path : where the field comes from, for messages

    Raises
    ------
    UserError
        There is no such row; the sentence says which statuses there are.
    """
    finite = np.isfinite(field.phi).all(axis=(1, 2)) & np.isfinite(field.positions).all(axis=1)
    good = field.measured if threshold is None else field.return_status >= threshold
    if not good.any():
        found = ", ".join(f"{count} of status {code}" for code, count in status_counts(field.return_status).items())
        if threshold is None:
            raise UserError(f"no row of {path} is measured: it holds {found}; -rst takes rows that are not")
        raise UserError(f"no row of {path} has a return status of at least -rst {threshold}: it holds {found}")
    if not (good & finite).any():
        which = "that is measured" if threshold is None else f"with a return status of at least -rst {threshold}"
        raise UserError(f"no row of {path} {which} is finite")
    return np.flatnonzero(good & finite)


def within_radius(positions: np.ndarray, radius: float, shape: tuple[int, int, int], path: str) -> np.ndarray:
    """Which positions (n, 3) lie within `radius` voxels of the axis along z through the middle of an image; (n,) bool.

    Raises
    ------
    UserError
        None of them.
    """
    distance = np.linalg.norm(positions[:, 1:] - (np.array(shape[1:]) - 1) / 2, axis=1)
    if not (distance <= radius).any():
        raise UserError(
            f"-rad {radius:g} excludes all nodes of {path}: the nearest is {distance.min():.1f} voxels from the axis"
        )
    return distance <= radius


def check_in_image(positions: np.ndarray, image: VolumeInfo, path: str) -> None:
    """Warn when some of the positions (n, 3) lie outside the image: they come from another image, or another binning.

    Raises
    ------
    UserError
        All of them lie outside.
    """
    outside = ((positions < 0) | (positions > np.array(image.shape) - 1)).any(axis=1)
    if not outside.any():
        return
    low, high = (" ".join(f"{v:g}" for v in corner) for corner in (positions.min(axis=0), positions.max(axis=0)))
    words = (
        f"of {path} lie outside {image.spec}: they reach from {low} to {high}, the image has "
        f"{' x '.join(map(str, image.shape))} voxels (ZYX); is -pfb right?"
    )
    if outside.all():
        raise UserError(f"all {len(positions)} nodes {words}")
    log.warning("%d of %d nodes %s They are used all the same", outside.sum(), len(positions), words)


def check_mask_fits(mask: VolumeInfo, positions: np.ndarray, path: str, what: str = "mask") -> None:
    """UserError where some of the positions (n, 3) of a field lie outside a mask, or a label image."""
    outside = ((positions < -0.5) | (positions > np.array(mask.shape) - 0.5)).any(axis=1)
    if outside.any():
        raise UserError(
            f"the {what} does not fit the field: {mask.spec} has {' x '.join(map(str, mask.shape))} voxels (ZYX), and "
            f"{outside.sum()} of the {len(positions)} nodes of {path} lie outside"
        )
