"""Deformed images: grey values of im1 where a mapping says that the voxels of the deformed image come from."""

import numpy as np
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from hpcdvc.errors import UserError
from hpcdvc.mappings import MeshMap, NeighbourMap, PhiMap

__all__ = ["PLANES", "Deformation", "MeshMap", "NeighbourMap", "PhiMap", "apply_phi"]

PLANES = 16  # slabs of a multiple of these planes waste no work
ORDERS = (0, 1, 3, 5)


class Deformation:
    """An image deformed by a mapping, plane by plane.

    Parameters
    ----------
    image : (nz, ny, nx) array; 2-D images have nz = 1
    mapping : PhiMap, NeighbourMap or MeshMap
    order : of the interpolation: 0 (nearest voxel, copied), 1, 3 or 5
    mask2 : (nz, ny, nx) uint8 array in the deformed state; voxels with 0 are not computed
    """

    def __init__(self, image, mapping, order: int = 1, mask2=None):
        if order not in ORDERS:
            raise UserError(f"interpolation of order {order}: 0, 1, 3 and 5 are possible")
        if mask2 is not None and mask2.shape != image.shape:
            raise UserError(f"the mask has shape {mask2.shape}, the image {image.shape}")
        self.image, self.mapping, self.order, self.mask2 = image, mapping, order, mask2
        self.tables = mapping.tables(image.shape[0] == 1)

    def _sources(self, p):
        t = self.tables
        ratio = np.ones(len(p))
        if isinstance(self.mapping, PhiMap):
            return p @ t["affine"][:, :3].T + t["affine"][:, 3], ratio
        if isinstance(self.mapping, NeighbourMap):
            nodes = t["nodes"]
            n = min(t["neighbours"], len(nodes))
            d, i = cKDTree(nodes[:, :3]).query(p, n)
            d, i = d.reshape(len(p), n), i.reshape(len(p), n)
            w = 1 / (d + 1e-6)
            w /= w.sum(axis=1)[:, None]
            g = nodes[:, 6:].reshape(-1, 3, 3)
            s = p.copy()
            for k in range(n):
                j = i[:, k]
                s += w[:, k, None] * (np.einsum("nij,nj->ni", g[j], p - nodes[j, :3]) - nodes[j, 3:6])
            return s, ratio
        s = np.full(p.shape, np.nan)
        for k in np.flatnonzero(t["usable"])[::-1]:
            c = t["corners"][k]
            near = np.flatnonzero(((p >= c.min(0) - 1e-6) & (p <= c.max(0) + 1e-6)).all(axis=1))
            b = (p[near] - t["origin"][k]) @ t["inverse"][k].T
            near = near[(b >= -1e-9).all(1) & (b.sum(1) <= 1 + 1e-9)]
            s[near] = (p[near] - t["origin"][k]) @ t["affine"][k, :, :3].T + t["affine"][k, :, 3]
            ratio[near] = t["ratio"][k]
        return s, ratio

    def planes(self, first: int, last: int, dtype=None) -> tuple[np.ndarray, np.ndarray]:
        """Planes [first, last) of the deformed image.

        Parameters
        ----------
        first, last : planes of the deformed image
        dtype : None: that of the image, rounded and clipped; float32 or float64

        Returns
        -------
        values : (last - first, ny, nx) array
        inside : uint8 array of that shape, 0 where there is no source inside the image
        """
        dtype = np.dtype(dtype or self.image.dtype)
        shape = np.array(self.image.shape)
        values = np.zeros((last - first, *shape[1:]), dtype)
        inside = np.zeros(values.shape, np.uint8)
        for z in range(first, last):
            p = np.moveaxis(np.mgrid[z : z + 1, 0 : shape[1], 0 : shape[2]], 0, -1).reshape(-1, 3).astype(float)
            s, ratio = self._sources(p)
            ok = ((s >= -1e-6) & (s <= shape - 1 + 1e-6)).all(axis=1)
            if self.mask2 is not None:
                ok &= self.mask2[z].ravel() != 0
            s = np.clip(np.where(ok[:, None], s, 0), 0, shape - 1)
            if self.order == 0:
                v = self.image[tuple(np.floor(s + 0.5).astype(int).T)].astype(dtype)
            else:
                v = map_coordinates(self.image, s.T, np.float64, order=self.order, mode="nearest") / ratio
                if dtype.kind in "iu":
                    v = np.clip(np.rint(v), np.iinfo(dtype).min, np.iinfo(dtype).max)
            values[z - first] = np.where(ok, v, 0).reshape(shape[1:])
            inside[z - first] = ok.reshape(shape[1:])
        return values, inside


def apply_phi(im, phi=None, phi_centre=None, order: int = 1) -> np.ndarray:
    """Deform an image by one deformation function: out(x) = im(Phi^-1 x).

    Parameters
    ----------
    im : (nz, ny, nx) or (ny, nx) array
    phi : (4, 4) array, ZYX; None: identity
    phi_centre : (3,) array, ZYX, voxels; None: the middle of the image, (shape - 1) / 2
    order : of the interpolation: 0, 1, 3 or 5

    Returns
    -------
    array of the shape and type of `im`
    """
    volume = np.ascontiguousarray(im).reshape((1, *im.shape) if im.ndim == 2 else im.shape)
    centre = (np.array(volume.shape) - 1) / 2 if phi_centre is None else phi_centre
    return (
        Deformation(volume, PhiMap(np.eye(4) if phi is None else phi, centre), order)
        .planes(0, len(volume))[0]
        .reshape(im.shape)
    )
