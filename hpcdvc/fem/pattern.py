"""Matrices of a mesh from the numbers of its elements: which nodes are neighbours is found once."""

import numpy as np
from scipy import sparse

#: Row and column, of the 12 x 12 of an element, of the 78 numbers that stand for it: 3 times the corner plus the axis.
UPPER = np.triu_indices(12)
#: The other way round: which of the 78 numbers stands at a row and a column.
PLACE = np.empty((12, 12), np.int64)
PLACE[UPPER] = PLACE[UPPER[::-1]] = np.arange(78)
#: Pairs of corners, the first not after the second.
PAIRS = tuple((a, b) for a in range(4) for b in range(a, 4))


def at_nodes(connectivity: np.ndarray, values: np.ndarray, nodes: int) -> np.ndarray:
    """(n,) sums over the elements (or faces) around each node of their (k,) values."""
    return np.bincount(connectivity.ravel(), np.repeat(values, connectivity.shape[1]), nodes)


def dofs_of(connectivity: np.ndarray) -> np.ndarray:
    """(k, 12) degrees of freedom of elements (k, 4): 3 node + axis."""
    return (3 * connectivity[:, :, None] + np.arange(3)).reshape(-1, 12)


def diagonal_blocks(matrix: sparse.bsr_matrix) -> np.ndarray:
    """(n, b, b) blocks on the diagonal of a square matrix; 0 where there is none."""
    count = len(matrix.indptr) - 1
    on_diagonal = matrix.indices == np.repeat(np.arange(count), np.diff(matrix.indptr))
    blocks = np.zeros((count, *matrix.blocksize))
    blocks[matrix.indices[on_diagonal]] = matrix.data[on_diagonal]
    return blocks


class Pattern:
    """Blocks of 3 x 3 numbers, one for each pair of nodes that have an element in common.

    Parameters
    ----------
    connectivity : (k, 4) int64 array
    count : nodes
    """

    def __init__(self, connectivity: np.ndarray, count: int):
        self.count = count
        keys, swapped = [], []
        for a, b in PAIRS:
            one, other = connectivity[:, a], connectivity[:, b]
            keys.append(np.minimum(one, other) * count + np.maximum(one, other))
            swapped.append(one > other)
        self._swapped = swapped
        blocks, numbers = np.unique(np.concatenate(keys), return_inverse=True)
        self._numbers = numbers.astype(np.int32).reshape(len(PAIRS), -1)  # of the block that a pair adds to
        low, high = np.divmod(blocks, count)
        beside = np.flatnonzero(low != high)
        rows, columns = np.concatenate([low, high[beside]]), np.concatenate([high, low[beside]])
        order = np.lexsort((columns, rows))
        sources = np.concatenate([np.arange(len(blocks)), beside])[order]
        self._sources, self._turned = sources, order >= len(blocks)
        self._columns = columns[order].astype(np.int32)
        self._starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=count))]).astype(np.int32)

    def matrix(self, sums: np.ndarray) -> sparse.bsr_matrix:
        """Sum of the matrices of the elements, in their order; symmetric to the last bit.

        Parameters
        ----------
        sums : (k, 78) float64 array, the upper triangles of symmetric 12 x 12 matrices, row by row: `UPPER`

        Returns
        -------
        (3n, 3n) matrix, index 3 node + axis
        """
        blocks = np.zeros((self._numbers.max() + 1, 3, 3))
        for (a, b), numbers, swapped in zip(PAIRS, self._numbers, self._swapped, strict=True):
            for i in range(3):
                for j in range(3):
                    straight, turned = PLACE[3 * a + i, 3 * b + j], PLACE[3 * a + j, 3 * b + i]
                    values = np.where(swapped, sums[:, turned], sums[:, straight])
                    blocks[:, i, j] += np.bincount(numbers, values, len(blocks))
        data = blocks[self._sources]
        data[self._turned] = data[self._turned].transpose(0, 2, 1)
        return sparse.bsr_matrix((data, self._columns, self._starts), (3 * self.count,) * 2)
