"""What a search has found as rows of a field."""

import numpy as np

from hpcdvc.fields.field import row_with

#: Columns beside those of every row: score, second-best score, range that was tried, and whether the best lies on its
#: border.
COLUMNS = (
    ("CC", "f8"),
    ("second_CC", "f8"),
    ("range_low", "i4", (3,)),
    ("range_high", "i4", (3,)),
    ("border", "i4"),
)
#: Rows of nodes or points, and of particles.
SEARCH_ROW, PARTICLE_ROW = row_with(*COLUMNS), row_with(("label", "u4"), *COLUMNS)


def rows_of(found: np.ndarray, points: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Rows of what was found.

    Parameters
    ----------
    found : (n,) array of hpcdvc.search.pixels.FOUND
    points : (n,) array of hpcdvc.search.pixels.SEARCH_POINT
    low, high : (n, 3) displacements that were tried, ZYX, from the rounded start

    Returns
    -------
    (n,) array of SEARCH_ROW, of PARTICLE_ROW where the points name labels; F is that of the start
    """
    rows = np.zeros(len(found), PARTICLE_ROW if points["label"].any() else SEARCH_ROW)
    rows["index"], rows["return_status"] = found["index"], found["return_status"]
    rows["Phi"] = points["Phi"]
    rows["Phi"][:, :, 3] = found["displacement"]
    rows["variance"] = np.nan
    rows["CC"], rows["second_CC"], rows["zncc"] = found["score"], found["second"], found["zncc"]
    rows["error"], rows["valid_fraction"] = found["error"], found["valid_fraction"]
    # as users of spam know it: nothing was iterated
    rows["iterations"] = rows["delta_phi_norm"] = 1
    rows["range_low"], rows["range_high"], rows["border"] = low, high, found["border"]
    if points["label"].any():
        rows["label"] = points["label"]
    return rows
