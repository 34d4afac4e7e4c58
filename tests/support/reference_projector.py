"""Slow twin of the compiled projector in float64, and the peer's, which takes voxel 1 where the edge wants voxel 0."""

import numpy as np


def _corner(q, size: int, peer_edge: bool):
    """(index, weight, counts) of both neighbours of places along an axis."""
    low = np.floor(q).astype(int)
    fraction = q - low
    for index, weight in ((low, 1 - fraction), (low + 1, fraction)):
        counts = (index >= 0) & (index < size)
        place = np.where(peer_edge & (low == -1) & (index == 0), min(1, size - 1), index)
        yield np.clip(place, 0, size - 1), np.where(counts, weight, 0.0)


def forward(volume, geometry, j_offsets, k_offsets, peer_edge: bool = False):
    """(n, J, K) line integrals."""
    (height, width), size = geometry.shape, volume.shape
    views = np.zeros((len(geometry.p), height, width))
    for view, p, u, w, o_j, o_k in zip(views, geometry.p, geometry.u, geometry.w, j_offsets, k_offsets, strict=True):
        a = int(np.abs(p).argmax())
        b, c = (axis for axis in range(3) if axis != a)
        at_j = (np.arange(height) + 0.5 - height / 2 + o_j)[:, None, None]
        at_k = (np.arange(width) + 0.5 - width / 2 + o_k)[None, :, None]
        place = at_j * u + at_k * w
        slices = np.moveaxis(volume, a, 0)
        for i, grey in enumerate(slices):
            depth = i - (size[a] - 1) / 2 - place[..., a]
            q_b, q_c = (p[d] / p[a] * depth + place[..., d] + (size[d] - 1) / 2 for d in (b, c))
            for i_b, w_b in _corner(q_b, size[b], peer_edge):
                for i_c, w_c in _corner(q_c, size[c], peer_edge):
                    view += w_b * w_c * grey[i_b, i_c]
        view *= np.sqrt(1 + (p[b] / p[a]) ** 2 + (p[c] / p[a]) ** 2)
    return views


def interpolated(views, geometry, j_offsets, k_offsets, peer_edge: bool = False):
    """(X, Y, Z) sums of the views where voxels fall on them: the peer's adjoint, which is not the transpose."""
    (height, width), size = geometry.shape, geometry.volume
    grids = np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in size), indexing="ij")
    volume = np.zeros(size)
    for view, u, w, o_j, o_k in zip(views, geometry.u, geometry.w, j_offsets, k_offsets, strict=True):
        f_j = sum(g * d for g, d in zip(grids, u, strict=True)) + height / 2 - o_j - 0.5
        f_k = sum(g * d for g, d in zip(grids, w, strict=True)) + width / 2 - o_k - 0.5
        for i_j, w_j in _corner(f_j, height, peer_edge):
            for i_k, w_k in _corner(f_k, width, peer_edge):
                volume += w_j * w_k * view[i_j, i_k]
    return volume
