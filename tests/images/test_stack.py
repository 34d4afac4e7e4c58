"""Stacks of frames: however they are stored, the same rows, read in place where they can be."""

import h5py
import numpy as np
import pytest
import tifffile

from hpcdvc.errors import UserError
from hpcdvc.images import describe
from hpcdvc.images.stack import check_stacks, open_stack

FRAMES = np.random.default_rng(2).integers(0, 60000, (6, 7, 9)).astype("u2")
SCAN = FRAMES.reshape(3, 2, 7, 9)


@pytest.fixture
def files(tmp_path):
    np.save(tmp_path / "a.npy", FRAMES)
    np.save(tmp_path / "scan.npy", SCAN)
    tifffile.imwrite(tmp_path / "a.tif", FRAMES, photometric="minisblack")
    tifffile.imwrite(tmp_path / "packed.tif", FRAMES, photometric="minisblack", compression="zlib")
    (tmp_path / "slices").mkdir()
    for k, frame in enumerate(FRAMES):
        tifffile.imwrite(tmp_path / "slices" / f"s{k}.tif", frame)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["plain"], file["scan"] = FRAMES, SCAN
        file.create_dataset("packed", data=FRAMES, chunks=(2, 3, 9), compression="gzip")
        file.create_dataset("scan-packed", data=SCAN[None], chunks=(1, 2, 2, 3, 9), compression="gzip")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "mapped"),
    [("a.npy", True), ("a.tif", True), ("packed.tif", False), ("slices", False), ("a.h5:/plain", True)]
    + [("a.h5:/packed", False)],
)
def test_frames(files, name, mapped):
    stack = open_stack(describe(str(files / name)))
    assert (stack.info.offset is not None) == mapped
    assert (stack.projections, stack.frames, stack.height, stack.width) == (1, 6, 7, 9)
    assert stack.largest == 65535
    np.testing.assert_array_equal(stack.rows(2, 5), FRAMES[:, 2:5])
    np.testing.assert_array_equal(stack.rows(0, 7, np.array([4, 1])), FRAMES[[4, 1]])
    mean, spread = stack.rough_greys
    assert mean == pytest.approx(FRAMES.mean(), rel=1e-12)
    assert spread == pytest.approx(abs(np.diff(FRAMES.astype(float))).mean(), rel=0.1)


@pytest.mark.parametrize("name", ["scan.npy", "a.h5:/scan", "a.h5:/scan-packed"])
def test_projections(files, name):
    """Each is read for itself, in any order; compressed ones are not decoded all at once."""
    with pytest.raises(UserError, match=r"has shape \(3, 2, 7, 9\): a 3-D volume or a 2-D image is needed"):
        describe(str(files / name))
    stack = open_stack(describe(str(files / name), scan=True))
    assert (stack.projections, stack.frames) == (3, 2) and (stack.volume is None) == ("packed" in name)
    for projection in (2, 0, 1, 1):
        np.testing.assert_array_equal(stack.rows(1, 6, projection=projection), SCAN[projection, :, 1:6])
    assert stack.rough_greys[0] == pytest.approx(SCAN[0].mean(), rel=1e-12)


def test_mean_leaves_out_what_is_no_number(tmp_path):
    values = FRAMES.astype("f4")
    values[0, :, 3] = np.nan
    values[1, 2] = np.inf
    np.save(tmp_path / "a.npy", values)
    stack = open_stack(describe(str(tmp_path / "a.npy")))
    assert stack.largest is None
    assert stack.rough_greys[0] == pytest.approx(values[np.isfinite(values)].mean(), rel=1e-6)
    np.save(tmp_path / "b.npy", np.full((2, 3, 4), np.nan))
    assert open_stack(describe(str(tmp_path / "b.npy"))).rough_greys == (0, 0)


def test_stacks_that_do_not_fit(files):
    np.save(files / "few.npy", FRAMES[:5])
    np.save(files / "narrow.npy", FRAMES[:, :, :8])
    a, few, narrow, scan = (
        describe(str(files / name), scan=True) for name in ("a.npy", "few.npy", "narrow.npy", "scan.npy")
    )
    check_stacks(a, a)
    with pytest.raises(UserError, match=r"differ in number of frames: .*a\.npy has 6, .*few\.npy has 5"):
        check_stacks(a, few)
    with pytest.raises(UserError, match=r"differ in size \(YX\): .*a\.npy has 7 x 9, .*narrow\.npy has 7 x 8"):
        check_stacks(a, narrow)
    with pytest.raises(UserError, match="number of frames: .*has 6, .*has 2"):
        check_stacks(a, scan)
