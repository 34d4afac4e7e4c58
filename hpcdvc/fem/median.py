"""Displacements of nodes smoothed by the median over the edges of a mesh."""

import numpy as np
from scipy import sparse

#: Numbers that are looked at together.
TOGETHER = 2**22


class MedianFilter:
    """The median of each node and the nodes that share an edge with it, component by component.

    What is affine in the displacements is taken out before and added again: at the surface of a mesh a node has
    neighbours on one side alone, and their median would bend what is straight.

    Parameters
    ----------
    points : (n, 3) ZYX, voxels
    connectivity : (k, 4) nodes of the tetrahedra
    """

    def __init__(self, points: np.ndarray, connectivity: np.ndarray):
        n = len(points)
        corners = sparse.csr_matrix(
            (np.ones(connectivity.size, np.int32), connectivity.ravel(), np.arange(0, connectivity.size + 1, 4)),
            shape=(len(connectivity), n),
        )
        self._near = (corners.T @ corners + sparse.identity(n, np.int32)).tocsr()
        self._affine = np.column_stack([np.ones(n), points - points.mean(axis=0)])

    def __call__(self, displacements: np.ndarray) -> np.ndarray:
        """(n, 3) filtered displacements of (n, 3) displacements."""
        smooth = self._affine @ np.linalg.lstsq(self._affine, displacements, rcond=None)[0]
        rest, result = displacements - smooth, np.empty_like(displacements)
        ends, near = self._near.indptr, self._near.indices
        counts = np.diff(ends)
        for count in np.unique(counts):
            nodes = np.flatnonzero(counts == count)
            step = max(TOGETHER // (3 * int(count)), 1)
            for some in (nodes[first : first + step] for first in range(0, len(nodes), step)):
                result[some] = np.median(rest[near[ends[some, None] + np.arange(count)]], axis=1)
        return smooth + result
