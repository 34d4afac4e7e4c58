"""Moved labels against a slow twin: overlaps, dilation, any slabs; and values painted over labels."""

import numpy as np
import pytest
from hpcdvc.kernels.labels import move, paint
from label_cases import balls, field_of, labelled, moved_by_numpy

from hpcdvc.kernels.volume import Volume
from hpcdvc.labels.moved import MovedLabels, moved_labels
from hpcdvc.labels.scan import scan_labels


def moved(image, field, dilate=0, threshold=0.5):
    where = moved_labels(scan_labels(image), field.phi, field.positions, dilate, image.shape)
    return MovedLabels(image, where, dilate, threshold)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i4"])
@pytest.mark.parametrize("shape", [(13, 14, 17), (1, 20, 23)])
@pytest.mark.parametrize(("dilate", "threshold"), [(0, 0.5), (0, 0.2), (2, 0.5), (-1, 0.4)])
def test_as_by_numpy(dtype, shape, dilate, threshold):
    """Blocks that touch move into each other and out of the image."""
    image = labelled(dtype, shape)
    field = field_of(image)
    expected, claims = moved_by_numpy(image, field.extra["label"], field.phi, field.positions, dilate, threshold)
    result, ours = moved(image, field, dilate, threshold).planes(0, shape[0])
    assert result.dtype == image.dtype and (result == expected).all() and ours == claims
    if dilate == 0:
        assert claims > np.count_nonzero(expected), "no overlap is tested"


def test_slabs_do_not_matter():
    image = labelled(shape=(23, 14, 17))
    labels = moved(image, field_of(image), 1)
    whole, claims = labels.planes(0, 23)
    parts = [labels.planes(z, min(z + 4, 23)) for z in range(0, 23, 4)]
    assert (np.concatenate([planes for planes, _ in parts]) == whole).all() and sum(n for _, n in parts) == claims


def test_whole_voxels_are_exact():
    image = balls("u4")
    image[image == 65000] = 2**32 - 1
    field = field_of(image)
    field.phi[:, :3, :3], field.phi[:, :3, 3] = np.eye(3), (2, -3, 1)
    assert (moved(image, field).planes(0, len(image))[0] == np.roll(image, (2, -3, 1), (0, 1, 2))).all()


def test_of_two_whole_labels_the_smaller_number_wins():
    image = balls()
    field = field_of(image)
    field.phi[:, :3, :3] = np.eye(3)
    field.phi[:, :3, 3] = np.rint(field.positions[2] - field.positions)  # all onto the third
    result, claims = moved(image, field).planes(0, len(image))
    assert set(np.unique(result)) == {0, 1} and claims == 4 * np.count_nonzero(result)


def test_labels_that_have_left_are_left_out():
    image = balls()
    field = field_of(image)
    field.phi[1, :3, 3] = (0, 100, 0)
    where = moved_labels(scan_labels(image), field.phi, field.positions, 0, image.shape)
    assert where["label"].tolist() == [1, 7, 65000]


def test_kernel_refuses_boxes_outside():
    image = balls()
    where = moved_labels(scan_labels(image), field_of(image).phi, field_of(image).positions, 0, image.shape)
    where["high"][0, 2] = image.shape[2]
    with pytest.raises(ValueError, match="leave the image"):
        move(Volume(image), where, 0, 0.5, 0, 3)
    with pytest.raises(ValueError, match="planes 0 to 31 of 30"):
        move(Volume(image), where[1:], 0, 0.5, 0, 31)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u4", "i4"])
def test_painted(dtype):
    image = labelled(dtype)
    known = np.array([2, 3, 12, 14])
    values = np.array([0.5, np.nan, 7, -1], "f4")
    expected = np.full(image.shape, np.nan, "f4")
    for label, value in zip(known, values, strict=True):
        expected[image == label] = value
    parts = [paint(Volume(image), known, values, *planes) for planes in ((0, 5), (5, 13))]
    assert np.array_equal(np.concatenate(parts), expected, equal_nan=True)
    assert np.isnan(paint(Volume(image), known[:0], values[:0], 0, 13)).all()
