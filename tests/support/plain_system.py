"""Equations of a global correlation on a box whose elements hold random voxels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import hpcdvc
from hpcdvc import regularisation_matrix, surface_labels
from hpcdvc.fem.pattern import UPPER, Pattern
from hpcdvc.fem.quality import corner_determinants
from hpcdvc.fem.system import System

FACES = ("z_start", "z_end", "y_start", "y_end", "x_start", "x_end")
#: name -> surfaces, degrees of freedom
DIRICHLET = {
    "free": ((), []),
    "ends": (("z_start", "z_end"), [0, 1, 2]),
    "ends along z": (("z_start", "z_end"), [0]),
    "all": (FACES, [0, 1, 2]),
}


@dataclass(frozen=True)
class PlainBox:
    """A cube of `cells` elements along an edge, and what its voxels say.

    Attributes
    ----------
    points, connectivity : the mesh
    voxels : (k, v, 12) N_a g_i of each voxel, index 3 a + i
    sums : (k, 78) of their products
    """

    points: np.ndarray
    connectivity: np.ndarray
    voxels: np.ndarray
    sums: np.ndarray

    @classmethod
    def of(cls, cells: int, voxels: int = 20, gradient: Callable | None = None) -> "PlainBox":
        """`gradient`: of the grey values at positions (k, v, 3) relative to the centre; random ones without."""
        rng = np.random.default_rng(26)
        points, connectivity = hpcdvc.create_cuboid((10.0 * cells,) * 3, 10.0)
        shape = rng.dirichlet(np.ones(4), (len(connectivity), voxels))
        gradients = rng.normal(size=(len(connectivity), voxels, 3))
        if gradient is not None:
            gradients = gradient(np.einsum("kva,kai->kvi", shape, points[connectivity]) - 5.0 * cells)
        gradients = gradients * np.sqrt(corner_determinants(points, connectivity) / 6 / voxels)[:, None, None]
        found = (shape[..., None] * gradients[..., None, :]).reshape(len(connectivity), voxels, 12)
        sums = np.einsum("kvi,kvj->kij", found, found)[:, UPPER[0], UPPER[1]]
        return cls(points, connectivity, found, sums)

    def system(self, sides: float | None, case: str = "free", surface_sides: float | None = None) -> System:
        """Equations with a regularisation length of so many sides of the box, or without regularisation."""
        matrix = Pattern(self.connectivity, len(self.points)).matrix(self.sums)
        if sides is None:
            return System(self.points, matrix)
        side, (surfaces, dofs) = np.ptp(self.points), DIRICHLET[case]
        xi = (sides if surface_sides is None else surface_sides) * side
        dirichlet = [(label, dofs, xi) for label in range(1, len(surfaces) + 1)]
        labels = surface_labels(self.points, list(surfaces))
        more = {"dirichlet": dirichlet, "labels": labels}
        regularisation, field = regularisation_matrix(self.points, self.connectivity, xi_bulk=sides * side, **more)
        return System(self.points, matrix, regularisation, float(field.ravel() @ (matrix @ field.ravel())))

    def right_hand_side(self, values: np.ndarray) -> np.ndarray:
        """(3n,) sums of N_a g_i times values (k, v) of the voxels."""
        dofs = (3 * self.connectivity[:, :, None] + np.arange(3)).ravel()
        return np.bincount(dofs, np.einsum("kvi,kv->ki", self.voxels, values).ravel(), self.points.size)
