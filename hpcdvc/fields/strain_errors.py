"""Standard deviations of components of strain, from the covariance of F.

A small change of F = R U is seen from the principal axes N of U with stretches l: G = N^T R^T dF N = W L + S, where
S_ij = (l_i G_ij + l_j G_ji) / (l_i + l_j) is the change of the stretch and W_ij = (G_ij - G_ji) / (l_i + l_j) that of
the rotation. Nothing here divides by a difference of stretches. The why is in docs/theory/strain.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hpcdvc.fields.phi import axial_vector
from hpcdvc.fields.strain import check_names, decompose_f, deviator, principal, six

#: Components without a standard deviation: those of directions grow beyond all bounds where two stretches are alike.
WITHOUT = ("Ud1", "Ud2", "Ud3")
#: Stretches that are as alike as this have one logarithm and its slope.
ALIKE = 1e-6


def strain_deviations(
    f: np.ndarray, covariance: np.ndarray, names: Sequence[str], two_d: bool = False
) -> dict[str, np.ndarray]:
    """Standard deviations of components of strain.

    Parameters
    ----------
    f : (n, 3, 3) array, ZYX
    covariance : (n, 3, 3, 3) array, [i, k, l] of F_ik and F_il; rows of F are taken as independent
    names : of `hpcdvc.fields.strain.COMPONENTS`; of directions there are none
    two_d : in-plane motion

    Returns
    -------
    dict of arrays like those of `strain_components`, NaN where F or its covariance is not finite

    Raises
    ------
    UserError : an unknown name
    """
    check_names(names)
    f, covariance = np.array(f, float), np.array(covariance, float)
    if two_d:
        f[:, 0, :] = f[:, :, 0] = (1, 0, 0)
        covariance[:, 0] = covariance[:, :, 0] = covariance[:, :, :, 0] = 0
    change = _Change(f, _roots(covariance), two_d)
    none = np.isnan(change.parts.vol)
    found = {name: np.sqrt(_VARIANCES[name](change)) for name in names if name not in WITHOUT}
    for deviations in found.values():
        deviations[none] = np.nan
    return found


@dataclass(frozen=True, eq=False)
class _Change:
    """Nine independent changes of F of one standard deviation each, and what they do.

    Attributes
    ----------
    f : (n, 3, 3) array
    roots : (n, 3, 3, 3) array, [i, a] is change a of row i of F
    two_d : in-plane motion
    """

    f: np.ndarray
    roots: np.ndarray
    two_d: bool

    @property
    def dimensions(self) -> int:
        return 2 if self.two_d else 3

    @cached_property
    def parts(self):
        return decompose_f(self.f, self.two_d)

    @cached_property
    def of_f(self) -> np.ndarray:
        """(n, 9, 3, 3): the changes themselves."""
        found = np.zeros((len(self.f), 3, 3, 3, 3))
        for i in range(3):
            found[:, i, :, i] = self.roots[:, i]
        return found.reshape(-1, 9, 3, 3)

    @cached_property
    def of_e(self) -> np.ndarray:
        return 0.5 * (self.of_f + np.swapaxes(self.of_f, 2, 3))

    @cached_property
    def axes(self) -> tuple[np.ndarray, np.ndarray]:
        """Principal stretches (n, 3) and their directions (n, 3, 3)."""
        return principal(self.parts.U, self.two_d)

    @cached_property
    def seen(self) -> np.ndarray:
        """(n, 9, 3, 3): G of the module."""
        stretches, axes = self.axes
        turned = np.swapaxes(self.f @ (axes / stretches[:, None]), 1, 2)  # N^T R^T
        rows = self.roots @ axes[:, None]
        return (turned.transpose(0, 2, 1)[:, :, None, :, None] * rows[:, :, :, None, :]).reshape(-1, 9, 3, 3)

    @cached_property
    def stretch(self) -> np.ndarray:
        """(n, 9, 3, 3): S of the module."""
        weights = self.axes[0][:, None, :, None] * self.seen
        return (weights + np.swapaxes(weights, 2, 3)) / self._sums

    @cached_property
    def turn(self) -> np.ndarray:
        """(n, 9, 3, 3): W of the module."""
        return (self.seen - np.swapaxes(self.seen, 2, 3)) / self._sums

    @property
    def _sums(self) -> np.ndarray:
        stretches = self.axes[0]
        return (stretches[:, :, None] + stretches[:, None])[:, None]

    @cached_property
    def volume(self) -> np.ndarray:
        """(n, 9): of ln det F."""
        return (np.diagonal(self.seen, axis1=2, axis2=3) / self.axes[0][:, None]).sum(axis=2)

    @cached_property
    def hencky(self) -> np.ndarray:
        """(n, 9, 3, 3): of ln U, seen from the principal axes."""
        a, b = self.axes[0][:, :, None], self.axes[0][:, None]
        alike = np.abs(a - b) < ALIKE * (a + b)
        slopes = np.where(alike, 2 / (a + b), np.log(a / b) / np.where(alike, 1, a - b))
        return self.stretch * slopes[:, None]

    def out(self, tensors: np.ndarray) -> np.ndarray:
        """From the principal axes to those of the image."""
        axes = self.axes[1][:, None]
        return axes @ tensors @ np.swapaxes(axes, 2, 3)


def _roots(covariance: np.ndarray) -> np.ndarray:
    """[..., a, k]: rows a whose products add up to the covariance, by Cholesky; a zero on its way has no row."""
    root = np.zeros_like(covariance)
    for a in range(3):
        left = covariance[..., a, :] - sum(root[..., b, a, None] * root[..., b, :] for b in range(a))
        pivot = left[..., a, None]
        with np.errstate(invalid="ignore", divide="ignore"):
            root[..., a, :] = np.where(pivot > 0, left / np.sqrt(pivot), 0)
        root[..., a, :a] = 0
    root[~np.isfinite(covariance).all(axis=(-2, -1))] = np.nan
    return root


def _sum(changes: np.ndarray) -> np.ndarray:
    return (changes**2).sum(axis=1)


def _norm(tensors: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Variance of the norm of tensors (n, d, d) that change by (n, 9, d, d).

    Where the norm is large against its noise it is that of the change along the tensor, and near zero that of the
    length of a random tensor: var |A|^2 / 4 |A|^2, with var |A|^2 = 4 A^T C A + 2 tr C^2 for the true A.
    """
    count = len(tensors)
    tensors, changes = tensors.reshape(count, -1), changes.reshape(count, changes.shape[1], -1)
    along = ((changes * tensors[:, None]).sum(axis=2) ** 2).sum(axis=1)
    total, squares = (changes**2).sum(axis=(1, 2)), ((changes @ np.swapaxes(changes, 1, 2)) ** 2).sum(axis=(1, 2))
    length = np.maximum((tensors**2).sum(axis=1), total)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (np.maximum(along - squares, 0) + 0.5 * squares) / length
    return np.where(total == 0, 0.0, variance)


def _rotation(change: _Change) -> np.ndarray:
    """Of the rotation vector r: dR = R Omega moves it by the inverse of the right Jacobian of SO(3)."""
    omega = axial_vector(change.out(change.turn))
    r = np.deg2rad(change.parts.r)[:, None]
    angle = np.linalg.norm(r, axis=2, keepdims=True)
    half = np.maximum(angle / 2, 1e-4)
    factor = (1 - half / np.tan(half)) / (4 * half**2)
    across = np.cross(r, omega)
    return _sum(np.rad2deg(omega + 0.5 * across + factor * np.cross(r, across)))


def _dev(change: _Change) -> np.ndarray:
    n = change.dimensions
    stretches, inner = change.axes[0], slice(3 - n, 3)
    scale = (stretches[:, inner].prod(axis=1) ** (-1 / n))[:, None, None]
    diagonal = stretches[:, None] * np.eye(3)
    changes = change.stretch - change.volume[..., None, None] / n * diagonal[:, None]
    shape = (scale * diagonal - np.eye(3))[:, inner, inner]
    return _norm(shape, scale[:, None] * changes[..., inner, inner])


def _eq(change: _Change) -> np.ndarray:
    hencky = np.log(change.axes[0])[:, None] * np.eye(3)
    return 2 / 3 * _norm(deviator(hencky, 3), deviator(change.hencky, 3))


def _ep(change: _Change) -> np.ndarray:
    axes = principal(change.parts.e, change.two_d)[1][:, None]
    return _sum(np.diagonal(np.swapaxes(axes, 2, 3) @ change.of_e @ axes, axis1=2, axis2=3))


def _tensor(changes: np.ndarray) -> np.ndarray:
    return six((changes**2).sum(axis=1))


#: Name -> variances.
_VARIANCES: dict[str, Callable[[_Change], np.ndarray]] = {
    "vol": lambda c: _sum(c.volume) * (c.parts.vol + 1) ** 2,
    "dev": _dev,
    "volss": lambda c: _sum(np.trace(c.of_e, axis1=2, axis2=3)),
    "devss": lambda c: _norm(deviator(c.parts.e, c.dimensions), deviator(c.of_e, c.dimensions)),
    "r": _rotation,
    "z": lambda c: _sum(np.diagonal(c.out(c.stretch), axis1=2, axis2=3)),
    "U": lambda c: _tensor(c.out(c.stretch)),
    "e": lambda c: _tensor(c.of_e),
    "Up": lambda c: _sum(np.diagonal(c.stretch, axis1=2, axis2=3)),
    "GL": lambda c: _tensor(0.5 * (m := np.swapaxes(c.f, 1, 2)[:, None] @ c.of_f) + 0.5 * np.swapaxes(m, 2, 3)),
    "H": lambda c: _tensor(c.out(c.hencky)),
    "ep": _ep,
    "eq": _eq,
    "eqss": lambda c: 2 / 3 * _norm(deviator(c.parts.e, 3), deviator(c.of_e, 3)),
}
