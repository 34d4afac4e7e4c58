"""Points of an image whose windows have strong texture along all axes, at a least distance from each other."""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import as_volume, grey_values
from hpcdvc.search.texture import Blocks, Texture

#: Strengths are compared with the one that this part of all places has.
COMPARED = 0.95


def choose(rows: np.ndarray, spacing: float, least: float, count: int | None) -> tuple[np.ndarray, np.ndarray]:
    """The points that are wanted, of the candidates of all blocks.

    Parameters
    ----------
    rows : of all blocks, see `Blocks.dtype`, in any order
    spacing : least distance between two points, voxels; of two that are nearer the stronger stays
    least : least strength, as a part of the one that 5 % of the candidates exceed
    count : so many at most, the strongest; None: all

    Returns
    -------
    positions : (n, 3) integers, ZYX, the strongest first
    strengths : (n,)
    """
    from scipy.spatial import cKDTree

    strengths = rows["strength"].ravel()
    some = np.flatnonzero(strengths > 0)
    positions, strengths = rows["position"].reshape(-1, 3)[some], strengths[some].astype(float)
    if not len(some):
        return positions, strengths
    strong = strengths >= least * np.quantile(strengths, COMPARED)
    positions, strengths = positions[strong], strengths[strong]
    order = np.lexsort((*positions.T[::-1], -strengths))
    positions, strengths = positions[order], strengths[order]
    tree, free, chosen = cKDTree(positions), np.ones(len(positions), bool), []
    for number in range(len(positions)):
        if count is not None and len(chosen) == count:
            break
        if free[number]:
            chosen.append(number)
            free[tree.query_ball_point(positions[number], spacing * (1 - 1e-9))] = False
    return positions[chosen], strengths[chosen]


def guiding_points(
    im1: np.ndarray,
    half_window_size: int | tuple[int, int, int] = 5,
    minimum_spacing: float | None = None,
    number: int | None = None,
    im1_mask: np.ndarray | None = None,
    min_mask_coverage: float = 0.5,
    least_strength: float = 0.1,
) -> np.ndarray:
    """Points of an image whose windows have the strongest texture along all axes.

    Parameters
    ----------
    im1 : (nz, ny, nx) or (ny, nx) array of grey values
    half_window_size : voxels on each side of the middle, one number or ZYX
    minimum_spacing : least distance between two points, voxels; default twice the mean half window
    number : so many points, the strongest; default all that are strong enough
    im1_mask : array of the shape of im1, 0 where a voxel does not count
    min_mask_coverage : least part of a window that must count
    least_strength : least strength, as a part of the one that 5 % of all places exceed

    Returns
    -------
    (n, 3) array of integers
        ZYX, voxels, the strongest first; Z = 0 in two dimensions.

    Raises
    ------
    UserError
        An argument does not fit.
    """
    volume = as_volume(im1)
    half = (half_window_size,) * 3 if np.ndim(half_window_size) == 0 else tuple(half_window_size)
    half = (0, *half[1:]) if len(volume) == 1 else half
    if len(half) != 3 or min(half) < 0 or max(half) < 1 or (2 * np.array(half) + 1 > volume.shape).any():
        raise UserError(f"a half window of {half_window_size} is not possible in an image of {np.shape(im1)}")
    _check_choice(minimum_spacing, number, min_mask_coverage, least_strength)
    mask = None if im1_mask is None else as_volume(np.asarray(im1_mask) != 0)
    if mask is not None and mask.shape != volume.shape:
        raise UserError(f"the mask has shape {np.shape(im1_mask)}, im1 {np.shape(im1)}")
    grey, blocks = grey_values(volume, Team(None)), Blocks(volume.shape, half)
    if not grey.std > 0:
        return np.empty((0, 3), np.int64)
    rows = Texture(volume, mask, grey.mean, grey.std, blocks, min_mask_coverage).candidates(np.arange(blocks.count))
    spacing = default_spacing(half) if minimum_spacing is None else minimum_spacing
    return choose(rows, spacing, least_strength, number)[0]


def _check_choice(spacing: float | None, number: int | None, coverage: float, strength: float) -> None:
    if number is not None and number < 1:
        raise UserError(f"at least one point is needed, not {number}")
    if spacing is not None and not spacing > 0:
        raise UserError(f"the least distance between points must be positive, not {spacing}")
    for name, part in (("mask coverage", coverage), ("strength", strength)):
        if not 0 <= part <= 1:
            raise UserError(f"the least {name} must be between 0 and 1, not {part}")


def default_spacing(half: tuple[int, int, int]) -> float:
    """Twice the mean half window, along the axes that the image has."""
    sizes = half if half[0] else half[1:]
    return max(2 * sum(sizes) / len(sizes), 1.0)
