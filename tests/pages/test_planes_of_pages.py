"""Planes as pages get them."""

import io
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import ndimage

from hpcdvc.deformation.mappings import PhiMap
from hpcdvc.fields.grid import Grid
from hpcdvc.pages import planes
from hpcdvc.pages.levels import Level

STRAIGHT = np.array([[6.0, 0, 0], [0, 1, 0], [0, 0, 1]])
VOLUME = np.random.default_rng(4).integers(0, 200, (14, 19, 23)).astype("u1")
WHOLE = Level(VOLUME, np.ones(3), np.zeros(3))
PHI = np.array([[1.02, 0.05, 0, 1.5], [-0.04, 0.99, 0.03, -2], [0, 0.02, 1.01, 0.7], [0, 0, 0, 1]])


def test_through_phi_is_what_deformed_images_are_made_by():
    centre = (np.array(VOLUME.shape) - 1) / 2
    moved = planes.through_phi(STRAIGHT, PHI, centre)
    affine = PhiMap(PHI, centre).for_image(VOLUME.shape)(0, 1).record["affine"].reshape(3, 4)
    pixel = np.array([6.0, 4, 7])
    np.testing.assert_allclose(moved[0] + 4 * moved[1] + 7 * moved[2], affine @ [*pixel, 1], rtol=1e-12)


def test_cut_of_a_level_lies_where_that_of_the_volume_does():
    smooth = ndimage.zoom(np.random.default_rng(1).normal(size=(3, 3, 3)), 8, order=1).astype("f4")
    cells = smooth.reshape(12, 2, 12, 2, 12, 2).mean(axis=(1, 3, 5))
    level = Level(cells.astype("f4"), np.full(3, 2.0), np.full(3, 0.5))
    plane = np.array([[9.2, 2, 3], [0.2, 1, 0], [0, 0.1, 1]])
    fine, _ = planes.cut(Level(smooth, np.ones(3), np.zeros(3)), plane, (15, 14))
    coarse, covered = planes.cut(level, plane, (15, 14))
    assert covered.all()
    assert np.abs(coarse - fine).max() < 0.06 * np.ptp(smooth)


def field_with(displacement):
    """Places, Phi and grid of nodes that move so."""
    grid = Grid((0.0, 0.0, 0.0), (4.0, 5.0, 6.0), (4, 5, 5))
    places = grid.positions()
    phi = np.broadcast_to(np.eye(4), (len(places), 4, 4)).copy()
    phi[:, :3, 3] = displacement(places)
    return places, phi, grid


@pytest.mark.parametrize("factor", [1, 2])
def test_cut_through_a_field_that_is_affine(factor):
    """A displacement that is linear is the same between nodes: the plane is that of Phi^-1, whatever the level."""
    places, phi, grid = field_with(lambda p: (p @ (PHI[:3, :3].T - np.eye(3))) + PHI[:3, 3])
    nodes = phi[:, :3, 3].reshape(*grid.shape, 3).copy()
    field = planes.Displacements(nodes, np.array([grid.origin, grid.spacing]))
    level = Level(VOLUME, np.full(3, float(factor)), np.full(3, (factor - 1) / 2))
    there = np.array([PHI[:3, :3] @ STRAIGHT[0] + PHI[:3, 3], PHI[:3, :3] @ STRAIGHT[1], PHI[:3, :3] @ STRAIGHT[2]])
    wanted = planes.cut(level, there, (15, 18))
    found = planes.cut(level, STRAIGHT, (15, 18), field)
    both = (wanted[1] & found[1]).astype(bool)
    assert both.sum() > 100
    np.testing.assert_allclose(found[0][both], wanted[0][both], atol=1e-4)


def test_rows_that_do_not_count_cover_nothing():
    places, phi, grid = field_with(lambda p: np.zeros_like(p))
    field = SimpleNamespace(phi=phi, grid=grid)
    usable = np.ones(len(phi), bool)
    assert planes.cut(WHOLE, STRAIGHT, (16, 20), planes.Displacements.of(field, usable))[1].all()
    usable[:] = False
    assert not planes.cut(WHOLE, STRAIGHT, (16, 20), planes.Displacements.of(field, usable))[1].any()


def test_labels_are_not_mixed():
    volume = (VOLUME.astype("u4") << 20) | 7
    values, covered = planes.cut(Level(volume, np.ones(3), np.zeros(3)), STRAIGHT + 0.2, (19, 23), labels=True)
    assert values.dtype == np.dtype("u4") and covered.any()
    assert set(np.unique(values[covered == 1])) <= set(np.unique(volume))


def test_window():
    grey = np.r_[np.arange(1000.0), 1e9, np.nan, np.inf]
    low, high = planes.grey_window([grey, grey])
    assert 5 < low < 15 and 990 < high < 1000
    for nothing in ([], [np.full(9, np.nan)]):
        assert planes.grey_window(nothing) == (0, 1)
    assert planes.grey_window([np.full(9, 7, "u1")]) == (7, 8)


def test_bytes_and_back():
    shown = planes.as_bytes(np.array([[-5, 10, 20, 30, 99]], "f4"), (10, 30))
    np.testing.assert_array_equal(shown, [[0, 0, 128, 255, 255]])
    assert zlib.decompress(planes.as_deflate(shown)) == shown.tobytes()
    labels = np.array([[1, 2**31]], ">u4")
    assert zlib.decompress(planes.as_deflate(labels)) == labels.astype("<u4").tobytes()


def test_jpeg():
    image = pytest.importorskip("PIL.Image")
    plane = (ndimage.zoom(np.random.default_rng(1).random((6, 6)), 10) * 255).clip(0, 255).astype("u1")
    back = np.asarray(image.open(io.BytesIO(planes.as_jpeg(plane))))
    assert back.shape == plane.shape and np.abs(back.astype(int) - plane).mean() < 4


def test_grain_that_jpeg_cannot_make_small_becomes_less_exact():
    from PIL import Image

    fine = np.random.default_rng(1).integers(0, 255, (200, 200)).astype("u1")
    smooth = ndimage.zoom(fine[:10, :10], 20, order=1)
    small = planes.as_jpeg(fine)
    assert len(small) < 0.2 * fine.size
    best = io.BytesIO()
    Image.fromarray(smooth).save(best, "JPEG", quality=85)
    assert planes.as_jpeg(smooth) == best.getvalue()
