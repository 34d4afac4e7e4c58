"""Displacement, and what speckle says of the specimen, at every pixel: similarity maps of windows in bands of rows.

Frames (K, H, W) of two stacks; u is that of what is seen, from im1 to im2, in pixels, in the order y, x: what lies at x
in im1 lies at x + u in im2.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class DenseSettings:
    """How windows are compared.

    Attributes
    ----------
    half_window : n, windows are of 2 n + 1 pixels along each axis
    reach : displacements u that are tried, whole pixels: y from, y to, x from, x to, all inclusive
    metric : "ncc", the zero-mean normalised correlation of all frames together; "umpa", a sample that absorbs;
        "umpa-dark", that scatters, too
    template : image whose pixels the maps stand on, from which the windows come: "im1" or "im2"
    along : "both"; "x" or "y" for windows of one row or one column, as a search along one axis has them
    taps : window function along an axis, 2 n + 1 values whose sum is 1; empty: all pixels count alike
    peak : sub-pixel place: "taylor", "poly" (quadratic function fitted to `peak_size` displacements along each axis), or
        "none"
    peak_size : 3, 5, 7 or 9
    peak_dim : 2, or 1 for one peak along each axis
    values_at : where transmission and visibility are taken: at the "subpixel" place, or at the "pixel" beside it
    local_mean : "umpa-dark": scattering pulls grey values towards the mean of the window of the reference, not towards
        that of the stack
    partial : pixels that are NaN in some frames are left out in these alone, not in all
    least_score : lowest correlation of a match ("ncc")
    step : every step-th row and column from 0 on is measured
    """

    half_window: int
    reach: tuple[int, int, int, int]
    metric: str = "ncc"
    template: str = "im1"
    along: str = "both"
    taps: tuple[float, ...] = ()
    peak: str = "taylor"
    peak_size: int = 3
    peak_dim: int = 2
    values_at: str = "subpixel"
    local_mean: bool = False
    partial: bool = False
    least_score: float | None = None
    step: int = 1


def halo(settings: DenseSettings, positions: np.ndarray | None = None) -> int:
    """Rows beyond those asked for, above and below, that `measure_rows` needs of both stacks.

    Parameters
    ----------
    settings : see `DenseSettings`
    positions : see `measure_rows`
    """
    window = 0 if settings.along == "x" else settings.half_window
    moved = 0 if positions is None else int(np.abs(np.asarray(positions)[:, 0]).max())
    return window + max(map(abs, settings.reach[:2])) + 2 + moved


def measure_rows(
    im1: np.ndarray,
    im2: np.ndarray,
    first: int,
    rows: range,
    height: int,
    settings: DenseSettings,
    means: np.ndarray | None = None,
    positions: np.ndarray | None = None,
    saturation: float | tuple[float, float] | None = None,
) -> dict[str, np.ndarray]:
    """Measure the pixels of some rows.

    What a pixel gets depends on its window and on what it is compared with alone: not on the band, nor on the rows or
    columns that are measured with it.

    Parameters
    ----------
    im1, im2 : (K, h, W) float32 bands of both stacks, C-contiguous; NaN: no grey value
    first : row of the image that the bands begin with; they hold `rows` and `halo(settings, positions)` rows about them,
        as far as the image goes
    rows : of the image, n of them; multiples of `settings.step`
    height : rows of the image
    settings : see `DenseSettings`
    means : of im1 and im2, (2,), or of their frames, (2, K), float64; with these every frame is divided by its own
        ("umpa" alone, which needs means; "ncc" takes them off, which makes rounding errors small)
    positions : (K, 2) whole numbers dy, dx: what lies at x of the maps lies at x + position in frame k of both stacks
        (the specimen was moved from frame to frame, and what makes the speckle was not)
    saturation : grey value from which on a pixel is saturated, one for both stacks or one each

    Returns
    -------
    dict of arrays (n, W'), W' the columns that are multiples of the step: float32 ``displacement`` (n, W', 2), y and x;
        ``score``: correlation, or the cost of UMPA; int8 ``status``; with UMPA float32 ``transmission`` and, with the
        dark field, ``visibility`` (1: nothing is scattered). All but the status is NaN where the status is not 2.

    Raises
    ------
    MemoryError
    ValueError
        Arrays that do not fit.
    """
    raise NotImplementedError
