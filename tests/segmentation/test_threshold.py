"""Histograms and thresholds of all types, against scikit-image."""

import numpy as np
import pytest
from skimage.filters import threshold_otsu

from hpcdvc.errors import UserError
from hpcdvc.ranks.team import Team
from hpcdvc.segmentation.threshold import bright, grey_histogram, otsu_threshold
from hpcdvc.steps.segments import limits_of

TYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"]


def two_phases(dtype):
    """Grey values of two phases that overlap; with NaN and infinity where there is such a thing."""
    rng = np.random.default_rng(4)
    low = -60 if np.dtype(dtype).kind != "u" else 40
    values = low + 70 * (rng.random((9, 20, 21)) < 0.3) + rng.normal(0, 9, (9, 20, 21))
    image = np.clip(values, -128, 127).astype(dtype)
    if image.dtype.kind == "f":
        image[0, 0, :3] = np.nan, np.inf, -np.inf
        image[3] = np.nan
    return image


@pytest.mark.parametrize("dtype", TYPES)
def test_otsu(dtype):
    image = two_phases(dtype)
    counts, centres = grey_histogram(image, Team())
    finite = image[np.isfinite(image)]
    assert counts.sum() == finite.size and counts.dtype == np.int64
    ours, theirs = otsu_threshold(counts, centres), threshold_otsu(finite, nbins=2**16)
    assert abs(ours - theirs) < 0.01 if image.dtype.kind == "f" else ours == theirs
    assert 0.25 < (finite > ours).mean() < 0.35


def test_a_few_bright_values_of_a_wide_range_do_not_hide_the_rest():
    image = two_phases("f4")
    image[1, 0, 0] = 1500
    threshold = otsu_threshold(*grey_histogram(image, Team()))
    assert -60 < threshold < 10


def test_more_voxels_than_float32_counts():
    counts, grey = np.array([3 * 2**24, 2**24 + 1, 1, 2**25]), np.arange(4.0)
    assert otsu_threshold(counts, grey) == 1


def test_wide_whole_numbers_and_single_values():
    image = np.array([[[0, 10, 2**31, 2**31 + 5]]], "u4")
    assert 10 < otsu_threshold(*grey_histogram(image, Team())) < 2**31
    assert len(grey_histogram(np.full((2, 3, 4), 7, "u2"), Team())[0]) == 1
    counts, grey = grey_histogram(np.full((2, 3, 4), 1.5, "f4"), Team())
    assert counts.tolist() == [24] and grey.tolist() == [1.5]
    assert len(grey_histogram(np.full((2, 3, 4), np.nan, "f4"), Team())[0]) == 0


def test_one_value_and_values_far_apart():
    counts, centres = grey_histogram(np.full((3, 4, 5), 0.25, "f4"), Team())
    assert centres[counts > 0].tolist() == [0.25]
    image = np.zeros((3, 4, 5))
    image[0], image[1] = -1.5e308, 1.5e308
    with pytest.raises(UserError, match="^v.npy holds grey values from -1.5e.308 to 1.5e.308, too far apart"):
        limits_of(image, "v.npy", Team())


def test_above_and_below_are_strict_and_nan_is_dark():
    planes = np.array([1, 2, 3, np.nan, 4], "f4")
    assert bright(planes, 1).tolist() == [0, 1, 1, 0, 1]
    assert bright(planes, 1, 3).tolist() == [0, 1, 0, 0, 0]


@pytest.mark.mpi
def test_the_same_on_all_ranks(team):
    for dtype in ("u2", "f4"):
        image = two_phases(dtype)
        for ours, serial in zip(grey_histogram(image, team), grey_histogram(image, Team()), strict=True):
            assert ours.tobytes() == serial.tobytes()
