"""Binned levels of volumes: what they hold, where they lie, and the cache beside nothing of the user's."""

import os
import time

import numpy as np
import pytest
import tifffile

from hpcdvc.errors import UserError
from hpcdvc.images import describe
from hpcdvc.pages import levels
from hpcdvc.registration.levels import binning


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "hpcdvc" / "levels"


def saved(path, volume, **how):
    tifffile.imwrite(path, volume, **how)
    return describe(str(path))


def noise(shape=(14, 19, 23), dtype="u2"):
    return np.random.default_rng(2).integers(0, 200, shape).astype(dtype)


@pytest.mark.parametrize("how", [{}, {"byteorder": ">"}, {"compression": "zlib"}])
@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_means_are_those_of_binning(tmp_path, dtype, how):
    volume = noise(dtype=dtype)
    level = levels.level_of(saved(tmp_path / "a.tif", volume, **how), 3)
    wanted = binning(volume, 3, return_crop_and_centre=True)
    np.testing.assert_array_equal(level.array, np.rint(wanted.image) if dtype != "f4" else wanted.image)
    assert level.array.dtype == volume.dtype
    np.testing.assert_array_equal(level.first, wanted.top_crop + 1)


def test_a_volume_that_is_small_is_its_own_level(tmp_path, cache):
    volume = noise()
    level = levels.level_of(saved(tmp_path / "a.tif", volume), levels.factor_of(volume.shape))
    np.testing.assert_array_equal(level.array, volume)
    np.testing.assert_array_equal(level.first, 0)
    assert not cache.exists()


@pytest.mark.parametrize(("shape", "factor"), [((512, 4, 4), 1), ((4, 513, 4), 2), ((4, 4, 2000), 4)])
def test_factor(shape, factor):
    assert levels.factor_of(shape) == factor


def test_planes_of_a_level_lie_where_those_of_the_volume_do(tmp_path):
    """A ramp along x: cell and voxel agree at each place."""
    ramp = np.broadcast_to(np.arange(24.0, dtype="f4"), (8, 8, 24)).copy()
    level = levels.level_of(saved(tmp_path / "a.tif", ramp), 4)
    plane = level.of_plane(np.array([[3.5, 3.5, 7.5], [0, 4, 0], [0, 0, 4.0]]))
    np.testing.assert_allclose(plane, [[0.5, 0.5, 1.5], [0, 1, 0], [0, 0, 1]])
    assert level.array[0, 0, 1] == 5.5 and level.array[0, 0, 2] == 9.5, "which is 7.5 in between"


@pytest.mark.parametrize(
    "shape, size",
    [((3, 400, 30), (1, 4, 3)), ((400, 2, 2), (4, 1, 1)), ((33, 7, 400), (4, 1, 4)), ((1, 400, 40), (1, 4, 4))],
)
def test_thin_axes_keep_their_cells(tmp_path, shape, size):
    volume = noise(shape)
    info = saved(tmp_path / "a.tif", volume, photometric="minisblack")
    level, quick = levels.level_of(info, 4), levels.preview(info, 4)
    assert tuple(level.size) == tuple(quick.size) == size and level.array.shape == quick.array.shape
    whole = [slice(n % s // 2, n % s // 2 + n // s * s) for n, s in zip(shape, size, strict=True)]
    parts = [length for n, s in zip(shape, size, strict=True) for length in (n // s, s)]
    assert (level.array == np.rint(volume[tuple(whole)].reshape(parts).mean(axis=(1, 3, 5)))).all()


def test_two_dimensional_images_are_one_cell_thick(tmp_path):
    image = noise((1, 19, 23))
    level = levels.level_of(saved(tmp_path / "a.tif", image[0]), 2)
    assert level.array.shape == (1, 9, 11)
    np.testing.assert_array_equal(level.size, [1, 2, 2])


def test_a_preview_has_the_shape_of_the_level(tmp_path):
    volume = noise(dtype="f4")
    info = saved(tmp_path / "a.tif", volume)
    quick, level = levels.preview(info, 3), levels.level_of(info, 3)
    assert (quick.exact, level.exact) == (False, True)
    np.testing.assert_array_equal(quick.first, level.first)
    np.testing.assert_allclose(quick.array[2], binning(volume[1 + 2 * 3 + 1], 3), rtol=1e-6)


def test_a_preview_becomes_exact_in_its_place(tmp_path, cache):
    info = saved(tmp_path / "a.tif", noise())
    quick = levels.preview(info, 3)
    assert levels.kept_level(info, 3) is None
    level = levels.level_of(info, 3, before=quick)
    assert level.array is quick.array and level.exact and not level.array.flags.writeable
    assert (level.array == levels.kept_level(info, 3).array).all()
    assert (level.array == np.rint(binning(noise(), 3))).all()


def test_a_preview_of_many_planes_reads_few_of_them(tmp_path, monkeypatch):
    info, asked = saved(tmp_path / "a.tif", noise((36, 19, 23))), []
    read = levels.read_planes
    monkeypatch.setattr(levels, "read_planes", lambda info, *span: asked.append(span) or read(info, *span))
    monkeypatch.setattr(levels, "GLANCE", 3)
    quick = levels.preview(info, 3).array
    assert asked == [(7, 8), (19, 20), (31, 32)]
    assert (quick[0:4] == quick[2]).all() and (quick[3] != quick[4]).any()


def test_labels_are_never_mixed(tmp_path):
    volume = noise(dtype="u4")
    level = levels.level_of(saved(tmp_path / "a.tif", volume), 3, labels=True)
    np.testing.assert_array_equal(level.array, volume[2::3, 1::3, 2::3][:4, :6, :7])


def test_the_second_time_it_comes_from_the_cache(tmp_path, cache, monkeypatch):
    info, told = saved(tmp_path / "a.tif", noise()), []
    first = levels.level_of(info, 3, progress=told.append)
    assert told == sorted(told) and told[-1] == 1
    monkeypatch.setattr(levels, "read_planes", None)  # must not be asked
    np.testing.assert_array_equal(levels.level_of(info, 3).array, first.array)
    assert len(list(cache.iterdir())) == 1
    assert cache.stat().st_mode & 0o777 == 0o700
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "cache"], "nothing beside the image"


def test_what_is_in_the_cache_is_of_this_image(tmp_path):
    a = levels.level_of(saved(tmp_path / "a.tif", noise()), 3)
    other = levels.level_of(saved(tmp_path / "a.tif", noise() + np.uint16(9)), 3)
    np.testing.assert_array_equal(other.array, a.array + 9)


def test_a_damaged_cache_is_made_anew(tmp_path, cache):
    info = saved(tmp_path / "a.tif", noise())
    first = levels.level_of(info, 3)
    (kept,) = cache.iterdir()
    for spoilt in (b"", b"\x93NUMPY damaged", kept.read_bytes()[:-9]):
        kept.write_bytes(spoilt)
        np.testing.assert_array_equal(levels.level_of(info, 3).array, first.array)


def test_a_cache_that_cannot_be_written_to_is_no_reason_to_stop(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert levels.level_of(saved(tmp_path / "a.tif", noise()), 3).array.shape == (4, 6, 7)
    assert "not kept" in caplog.text


def test_old_levels_leave(tmp_path, cache):
    levels.level_of(saved(tmp_path / "a.tif", noise()), 3)
    (old,) = cache.iterdir()
    long_ago = time.time() - 40 * 86400
    os.utime(old, (long_ago, long_ago))
    levels.level_of(saved(tmp_path / "b.tif", noise() + np.uint16(1)), 3)
    assert old not in list(cache.iterdir())


def test_what_progress_raises_ends_the_work(tmp_path, cache):
    class Stop(Exception):
        pass

    def stop(share):
        raise Stop

    with pytest.raises(Stop):
        levels.level_of(saved(tmp_path / "a.tif", noise()), 3, progress=stop)
    assert not cache.exists()


def test_cells_that_do_not_fit(tmp_path):
    with pytest.raises(UserError, match="fewer than 20 voxels"):
        levels.level_of(saved(tmp_path / "a.tif", noise()), 20)
