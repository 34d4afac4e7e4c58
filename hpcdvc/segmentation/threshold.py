"""Which voxels are bright: between two grey values, or above the one that parts the histogram best (Otsu)."""

import numpy as np

#: Grey values that are counted one by one; a wider range of whole numbers, and numbers with fractions, in so many bins.
SINGLE, BINS = 2**20, 2**16
#: Range of grey values that is too wide: what is summed up is no number.
WIDEST = 1e100


def grey_histogram(volume: np.ndarray, team) -> tuple[np.ndarray, np.ndarray]:
    """How many voxels have which grey value. Collective: each rank counts some planes.

    Parameters
    ----------
    volume : (nz, ny, nx) array of numbers; what is NaN or infinite does not count
    team : hpcdvc.ranks.team.Team, whose ranks have the same volume

    Returns
    -------
    counts : (n,) int64 array; none where no voxel counts
    centres : (n,) float64 array of the grey values, ascending: each of whole numbers of a range of up to SINGLE, else
        the middles of BINS bins

    Raises
    ------
    ValueError
        They lie too far apart for their squares to be numbers; the same on all ranks.
    """
    start, stop = team.spans(len(volume))
    ends = [_ends(plane) for plane in volume[start:stop]]
    low = -team.max(max([-low for low, _ in ends], default=-np.inf))
    high = team.max(max([high for _, high in ends], default=-np.inf))
    if not low < high:
        counted = team.sum(np.array([sum(_finite(plane).size for plane in volume[start:stop])]))
        return (counted, np.array([low])) if low == high else (np.zeros(0, np.int64), np.zeros(0))
    if not high - low < WIDEST:
        raise ValueError(f"grey values from {low:g} to {high:g}")
    single = volume.dtype.kind in "iu" and high - low < SINGLE
    bins = int(high - low) + 1 if single else BINS
    width = 1.0 if single else (high - low) / bins
    counts = np.zeros(bins, np.int64)
    for plane in volume[start:stop]:
        values = _finite(plane)
        if single:
            places = values.astype(np.int64) - int(low)
        else:
            places = np.minimum(((values.astype(float) - low) / width).astype(np.int64), bins - 1)
        counts += np.bincount(places, minlength=bins)
    return team.sum(counts), low + (np.arange(bins) + 0.5 * (not single and low < high)) * width


def _finite(plane: np.ndarray) -> np.ndarray:
    """Its grey values that are finite, (n,)."""
    return plane[np.isfinite(plane)] if plane.dtype.kind == "f" else plane.reshape(-1)


def _ends(plane: np.ndarray) -> tuple[float, float]:
    """Least and greatest of its grey values; inf and -inf where there is none."""
    values = _finite(plane)
    return (float(values.min()), float(values.max())) if values.size else (np.inf, -np.inf)


def otsu_threshold(counts: np.ndarray, centres: np.ndarray) -> float:
    """The grey value at or below which, and above which, the means differ most, weighted by how many there are.

    Parameters
    ----------
    counts : (n,) array of numbers of voxels, of two grey values at least
    centres : (n,) array of grey values, ascending

    Returns
    -------
    float : one of the grey values; of several that do equally well the lowest

    Notes
    -----
    Otsu (1979), A threshold selection method from gray-level histograms. In float64: `skimage.filters.threshold_otsu`
    sums up in float32, which stops counting at 2**24 voxels.
    """
    counts = counts.astype(float)
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * (centres - centres[0]))
    above = total - below
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    between[~((below > 0) & (above > 0))] = -1
    return float(centres[np.argmax(between)])


def bright(planes: np.ndarray, low: float, high: float | None = None) -> np.ndarray:
    """1 where a grey value is above `low` and below `high`, else 0, also where it is NaN; uint8 array of that shape."""
    found = planes > low
    if high is not None:
        found &= planes < high
    return found.view(np.uint8)
