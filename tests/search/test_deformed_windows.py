"""Windows that F deforms against a slow twin: grey values, what counts, and why a window is not used."""

from itertools import product

import numpy as np
import pytest
from hpcdvc.kernels.search import take_windows
from scipy import ndimage
from synthetic import rotation
from textures import lattice_texture

from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume
from hpcdvc.search.pixels import search_points
from hpcdvc.search.settings import SearchSettings

SHAPE, HALF = (22, 24, 26), np.array([4, 3, 5])
TURNED = rotation(25.0, np.zeros(3)).F @ np.diag([1.1, 0.95, 1.0])
QUARTER = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]) + 1e-12  # whole voxels but for rounding
NODES = np.array([[11.0, 12, 13], [3, 12, 13], [20, 22, 24], [0, 0, 0]])


def image():
    points = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1).astype(float)
    values = (lattice_texture(3, spacing=2.0, dimensions=3)(points) * 3000 + 20000).astype("f4")
    values[9, 13, 12], values[4, 4, 4] = np.nan, np.inf
    return values


def masked(rng):
    mask = (ndimage.gaussian_filter(rng.normal(size=SHAPE), 2) > -0.03).astype("u1")
    mask[:, :, 24:] = 0
    return mask


def particles():
    """Two that touch, one of them at the border of the image."""
    z, y, x = np.indices(SHAPE)
    labels = np.where((z - 11) ** 2 + (y - 12) ** 2 + (x - 13) ** 2 <= 16, 5, 0)
    labels[2:7, 8:16, 9:17], labels[18:, 19:, 20:] = 6, 6
    return labels.astype("i4")


def particle(labels, label, dilate):
    """The voxels of a particle, by its places, beside the image, too: (places, True or False)."""
    pad = 12
    wide = np.pad(labels, pad)
    ball = ndimage.distance_transform_edt(np.pad(np.zeros((1, 1, 1)), abs(dilate), constant_values=1)) <= abs(dilate)
    here = wide == label
    if dilate:
        here = (ndimage.binary_dilation if dilate > 0 else ndimage.binary_erosion)(here, ball)
    return here & ((wide == label) | (wide == 0)), pad


def value(grey, at):
    """Between voxels; NaN where one that is needed is not there."""
    low, total = np.floor(at).astype(int), 0.0
    for step in product((0, 1), repeat=3):
        weight = np.prod(np.where(step, at - low, 1 - (at - low)))
        place = low + step
        if weight > 0:
            inside = (place >= 0).all() and (place < SHAPE).all()
            total += weight * float(grey[tuple(place)]) if inside else np.nan
    return total if np.isfinite(total) else np.nan


def twin(grey, mask, own, node, F):
    """Grey values, NaN where a voxel does not count; voxels of the window; those that the mask leaves out."""
    values, whole, left_out = np.full(2 * HALF + 1, np.nan), 0, 0
    for k in np.ndindex(*values.shape):
        at = node + np.linalg.inv(F) @ (np.array(k) - HALF)
        at = np.where(np.abs(at - np.rint(at)) < 1e-9, np.rint(at), at)
        near = np.rint(at).astype(int)
        if own is not None and not own[0][tuple(near + own[1])]:
            continue
        whole += 1
        if (near < 0).any() or (near >= SHAPE).any():
            continue
        if mask is not None and not mask[tuple(near)]:
            left_out += 1
            continue
        values[k] = value(grey, at)
    return values, whole, left_out


def status_of(values, whole, left_out, least):
    count = np.isfinite(values).sum()
    if whole == 0 or whole - left_out < least * whole or whole == left_out:
        return -5
    return -6 if count < max(least * whole, 3) else 0


@pytest.mark.parametrize("F", [TURNED, QUARTER], ids=["turned", "quarter"])
@pytest.mark.parametrize("with_mask", [False, True])
@pytest.mark.parametrize("dilate", [None, 0, 2, -1])
def test_against_the_twin(F, with_mask, dilate):
    grey, mask = image(), masked(np.random.default_rng(2)) if with_mask else None
    labels, label = (None, 0) if dilate is None else (particles(), 6)
    own = None if labels is None else particle(labels, label, dilate)
    settings = SearchSettings(min_valid=0.4, dilate=dilate or 0)
    for node in NODES:
        phi = np.concatenate([F, np.zeros((3, 1))], axis=1)[None]
        points = search_points(node[None], phi, tuple(HALF), (0, 0) * 3)
        points["label"] = label
        a, ok = (np.empty((1, *(2 * HALF + 1)), np.float32) for _ in range(2))
        windows = np.zeros(1, dtype("search_window"))
        volume = None if labels is None else Volume(labels)
        take_windows(Volume(grey, mask), volume, settings.record(), points, a, ok, windows)
        values, whole, left_out = twin(grey, mask, own, node, F)
        (window,) = windows
        assert np.array_equal(ok[0] > 0, np.isfinite(values)) and window["whole"] == whole
        assert window["count"] == np.isfinite(values).sum()
        assert window["status"] == status_of(values, whole, left_out, 0.4)
        read = np.where(ok[0] > 0, a[0] / window["scale"] + window["offset"], np.nan)
        assert np.allclose(read, values, rtol=1e-6, atol=0.01, equal_nan=True)
