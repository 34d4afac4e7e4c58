"""Aligned views are those of a sample that has not moved, and NXtomo files of them are scans again."""

import h5py
import numpy as np
import pytest
import scan_files as files

from hpcdvc.output.nxtomo import write_nxtomo
from hpcdvc.tomography.aligned import aligned_frame
from hpcdvc.tomography.opening import describe_scan


def moved(j_offset: float, k_offset: float) -> np.ndarray:
    """(J, K) of the first view, whose pixel j looks at (j + 0.5 - J/2 + j_offset) u."""
    j, k = np.arange(files.J) + 0.5 - files.J / 2 + j_offset, np.arange(files.K) + 0.5 - files.K / 2 + k_offset
    found = np.zeros((files.J, files.K))
    for x, _, z in files.BLOBS:
        near = np.exp(-((j - x) ** 2) / (2 * files.WIDTH**2))
        found += files.HEIGHT * near[:, None] * np.exp(-((k - z) ** 2) / (2 * files.WIDTH**2))
    return found


def test_an_aligned_view_is_that_of_a_sample_that_stands_still():
    truth = files.absorbances()[0]
    assert np.array_equal(moved(0, 0), truth)
    found = aligned_frame(moved(1.3, -0.6), np.ones(truth.shape), 1.3, -0.6)
    assert found.shape == (files.K, files.J) and found.dtype == np.float32
    assert np.abs(found.T - truth).max() < 3e-3  # linear interpolation: 0.05
    assert np.array_equal(aligned_frame(truth, np.ones(truth.shape), 0, 0).T, truth.astype(np.float32))


def test_pixels_without_weight_are_filled():
    view, weights = moved(0.5, 0), np.ones((files.J, files.K))
    place = files.J // 2 + 3, files.K // 2 + 2  # the middle of a blob
    weights[place] = 0
    found = []
    for spoilt in (0.0, 5.0):
        view[place] = spoilt
        found.append(aligned_frame(view, weights, 0.5, 0).T)
    assert np.array_equal(*found)
    assert np.abs(found[0] - files.absorbances()[0]).max() < 0.3 * files.HEIGHT


@pytest.mark.parametrize("absorbances", [True, False])
def test_nxtomo_is_a_scan_again(tmp_path, absorbances):
    views = files.absorbances()
    path = str(tmp_path / "aligned.nx")
    frames = (view.T.astype(np.float32) for view in views)
    write_nxtomo(path, (files.VIEWS, files.K, files.J), frames, files.ANGLES, absorbances)
    scan = describe_scan(path, background="none", absorbances=absorbances)
    assert scan.kind == "NXtomo" and np.array_equal(scan.geometry.inner, np.deg2rad(files.ANGLES))
    for view in range(files.VIEWS):
        assert np.abs(scan.read(view)[0] - views[view]).max() < 1e-6
    with h5py.File(path) as file:
        entry = file["entry"]
        assert entry["definition"][()] == b"NXtomo" and entry.attrs["NX_class"] == b"NXentry"
        before = [2, 1] if absorbances else []
        assert entry["data/image_key"][()].tolist() == before + [0] * files.VIEWS
        assert entry["data/data"] == entry["instrument/detector/data"]
        assert entry["data/rotation_angle"].shape == (len(before) + files.VIEWS,)
