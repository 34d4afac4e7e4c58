"""Scans of the tests of tomography."""

from pathlib import Path

import numpy as np

from hpcdvc.tomography.geometry import Geometry


def turned(inner, outer, volume, view) -> Geometry:
    """Views turned about -z by `inner`, then tilted about x by `outer` (radian): R = R_outer R_inner, v = R'v_0."""
    matrices = np.stack([_about_x(b) @ _about_z(-a) for a, b in zip(inner, outer, strict=True)])
    return of_matrices(matrices, volume, view, inner, outer)


def of_matrices(matrices, volume, view, inner=np.nan, outer=np.nan) -> Geometry:
    """Views of the beam y, pixels j along x and k along z, turned by rotation matrices."""
    p, u, w = (np.einsum("nji,j->ni", matrices, v) for v in np.eye(3)[[1, 0, 2]])
    inner, outer = (np.broadcast_to(np.asarray(a, float), len(matrices)) for a in (inner, outer))
    return Geometry(p, u, w, tuple(view), tuple(volume), inner, outer)


def peer_pieces(shared: Path):
    """Geometry, offsets, volume x, views y and the peer's results of the case of its projector."""
    folder = shared / "oracle/seeds234/mumott_pieces"
    out = {path.stem[4:]: np.load(path) for path in folder.glob("out_*.npy")}
    x, y = out["x"], out["y"]
    scan = of_matrices(out["rotations"], x.shape, y.shape[1:])
    return scan, (out["j_offsets"], out["k_offsets"]), x, y, out


def _about_x(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_z(angle: float) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
