"""Search of windows and particles: a pair of images made ready, points in, what was found out.

All displacements of the range are tried. The scores are made in float32 with a bound of their error; all displacements
that may be the best are tried again in float64, so that the best is the best, and the first of equal ones in the order
Z, Y, X.
"""

from collections.abc import Iterator

import numpy as np

from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.search import find, take_regions, take_windows
from hpcdvc.kernels.volume import Volume
from hpcdvc.search.settings import SearchSettings
from hpcdvc.search.sums import needed, room_for, seconds, sums_of

#: One window to be looked for, and where it was found.
SEARCH_POINT, FOUND = dtype("search_point"), dtype("found")
#: Voxels of the regions of a batch: they stay in the cache.
BATCH = 2**20
#: Windows that are not looked for; the others are 0, 1 where not all of the window counts, 2 of the region, or both.
UNFIT = 4


def search_points(positions: np.ndarray, phi: np.ndarray, half: tuple[int, int, int], search_range) -> np.ndarray:
    """Points for windows of one size.

    Parameters
    ----------
    positions : (n, 3) ZYX, voxels
    phi : (n, 3, 4) or (n, 4, 4) start; F deforms the window, the displacement, rounded, is the middle of the range
    half : half window, ZYX
    search_range : six numbers, first and last displacement along Z, Y and X

    Returns
    -------
    (n,) array of SEARCH_POINT
    """
    points = np.zeros(len(positions), SEARCH_POINT)
    points["index"], points["position"], points["Phi"] = np.arange(len(positions)), positions, phi[:, :3]
    points["box_low"], points["box_high"] = np.negative(half), half
    points["low"], points["high"] = search_range[::2], search_range[1::2]
    return points


class PixelSearch:
    """A pair of images made ready: call it with points, get what was found.

    Parameters
    ----------
    im1, im2 : (nz, ny, nx) arrays of grey values (u1, i1, u2, i2, u4, i4, f4, f8); 2-D images have nz = 1
    settings : SearchSettings
    mask1, mask2 : (nz, ny, nx) uint8 arrays, 0 = voxel that does not count; or None
    labels : (nz, ny, nx) array of whole numbers for points that name particles; or None
    """

    def __init__(
        self,
        im1: np.ndarray,
        im2: np.ndarray,
        settings: SearchSettings,
        mask1: np.ndarray | None = None,
        mask2: np.ndarray | None = None,
        labels: np.ndarray | None = None,
    ):
        self._im1, self._im2 = Volume(im1, mask1), Volume(im2, mask2)
        self._labels = None if labels is None else Volume(labels)
        self._settings = settings.record()
        self.settings = settings

    def __call__(self, points: np.ndarray, peaks: int = 0) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """Where windows are found.

        Parameters
        ----------
        points : (n,) array of SEARCH_POINT
        peaks : so many of the highest maxima are wanted, too

        Returns
        -------
        found : (n,) array of FOUND
        highest : only with `peaks`: (n, peaks, 4) array of displacements from the rounded start, and scores; NaN where
            there are fewer
        """
        found, highest = np.zeros(len(points), FOUND), np.full((len(points), peaks, 4), np.nan)
        for some in _alike(points):
            found[some], highest[some] = self._batch(np.ascontiguousarray(points[some]), peaks)
        return (found, highest) if peaks else found

    def _batch(self, points: np.ndarray, peaks: int) -> tuple[np.ndarray, np.ndarray]:
        """The same of points with windows and ranges of one size."""
        n, window, lags = len(points), *_sizes(points[0])
        region = tuple(a + b - 1 for a, b in zip(window, lags, strict=True))
        a, ok1 = (np.empty((n, *window), np.float32) for _ in range(2))
        b, ok2 = room_for((n, *region)), room_for((n, *region))
        windows, regions = np.zeros(n, dtype("search_window")), np.zeros(n, dtype("search_region"))
        take_windows(self._im1, self._labels, self._settings, points, a, ok1, windows)
        take_regions(self._im2, points, b, ok2, regions)
        found, highest = np.zeros(n, FOUND), np.full((n, peaks, 4), np.nan)
        for some, kind, fourier in self._ways(windows, regions, window, lags):
            arrays = (a, ok1, b, ok2) if len(some) == n else (*_some((a, ok1), some), *_some((b, ok2), some))
            part, tops = found[some], np.ascontiguousarray(highest[some])
            given = points[some], *arrays, windows[some], regions[some], _sums(kind, fourier, arrays, lags)
            find(self._im2, self._settings, *given, part, tops if peaks else None)
            found[some], highest[some] = part, tops
        return found, highest

    def _ways(
        self, windows: np.ndarray, regions: np.ndarray, window: tuple[int, ...], lags: tuple[int, ...]
    ) -> Iterator[tuple[np.ndarray, int, bool]]:
        """Numbers of windows of one kind, the kind, and whether their sums are made by FFT."""
        kinds = np.where(windows["status"] == 0, windows["partial"] + 2 * regions["partial"], UNFIT)
        # how much of its box a particle fills is its own; a mask has holes, whose rows are as long
        fill = windows["count"] / np.prod(window) if self._labels else np.ones(len(windows))
        for kind in sorted(set(kinds.tolist())):  # np.unique loads numpy.ma
            some = np.flatnonzero(kinds == kind)
            direct, fourier = seconds(window, lags, kind % UNFIT, fill[some])
            faster = np.broadcast_to(fourier < direct, some.shape)
            yield from ((some[faster == way], kind, way) for way in (False, True) if (faster == way).any())


def _sums(kind: int, fourier: bool, arrays: tuple[np.ndarray, ...], lags: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The sums of windows and regions that are partial or not; of windows that are not looked for nothing is read."""
    if kind == UNFIT:
        return {"ab": np.empty((len(arrays[0]), *lags), np.float32)}
    return sums_of(*arrays, needed(bool(kind & 1), bool(kind & 2)), fourier)


def _some(arrays: tuple[np.ndarray, ...], some: np.ndarray) -> list[np.ndarray]:
    """Copies of some rows, with room behind their end."""
    copies = [room_for((len(some), *array.shape[1:])) for array in arrays]
    for array, copy in zip(arrays, copies, strict=True):
        np.take(array, some, axis=0, out=copy)
    return copies


def _sizes(point: np.ndarray) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Voxels of the window, and displacements."""
    window, lags = point["box_high"] - point["box_low"] + 1, point["high"] - point["low"] + 1
    return tuple(map(int, window)), tuple(map(int, lags))


def _alike(points: np.ndarray) -> list[np.ndarray]:
    """Numbers of points with windows and ranges of one size, in batches that fit into the cache."""
    if len(points) == 0:
        return []
    sizes = np.concatenate([points["box_high"] - points["box_low"], points["high"] - points["low"]], axis=1)
    if (sizes == sizes[0]).all():
        groups = [np.arange(len(points))]
    else:
        _, which = np.unique(sizes, axis=0, return_inverse=True)
        groups = [np.flatnonzero(which.ravel() == k) for k in range(which.max() + 1)]
    batches = []
    for group in groups:
        window, lags = _sizes(points[group[0]])
        most = max(1, BATCH // int(np.prod(np.add(window, lags) - 1)))
        batches += [group[k : k + most] for k in range(0, len(group), most)]
    return batches


def seconds_per_point(window: tuple[int, int, int], lags: tuple[int, int, int]) -> float:
    """Rough cost of a point on one core: what counts in both images, all of it."""
    return min(seconds(window, lags)) + 1e-8 * float(np.prod(np.add(window, lags) - 1)) + 3e-5
