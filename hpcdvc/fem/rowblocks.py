"""Vectors and sparse matrices whose rows the ranks of one node deal out among themselves.

A rank holds its own rows of every vector. What it computes does not depend on how many ranks there are, to the last
bit: a row of a product is summed up in the order of its columns, an inner product in blocks of rows that are always the
same.
"""

import numpy as np
from scipy import sparse

from hpcdvc.ranks.team import Team

#: Nodes whose numbers are summed up together in an inner product; every rank owns whole such blocks.
SUMMED = 256


class Rows:
    """Which rows of vectors belong to this rank, and how the others get to see them. Collective over the team.

    Parameters
    ----------
    team : ranks of one node
    count : nodes (or aggregates) of all ranks
    block : numbers of each
    alone : every rank has all rows, and works on them alone

    Attributes
    ----------
    own : slice of the rows of this rank
    count, block : see above
    """

    def __init__(self, team: Team, count: int, block: int, alone: bool = False):
        self.count, self.block, self.alone = count, block, alone
        self._team = team
        if alone:
            self.own = slice(0, count * block)
            return
        first, last = (min(edge * SUMMED, count) for edge in team.spans(-(-count // SUMMED)))
        self.own = slice(first * block, last * block)
        # two, so that one wait a product is enough: nobody writes to one that somebody still reads
        self._shared = [team.shared_array(count * block, np.float64) for _ in range(2)]

    def whole(self, own: np.ndarray) -> np.ndarray:
        """All rows of a vector, from those of each rank; valid until the next but one call. Collective."""
        if self.alone:
            return own
        self._shared.reverse()
        self._shared[0][self.own] = own
        self._team.barrier()
        return self._shared[0]

    def dot(self, a: np.ndarray, b: np.ndarray) -> float:
        """Inner product of two vectors, the same on every rank. Collective."""
        products = a * b
        starts = np.arange(0, len(products), SUMMED * self.block)
        parts = np.add.reduceat(products, starts) if len(starts) else np.empty(0)
        return float(np.concatenate([parts] if self.alone else self._team.all_gather(parts)).sum())


class SharedMatrix:
    """Rows of a sparse matrix that belong to this rank. Collective over the team.

    Parameters
    ----------
    team : ranks of one node
    matrix : CSR, or BSR whose blocks have as many rows as those of `rows`; on rank 0
    rows, columns : of its products and of the vectors it is multiplied by
    """

    def __init__(self, team: Team, matrix: sparse.spmatrix | None, rows: Rows, columns: Rows):
        data, indices, indptr = team.agree(lambda: (matrix.data, matrix.indices, matrix.indptr))
        height = data.shape[1] if data.ndim == 3 else 1
        first, last = rows.own.start // height, rows.own.stop // height
        numbers = slice(indptr[first], indptr[last])
        kind = sparse.bsr_matrix if data.ndim == 3 else sparse.csr_matrix
        parts = data[numbers], indices[numbers], indptr[first : last + 1] - indptr[first]
        self._own = kind(parts, shape=(rows.own.stop - rows.own.start, columns.count * columns.block))
        self._columns = columns

    def __call__(self, own: np.ndarray) -> np.ndarray:
        """Own rows of the product, from the own rows of a vector. Collective, unless its columns are `alone`."""
        whole = self._columns.whole(own)
        return self._own @ whole
