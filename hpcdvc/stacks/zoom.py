"""Iterative zoom: a map, interpolated by its trigonometric polynomial, on finer and finer grids about its minimum."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hpcdvc.stacks.fourier import scale, zoom_positions

#: Finest grid that is made, points per pixel: a map that never gets flat enough is found as well as numbers tell it.
FINEST = 2**26
#: Part of the range of a map by which equal values of its symmetric places differ.
ROUNDING = 1e-12


@dataclass(frozen=True)
class Zoomed:
    """Where an iterative zoom has ended.

    Attributes
    ----------
    place : (axes,) centre of the last grid, which is the extremum of the one before
    factor : points per pixel of the last grid
    values : of the last grid
    """

    place: np.ndarray
    factor: float
    values: np.ndarray


def zoom_in(
    values: np.ndarray,
    mindiff: float = 1.0,
    shape: tuple[int, ...] = (10, 10),
    step: float = 2,
    pick: Callable = np.argmin,
) -> Zoomed:
    """Zoom in on an extremum until the values around it are closer to it than `mindiff`.

    Parameters
    ----------
    values : the map, which goes round
    mindiff : least difference between the extremum and the value next to it that is zoomed in on
    shape : points of a grid
    step : factor from grid to grid
    pick : np.argmin or np.argmax
    """
    image, factor, best = values, 1.0, values.flat[pick(values)]
    place = centre = np.array(np.unravel_index(pick(values), values.shape), float)
    equal = ROUNDING * np.ptp(values)
    while factor * step <= FINEST:
        apart = np.abs(values - best)
        apart = apart[apart > equal]
        if not len(apart) or apart.min() <= mindiff:
            break
        factor *= step
        grid = zoom_positions(image.shape, factor, shape, 0, place)
        values = scale(image, grid)
        index = np.unravel_index(pick(values), values.shape)
        best, centre = values[index], place
        place = np.array([axis[i] for axis, i in zip(grid, index, strict=True)])
    return Zoomed(centre, factor, values)
