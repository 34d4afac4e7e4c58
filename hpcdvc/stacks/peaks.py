"""Where the highest value of a map is, to a fraction of a pixel; the functions of patches take numpy or cupy arrays."""

from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np

from hpcdvc.errors import UserError

METHODS = ("taylor", "poly")
#: Pixels along an axis to which a polynomial may be fitted.
SIZES = (3, 5, 7, 9)


@dataclass(frozen=True)
class Peak:
    """The highest value of a map.

    Attributes
    ----------
    place : (2,) float64, row and column; NaN where all values are equal, or none is a number
    whole : row and column of the highest value, the first of equal ones; -1 where there is none
    value : the highest value
    on_border : it has not neighbours on all sides: nobody knows whether the true peak lies outside
    """

    place: np.ndarray
    whole: tuple[int, int]
    value: float
    on_border: bool


def check_peak(method: str, size: int, dim: int) -> None:
    """UserError where a peak cannot be located like this."""
    if method not in METHODS:
        raise UserError(f"peaks are located by {' or '.join(METHODS)}, not {method!r}")
    if method == "poly" and size not in SIZES:
        raise UserError(f"a polynomial is fitted to 3, 5, 7 or 9 pixels along an axis, not {size}")
    if dim not in (1, 2):
        raise UserError(f"a peak is located along 1 or 2 dimensions at once, not {dim}")


def locate_peak(scores: np.ndarray, method: str = "taylor", size: int = 3, dim: int = 2, subpixel: bool = True) -> Peak:
    """Locate the highest value of a map.

    Parameters
    ----------
    scores : (n, m) array; NaN where there is no value
    method : "taylor" (derivatives at the highest value) or "poly" (a polynomial of second degree, least squares)
    size : pixels along each axis to which the polynomial is fitted: 3, 5, 7 or 9
    dim : 2 for both axes at once, 1 for one after the other
    subpixel : False for the whole pixel

    Returns
    -------
    Peak; beside the border of the map, or of what has a value, along the border only

    Raises
    ------
    UserError
        An argument does not fit.
    """
    check_peak(method, size, dim)
    scores = np.asarray(scores, np.float64)
    if scores.ndim != 2:
        raise UserError(f"a peak is located in a map of two dimensions, not of {scores.ndim}")
    known = scores[np.isfinite(scores)]
    if known.size == 0 or known.min() == known.max():
        return Peak(np.full(2, np.nan), (-1, -1), float(known[0]) if known.size else np.nan, True)
    row, column = divmod(int(np.nanargmax(np.where(np.isfinite(scores), scores, np.nan))), scores.shape[1])
    around = np.pad(scores, 1, constant_values=np.nan)[row : row + 3, column : column + 3]
    whole, on_border = np.array((row, column), float), not np.isfinite(around).all()
    place = whole
    if subpixel and method == "taylor":
        place = whole + (_along_border(around) if on_border else taylor_offset(around, dim))
    elif subpixel:
        place = _polynomial_place(scores, (row, column), size, dim)
    return Peak(place, (row, column), float(scores[row, column]), on_border)


def _along_border(around: np.ndarray) -> np.ndarray:
    """Offsets along the axes on which both neighbours are known."""
    steps = np.array([_parabola(*around[:, 1]), _parabola(*around[1])])
    return np.where(_usable(steps), steps, 0)


def _parabola(before, middle, behind):
    """Where the parabola through three values has its extremum; NaN where it has none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (before - behind) / (2 * (before + behind - 2 * middle))


def _usable(steps):
    """A step from the highest value to the peak is shorter than a pixel; comparisons with NaN are False."""
    with np.errstate(invalid="ignore"):
        return abs(steps) < 1


@dataclass(frozen=True)
class Quadratic:
    """A function of second degree of y and x, or arrays of them: f + fy y + fx x + fyy y^2 / 2 + fxx x^2 / 2 + fxy x
    y."""

    f: Any
    fy: Any
    fx: Any
    fyy: Any
    fxx: Any
    fxy: Any

    @classmethod
    def of_taylor(cls, patches) -> "Quadratic":
        """From (..., 3, 3) arrays, by the derivatives in the middle."""
        c, middle = patches, patches[..., 1, 1]
        return cls(
            middle, (c[..., 2, 1] - c[..., 0, 1]) / 2, (c[..., 1, 2] - c[..., 1, 0]) / 2,
            c[..., 2, 1] + c[..., 0, 1] - 2 * middle, c[..., 1, 2] + c[..., 1, 0] - 2 * middle,
            (c[..., 2, 2] + c[..., 0, 0] - c[..., 2, 0] - c[..., 0, 2]) / 4,
        )  # fmt: skip

    @classmethod
    def of_fit(cls, patches, xp: ModuleType = np) -> "Quadratic":
        """From (..., size, size) arrays, by least squares, about the middle."""
        size = patches.shape[-1]
        coefficients = patches.reshape(*patches.shape[:-2], size**2) @ xp.asarray(_fit(size).T)
        f, x, y, xx, xy, yy = (coefficients[..., i] for i in range(6))
        return cls(f, y, x, 2 * yy, 2 * xx, xy)

    def extremum(self, dim: int = 2, xp: ModuleType = np):
        """(..., 2) place of the extremum, y and x; with dim 1 of one axis after the other. NaN without one."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if dim == 1:
                return xp.stack([-self.fy / self.fyy, -self.fx / self.fxx], -1)
            det = self.fxy**2 - self.fxx * self.fyy
            y, x = self.fxx * self.fy - self.fxy * self.fx, self.fyy * self.fx - self.fxy * self.fy
            return xp.stack([y / det, x / det], -1)

    def value(self, place):
        """Value at places (..., 2)."""
        y, x = place[..., 0], place[..., 1]
        return self.f + self.fy * y + self.fx * x + self.fyy * y * y / 2 + self.fxx * x * x / 2 + self.fxy * x * y


def taylor_offset(patches: np.ndarray, dim: int = 2, xp: ModuleType = np) -> np.ndarray:
    """From the highest value to the peak of the Taylor series of second degree.

    Parameters
    ----------
    patches : (..., 3, 3) array, the highest value in the middle
    dim : 2 for both axes at once, 1 for one after the other
    xp : numpy or cupy

    Returns
    -------
    (..., 2) array, rows and columns; 0 where the step is not shorter than a pixel

    Notes
    -----
    Fisher and Naidu 1996, in Image Technology: Advances in Image Processing, Multimedia and Machine Vision.
    """
    steps = Quadratic.of_taylor(patches).extremum(dim, xp)
    return xp.where(_usable(steps), steps, 0)


@cache
def _fit(size: int) -> np.ndarray:
    """(6, size^2) matrix from the values of a patch to the coefficients of 1, x, y, x^2, xy, y^2 about its middle."""
    y, x = np.mgrid[:size, :size].reshape(2, -1) - size // 2
    return np.linalg.pinv(np.stack([np.ones(size**2), x, y, x**2, x * y, y**2], axis=1))


@cache
def _line_fit(size: int) -> np.ndarray:
    """(3, size) matrix from the values of a line to the coefficients of 1, x, x^2 about its middle."""
    return np.linalg.pinv(np.vander(np.arange(size) - size // 2, 3, increasing=True).astype(float))


def polynomial_peak(patches: np.ndarray, xp: ModuleType = np) -> np.ndarray:
    """Peak of the polynomial of second degree that fits a patch best.

    Parameters
    ----------
    patches : (..., size, size) array
    xp : numpy or cupy

    Returns
    -------
    (..., 2) array, rows and columns about the middle of the patch; NaN where the peak does not lie inside the patch
    """
    place = Quadratic.of_fit(patches, xp).extremum(2, xp)
    with np.errstate(invalid="ignore"):
        inside = (abs(place) < patches.shape[-1] // 2).all(-1, keepdims=True)
    return xp.where(inside, place, xp.nan)


def line_peak(lines: np.ndarray, xp: ModuleType = np) -> np.ndarray:
    """The same of lines of values, (..., size): (...) places about the middle, NaN where not inside."""
    size = lines.shape[-1]
    coefficients = lines @ xp.asarray(_line_fit(size).T)
    with np.errstate(invalid="ignore", divide="ignore"):
        place = -coefficients[..., 1] / (2 * coefficients[..., 2])
        return xp.where(abs(place) < size // 2, place, xp.nan)


def _polynomial_place(scores: np.ndarray, whole: tuple[int, int], size: int, dim: int) -> np.ndarray:
    """Peak by polynomial: the patch is moved into the map. The whole place where there is none."""
    first = [min(max(w - size // 2, 0), n - size) for w, n in zip(whole, scores.shape, strict=True)]
    if min(first) < 0 and dim == 2:
        return np.array(whole, float)
    (y0, x0), middle = first, size // 2
    if dim == 2:
        place = np.array(first) + middle + polynomial_peak(scores[y0 : y0 + size, x0 : x0 + size])
    else:
        lines = scores[y0 : y0 + size, whole[1]], scores[whole[0], x0 : x0 + size]
        place = np.array([
            start + middle + line_peak(line) if start >= 0 else np.nan
            for start, line in zip(first, lines, strict=True)
        ])  # fmt: skip
    return np.where(np.isfinite(place), place, whole)
