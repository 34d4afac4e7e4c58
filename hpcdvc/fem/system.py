"""The equations of a global correlation: what the image says and what mechanics adds."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator

from hpcdvc.errors import RunError
from hpcdvc.fem.pattern import diagonal_blocks

#: A node is without texture where the least eigenvalue of its 3 x 3 block is below this part of the largest of all.
NO_TEXTURE = 1e-12


@dataclass(frozen=True, eq=False)
class System:
    """M_c + s M_reg.

    Attributes
    ----------
    points : (n, 3) nodes, ZYX, voxels
    matrix : (3n, 3n) M_c in blocks of 3 x 3, of `Pattern.matrix`
    regularisation : M_reg, a sparse matrix or a LinearOperator, or None
    scale : s
    """

    points: np.ndarray
    matrix: sparse.bsr_matrix
    regularisation: sparse.spmatrix | LinearOperator | None = None
    scale: float = 0.0

    @property
    def regularised(self) -> bool:
        """Whether M_reg is there and not zero."""
        if self.regularisation is None or self.scale == 0:
            return False
        surfaces = getattr(self.regularisation, "L", None)
        return getattr(self.regularisation, "weight", 1.0) > 0 or (
            surfaces is not None and surfaces.count_nonzero() > 0
        )

    def rhs_regularisation(self, u: np.ndarray) -> np.ndarray:
        """(3n,) what displacements (3n,) bring to the right-hand side, -s M_reg u."""
        return np.zeros(len(u)) if self.regularisation is None else -self.scale * (self.regularisation @ u)

    def assembled(self) -> sparse.spmatrix:
        """The whole matrix."""
        if self.regularisation is None:
            return self.matrix
        whole = self.regularisation
        return self.matrix + self.scale * (whole if sparse.issparse(whole) else whole.multiplied_out())


def check_finite(sums: np.ndarray) -> None:
    """Refuse sums over an image that are beyond the numbers that single precision holds.

    Raises
    ------
    RunError
        Some are not finite.
    """
    if not np.isfinite(sums).all():
        raise RunError("the sums over the image are not finite: it holds numbers that are too large")


def check_texture(system: System) -> None:
    """Refuse equations that the image cannot decide.

    Raises
    ------
    RunError
        There is no texture at all, or some nodes see none and are not held by a regularisation.
    """
    own = diagonal_blocks(system.matrix.tobsr((3, 3)))
    check_finite(own)
    least, _, largest = np.linalg.eigvalsh(own).T
    if not largest.max(initial=0.0) > 0:
        raise RunError("the image has no texture inside the mesh: there is nothing to correlate")
    blind = int((least <= NO_TEXTURE * largest.max()).sum())
    if blind and not system.regularised:
        raise RunError(
            f"the image has no texture, or only along some directions, around {blind} of {len(own)} nodes: "
            "the equations are singular without a mechanical regularisation; give one, or a coarser mesh"
        )
