"""Planes at full resolution: those of the volume, from any kind of file, and only where little is read for them."""

import h5py
import numpy as np
import pytest
import tifffile

from hpcdvc.images import VolumeInfo, describe, mapped_volume, read_box
from hpcdvc.pages import detail
from hpcdvc.pages.levels import Level
from hpcdvc.pages.planes import cut, through_phi

SHAPE = (20, 31, 42)
CENTRE = (np.array(SHAPE) - 1) / 2
VOLUME = np.random.default_rng(8).integers(0, 60000, SHAPE, "u2")
VIEWS = [(0, 1, 2), (1, 0, 2), (2, 0, 1)]
PHI = np.eye(4)
PHI[:3] = [[1.0, 0.1, -0.05, 1.5], [-0.1, 1.02, 0.03, -2.25], [0.05, -0.03, 0.98, 0.5]]


def mapped(folder) -> VolumeInfo:
    tifffile.imwrite(folder / "a.tif", VOLUME, photometric="minisblack")
    return describe(str(folder / "a.tif"))


def big_endian(folder) -> VolumeInfo:
    tifffile.imwrite(folder / "a.tif", VOLUME, imagej=True, byteorder=">")
    return describe(str(folder / "a.tif"))


def compressed(folder) -> VolumeInfo:
    tifffile.imwrite(folder / "a.tif", VOLUME, photometric="minisblack", compression="zlib")
    return describe(str(folder / "a.tif"))


def slices(folder) -> VolumeInfo:
    for z, plane in enumerate(VOLUME):
        tifffile.imwrite(folder / f"{z:02d}.tif", plane)
    return describe(str(folder))


def chunked(folder) -> VolumeInfo:
    with h5py.File(folder / "a.h5", "w") as file:
        file.create_dataset("data", data=VOLUME.astype(">u2"), chunks=(8, 8, 8), compression="gzip")
    return describe(str(folder / "a.h5"))


def contiguous(folder) -> VolumeInfo:
    with h5py.File(folder / "a.h5", "w") as file:
        file["data"] = VOLUME
    return describe(str(folder / "a.h5"))


KINDS = [mapped, big_endian, compressed, slices, chunked, contiguous]


@pytest.fixture(params=KINDS)
def info(tmp_path, request) -> VolumeInfo:
    return request.param(tmp_path)


def region(view: int, down: tuple = (3, 15), right: tuple = (5, 27)) -> detail.Region:
    return detail.Region(VIEWS[view], (9.4, 12.6, 20.5), down, right)


def wanted(plane: np.ndarray, shape: tuple) -> tuple:
    return cut(Level(VOLUME, np.ones(3), np.zeros(3)), plane, shape)


@pytest.mark.parametrize("view", range(3))
def test_slices_are_those_of_the_volume(info, view):
    part = region(view)
    found, covered = detail.detail(info, part.plane(), part.shape)
    place = [(9, 13, 21)[view] if axis == VIEWS[view][0] else None for axis in range(3)]
    box = [slice(3, 16), slice(5, 28)]
    whole = VOLUME[tuple(box.pop(0) if one is None else one for one in place)]
    assert (found == whole).all() and covered.all()


@pytest.mark.parametrize("view", range(3))
def test_planes_of_a_motion_are_those_of_the_kernel(info, view):
    """Also where they leave the volume."""
    part = region(view, (0, 19), (0, 30))
    plane = through_phi(part.plane(), PHI, CENTRE)
    found, covered = detail.detail(info, plane, part.shape)
    values, inside = wanted(plane, part.shape)
    assert (covered == inside).all() and 0 < inside.mean() < 1
    np.testing.assert_allclose(found, values, rtol=1e-6)


def test_a_plane_that_is_nowhere(info):
    phi = np.eye(4)
    phi[:3, 3] = 100
    part = region(0)
    values, covered = detail.detail(info, through_phi(part.plane(), phi, CENTRE), part.shape)
    assert not values.any() and not covered.any()


@pytest.mark.parametrize("kind, most", [(mapped, 3e4), (contiguous, 3e4), (compressed, 4e3), (slices, 4e3)])
def test_no_more_is_read_than_is_allowed(tmp_path, monkeypatch, kind, most):
    """Rows of a slice lie side by side; across the slices each voxel is in another part of the file."""
    monkeypatch.setattr(detail, "MOST", most)
    info = kind(tmp_path)
    parts = [region(view, (0, 19), (0, 30)) for view in range(3)]
    got = [detail.detail(info, part.plane(), part.shape) is not None for part in parts]
    assert got == [True, False, False]


def test_chunks_that_are_far_apart_are_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(detail, "MOST", 20 * 31 * 42 * 2)
    monkeypatch.setattr(detail, "CHUNK", 8)
    info, part = chunked(tmp_path), region(0)
    assert detail.detail(info, part.plane(), part.shape) is not None
    monkeypatch.setattr(detail, "MOST", 2000)
    assert detail.detail(info, part.plane(), part.shape) is None


def test_large_parts_have_larger_pixels(monkeypatch):
    monkeypatch.setattr(detail, "PIXELS", 100)
    part = region(0, (0, 29), (0, 29))
    assert part.step == 3 and part.shape == (10, 10)
    assert part.plane().tolist() == [[9, 0, 0], [0, 3, 0], [0, 0, 3]]


def test_boxes(info):
    box = read_box(info, (2, 5, 7), (11, 6, 30))
    assert (box == VOLUME[2:11, 5:6, 7:30]).all() and box.flags.c_contiguous and box.dtype == "u2"


def test_files_that_are_mapped(info):
    volume = mapped_volume(info, scattered=True)
    assert (volume is None) == (info.offset is None)
    assert volume is None or ((volume == VOLUME).all() and not volume.flags.writeable)
