"""Which grey values of an image the bins of a joint histogram divide."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError

#: Bytes of planes that are looked at at a time.
AT_A_TIME = 2**25


@dataclass(frozen=True)
class GreyRange:
    """Grey values of an image: bin value (grey - low) / (high - low) (bins - 1), low < high."""

    low: float
    high: float


def grey_range(
    image: np.ndarray, crop: float, team, low: float | None = None, high: float | None = None, name: str = "the image"
) -> GreyRange:
    """Least and greatest grey value of the central part of an image. Collective.

    Parameters
    ----------
    image : (nz, ny, nx) array of any type of numbers; NaN and infinite values do not count
    crop : part of each side that is left out on either end; nothing along a side of one voxel
    team : hpcdvc.ranks.team.Team
    low, high : in place of what is found
    name : of the image, for messages

    Raises
    ------
    UserError
        On every rank: the image has no grey values or only one, or none of them is between those given.
    """
    inner = tuple(slice(int(crop * n), n - int(crop * n)) if n > 1 else slice(None) for n in image.shape)
    least, greatest = _extremes(image[inner], team)
    if not least <= greatest:
        team.fail(UserError(f"{name} has no grey values: there is nothing to register"))
    if least == greatest:
        team.fail(UserError(f"{name} has one grey value only, {least:g}: there is nothing to register"))
    found = GreyRange(least if low is None else float(low), greatest if high is None else float(high))
    if not found.low < found.high or found.high <= least or found.low >= greatest:
        words = f"{least:g} to {greatest:g}, not {found.low:g} to {found.high:g}"
        team.fail(UserError(f"grey values of {name} are {words}: there is nothing to register"))
    return found


def _extremes(image: np.ndarray, team) -> tuple[float, float]:
    """Least and greatest finite value; inf and -inf where there is none."""
    least, greatest = np.inf, -np.inf
    first, last = team.spans(len(image))
    depth = max(1, AT_A_TIME // max(image[:1].nbytes, 1))
    for z in range(first, last, depth):
        values = image[z : min(z + depth, last)]
        if values.dtype.kind == "f":
            values = values[np.isfinite(values)]
        if values.size:
            least, greatest = min(least, float(values.min())), max(greatest, float(values.max()))
    return -team.max(-least), team.max(greatest)
