"""Frames of a speckle scan: what the detector does to them, which are left out, what is moved and masked."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.stacks.frames import (
    FACTS,
    Detector,
    Frames,
    fault_of,
    frame_facts,
    pair_of,
)

RNG = np.random.default_rng(5)
SHAPE = (300, 23)  # more rows than are looked at together
STACK = RNG.integers(500, 4000, (4, *SHAPE)).astype(np.uint16)


def rows_of(stack):
    """The rows of frames in memory, and nothing beyond them."""

    def rows(frame, first, stop):
        assert 0 <= first < stop <= stack.shape[1]
        return stack[frame, first:stop]

    return rows


def frames_of(stack, **more):
    return Frames(rows_of(stack), tuple(range(len(stack))), stack.shape[1:], **more)


def facts_of(frames):
    found = [frame_facts(frames.rows, k, frames.shape[0], frames.detector, frames.mask) for k in frames.numbers]
    return np.array(found, FACTS)


def paired(ref, sam, by_frame=False):
    return pair_of(ref, sam, (facts_of(ref), facts_of(sam)), by_frame)


def test_detector():
    """Flats of the mean of many frames, brought to a mean of 1, so that grey values stay where they are."""
    dark = np.full(SHAPE, 100.0) + np.arange(SHAPE[1])
    gain = 1 + 0.3 * np.sin(np.arange(SHAPE[0]))[:, None] * np.ones(SHAPE)
    flats = np.stack([dark + 1000 * gain * part for part in (0.9, 1.1)])
    detector = Detector.of(flats, np.stack([dark - 1, dark + 1]))
    light = RNG.uniform(500, 600, SHAPE)
    seen = detector.corrected((dark + light * gain).astype("f4"), 0)
    assert seen.dtype == np.float32
    np.testing.assert_allclose(seen, light * gain.mean(), rtol=1e-5)
    np.testing.assert_array_equal(detector.corrected((dark + light * gain).astype("f4")[40:44], 40), seen[40:44])


def test_pixels_that_see_no_light_are_not_there():
    flats = np.full((1, 4, 5), 10.0)
    flats[0, 1, 2], flats[0, 3, 3] = 0, np.nan
    seen = Detector.of(flats, None).corrected(np.full((4, 5), 7, np.uint16), 0)
    assert np.argwhere(np.isnan(seen)).tolist() == [[1, 2], [3, 3]]
    with pytest.raises(UserError, match=r"f\.tif is nowhere brighter than d\.tif"):
        Detector.of(flats, flats + 1, ("f.tif", "d.tif"))


@pytest.mark.parametrize("dtype", ["u1", "u2", "i2"])
def test_largest_whole_numbers_are_clipped(dtype):
    image = np.array([[3, np.iinfo(dtype).max]], dtype)
    assert Detector(dark=np.full((1, 2), 1, "f4")).corrected(image, 0).tolist() == [[2, np.inf]]


def test_floating_point_is_never_clipped():
    image = np.array([[3, np.inf, -np.inf, np.nan, 1e30]], "f4")
    np.testing.assert_array_equal(Detector().corrected(image, 0), [[3, np.nan, np.nan, np.nan, np.float32(1e30)]])


def test_facts():
    image = STACK[0].astype("f8")
    image[7, 3] = np.nan
    facts = facts_of(frames_of(image[None]))[0]
    assert facts["pixels"] == image.size - 1
    assert facts["mean"] == pytest.approx(np.nanmean(image), rel=1e-7)
    assert (facts["low"], facts["high"]) == (np.nanmin(image), np.nanmax(image))
    mask = np.zeros(SHAPE, "u1")
    mask[:, :5] = 1
    facts = facts_of(frames_of(STACK[:1], mask=rows_of(mask[None])))[0]
    assert facts["pixels"] == mask.sum() and facts["mean"] == pytest.approx(STACK[0, :, :5].mean(), rel=1e-7)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.full(SHAPE, 7.0), "is 7 everywhere"),
        (np.full(SHAPE, np.nan), "is NaN everywhere"),
        (np.where(STACK[0] > 2000, np.inf, np.nan), "is NaN everywhere"),
        (np.full(SHAPE, 65535, "u2"), "is clipped everywhere"),
        (np.where(STACK[0] > 2000, 65535, 5).astype("u2"), "is 5 everywhere"),
        (np.where(STACK[0] > 2000, 5.0, np.nan), "is 5 everywhere"),
        (STACK[0], ""),
    ],
)
def test_frames_that_tell_nothing(frame, reason):
    assert fault_of(facts_of(frames_of(frame[None]))[0]) == reason


def test_frame_that_nothing_can_be_divided_by():
    facts = facts_of(frames_of(STACK[:1] - 3e4))[0]
    assert fault_of(facts) == "" and "has a mean of -2" in fault_of(facts, normalised=True)


def test_frame_without_fault_in_both_stacks_is_kept():
    ref, sam = STACK.astype("f4"), STACK.astype("f4") / 2
    sam[1], ref[3] = np.nan, 7
    pair = paired(frames_of(ref), frames_of(sam))
    assert pair.left_out == ((1, "it is NaN everywhere"), (3, "the reference is 7 everywhere"))
    assert pair.status == -2
    assert pair.ref.numbers == pair.sam.numbers == (0, 2)
    np.testing.assert_allclose(pair.means, [STACK[[0, 2]].mean(), STACK[[0, 2]].mean() / 2], rtol=1e-6)
    for found, stack in zip(pair.bands(10, 20), (ref, sam), strict=True):
        assert found.dtype == np.float32 and found.flags.c_contiguous
        np.testing.assert_array_equal(found, stack[[0, 2], 10:20])
    means = paired(frames_of(ref), frames_of(sam), by_frame=True).means
    np.testing.assert_allclose(means, [ref[[0, 2]].mean((1, 2)), sam[[0, 2]].mean((1, 2))], rtol=1e-6)


def test_no_frame_is_left():
    pair = paired(frames_of(np.ones((2, *SHAPE))), frames_of(STACK[:2]))
    assert len(pair.left_out) == 2 and pair.status == -2 and not pair.ref.numbers and pair.means.size == 0


def test_positions():
    """The sample at x is at x + position in the frame; beyond the frame there is nothing."""
    positions = ((0, 0), (12, -3), (-5, 30), (400, 0))
    band = frames_of(STACK, positions=positions).band(4, 9)
    whole = np.full((4, 300 + 1000, 23 + 1000), np.nan)
    whole[:, 500:800, 500:523] = STACK
    for k, (dy, dx) in enumerate(positions):
        expected = whole[k, 500 + dy + 4 : 500 + dy + 9, 500 + dx : 523 + dx]
        np.testing.assert_array_equal(band[k], expected)
    assert np.isnan(band[2]).all() and np.isnan(band[3]).all()


def test_mask():
    mask = np.ones((4, *SHAPE), "f4")
    mask[1, 6], mask[2, 7, 3], mask[2, 7, 4] = 0, np.nan, -1
    positions = ((0, 0), (2, 0), (0, 0), (0, 0))
    frames = frames_of(STACK, mask=rows_of(mask), positions=positions)
    band, left = frames.band(3, 9), frames.unmasked(3, 9)
    assert np.isnan(band[1, 1]).all() and np.isfinite(band[1, [0, 2, 3, 4, 5]]).all()
    assert np.argwhere(np.isnan(band[2])).tolist() == [[4, 3]]
    expected = np.ones((6, 23))
    expected[1], expected[4, 3] = 0.75, 0.75
    np.testing.assert_array_equal(left, expected)


def test_stacks_without_light():
    """Of a projection that is darker than the darks: none of its frames is compared, and it says why."""
    light = STACK.astype("f4")
    for ref, sam in ((light, -light), (light - 1e4, light)):
        pair = paired(frames_of(ref), frames_of(sam))
        assert [number for number, _ in pair.left_out] == [0, 1, 2, 3] and not pair.means.size
        assert "by which nothing can be divided" in pair.left_out[0][1] and pair.status == -6
