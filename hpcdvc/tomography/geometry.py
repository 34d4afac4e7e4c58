"""Where views of a tomographic scan look from: directions in the frame of the volume, sizes, angles."""

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True, eq=False)
class Goniometer:
    """How a sample is turned: R = R_outer R_inner, and what looks along v in the volume before looks along R' v after.

    Attributes
    ----------
    p, u, w : (3,) float64
        Directions of the beam, of pixels j and of pixels k in the frame x, y, z of the volume while both angles are 0.
    inner_axis, outer_axis : (3,) or (n, 3) float64
        Unit vectors, of all views or of each.
    """

    p: np.ndarray = field(default_factory=lambda: np.array([0.0, 1, 0]))
    u: np.ndarray = field(default_factory=lambda: np.array([1.0, 0, 0]))
    w: np.ndarray = field(default_factory=lambda: np.array([0.0, 0, 1]))
    inner_axis: np.ndarray = field(default_factory=lambda: np.array([0.0, 0, -1]))
    outer_axis: np.ndarray = field(default_factory=lambda: np.array([1.0, 0, 0]))

    def rotations(self, inner: np.ndarray, outer: np.ndarray) -> np.ndarray:
        """(n, 3, 3) rotation matrices of angles (n,) in radian."""
        return _about(self.outer_axis, outer) @ _about(self.inner_axis, inner)


@dataclass(frozen=True, eq=False)
class Geometry:
    """Views of a scan with parallel beams.

    Pixel (j, k) of a view looks along p at (j + 0.5 - J/2 + j_offset) u + (k + 0.5 - K/2 + k_offset) w, in voxels from
    the centre of the volume.

    Parameters
    ----------
    p, u, w : (n, 3) float64
        Of each view, in the frame x, y, z of the volume: direction of the beam, of pixels j, of pixels k; orthonormal.
    shape : (J, K) pixels of a view
    volume : (X, Y, Z) voxels
    inner, outer : (n,) float64
        Angles about the inner and the outer axis, radian; NaN where only directions are known.
    goniometer : what the angles mean
    """

    p: np.ndarray
    u: np.ndarray
    w: np.ndarray
    shape: tuple[int, int]
    volume: tuple[int, int, int]
    inner: np.ndarray
    outer: np.ndarray
    goniometer: Goniometer = field(default_factory=Goniometer)

    @property
    def views(self) -> int:
        """How many there are."""
        return len(self.p)

    @property
    def single_axis(self) -> bool:
        """Whether all views turn about z, so that each plane z of the volume has rows of its own in all views."""
        return bool((np.abs(self.w - self.w[0]) < 1e-12).all() and abs(abs(self.w[0, 2]) - 1) < 1e-12)

    @property
    def rotations(self) -> np.ndarray:
        """(n, 3, 3) rotation matrices R: p is R' times that of the goniometer."""
        start = np.stack([self.goniometer.p, self.goniometer.u, self.goniometer.w], axis=1)
        return start @ np.stack([self.p, self.u, self.w], axis=1)

    @property
    def turns(self) -> np.ndarray | None:
        """(n,) radian of which `of_angles` makes the same views; None where views are tilted or reversed."""
        for angles in (self.inner, np.arctan2(self.u[:, 1], self.u[:, 0])):
            same = Geometry.of_angles(angles, None, self.shape)
            if np.allclose(same.u, self.u, atol=1e-6) and np.allclose(same.w, self.w, atol=1e-6):
                return angles
        return None

    @classmethod
    def of_rotations(
        cls,
        rotations: np.ndarray,
        shape: tuple[int, int],
        volume: tuple[int, int, int] | None = None,
        inner: np.ndarray | None = None,
        outer: np.ndarray | None = None,
        goniometer: Goniometer | None = None,
    ) -> "Geometry":
        """From rotation matrices (n, 3, 3), and the angles where they are known; the volume is (J, J, K) by default."""
        goniometer = goniometer or Goniometer()
        unknown = np.full(len(rotations), np.nan)
        p, u, w = (np.einsum("nij,i->nj", rotations, v) for v in (goniometer.p, goniometer.u, goniometer.w))
        return cls(
            *(p, u, w, shape, volume or (shape[0], *shape)),
            unknown if inner is None else inner,
            unknown if outer is None else outer,
            goniometer,
        )

    @classmethod
    def of_angles(
        cls,
        inner: np.ndarray,
        outer: np.ndarray | None,
        shape: tuple[int, int],
        volume: tuple[int, int, int] | None = None,
        goniometer: Goniometer | None = None,
    ) -> "Geometry":
        """From angles (n,) in radian about the inner and the outer axis; None: not tilted."""
        goniometer, outer = goniometer or Goniometer(), np.zeros(len(inner)) if outer is None else outer
        return cls.of_rotations(goniometer.rotations(inner, outer), shape, volume, inner, outer, goniometer)


def _about(axis: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """(n, 3, 3) rotations by angles (n,) about a unit vector (3,) or one for each (n, 3): Rodrigues' formula."""
    x, y, z = np.broadcast_to(axis, (len(angles), 3)).T
    zero = np.zeros(len(angles))
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    sine, cosine = np.sin(angles)[:, None, None], np.cos(angles)[:, None, None]
    return np.eye(3) + sine * cross + (1 - cosine) * (cross @ cross)


def is_rotation(matrix: np.ndarray) -> bool:
    """Whether a matrix (3, 3) turns, as exactly as float32 says it."""
    finite = matrix.shape == (3, 3) and bool(np.isfinite(matrix).all())
    return finite and np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-5) and float(np.linalg.det(matrix)) > 0
