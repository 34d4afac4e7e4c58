"""The equations of a global correlation: what the image says and what mechanics adds."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator


@dataclass(frozen=True, eq=False)
class System:
    """M_c + s M_reg.

    Attributes
    ----------
    points : (n, 3) nodes, ZYX, voxels
    matrix : (3n, 3n) M_c in blocks of 3 x 3
    regularisation : M_reg, a sparse matrix or a LinearOperator, or None
    scale : s
    """

    points: np.ndarray
    matrix: sparse.bsr_matrix
    regularisation: sparse.spmatrix | LinearOperator | None = None
    scale: float = 0.0

    def product(self, x: np.ndarray) -> np.ndarray:
        """(3n,) of the whole system with (3n,) displacements."""
        return self.matrix @ x - self.rhs_regularisation(x)

    def rhs_regularisation(self, u: np.ndarray) -> np.ndarray:
        """(3n,) what displacements (3n,) bring to the right-hand side, -s M_reg u."""
        return np.zeros(len(u)) if self.regularisation is None else -self.scale * (self.regularisation @ u)
