"""Labels of an image in one pass, against numpy; of all types, with gaps, in two dimensions, on any number of ranks."""

import time

import numpy as np
import pytest
from hpcdvc.kernels.labels import mask
from label_cases import labelled
from scipy import ndimage

from hpcdvc.errors import UserError
from hpcdvc.kernels.volume import Volume
from hpcdvc.labels.boxes import bounding_boxes, centres_of_mass, get_label, volumes
from hpcdvc.labels.scan import scan_labels


def by_numpy(image):
    for label in np.unique(image[image != 0]):
        places = np.argwhere(image == label)
        yield label, places.min(axis=0), places.max(axis=0), places.mean(axis=0), len(places)


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("shape", [(13, 14, 17), (1, 20, 23), (1, 1, 1)])
def test_against_numpy(dtype, shape):
    image = labelled(dtype, shape)
    found = scan_labels(image)
    expected = list(by_numpy(image))
    assert found["label"].tolist() == [row[0] for row in expected]
    for one, (_, low, high, centre, volume) in zip(found, expected, strict=True):
        assert (one["low"] == low).all() and (one["high"] == high).all() and one["volume"] == volume
        assert np.allclose(one["sum"] / volume, centre, rtol=0, atol=1e-12)


def test_large_numbers_take_no_memory():
    image = np.zeros((4, 5, 6), "u4")
    image[1, 2, 3:], image[3] = 2**32 - 1, 2**31 + 7
    assert scan_labels(image)["label"].tolist() == [2**31 + 7, 2**32 - 1]
    boxes, numbers = bounding_boxes(image, compact=True)
    for table in (bounding_boxes, volumes, centres_of_mass):
        with pytest.raises(UserError, match="compact=True"):
            table(image)
    assert numbers.tolist() == [2**31 + 7, 2**32 - 1] and boxes.tolist() == [[3, 3, 0, 4, 0, 5], [1, 1, 2, 2, 3, 5]]


def test_many_labels():
    image = np.random.default_rng(1).permutation(np.arange(60_000)).reshape(20, 50, 60).astype("u4")
    found = scan_labels(image)
    assert (found["label"] == np.arange(1, 60_000)).all() and (found["volume"] == 1).all()
    assert (image[tuple(found["low"].T)] == found["label"]).all()


@pytest.mark.mpi
def test_the_same_on_all_ranks(team):
    image = labelled()
    assert scan_labels(image, team).tobytes() == scan_labels(image).tobytes()


@pytest.mark.parametrize("image", [np.ones((3, 3, 3)), np.full((3, 3, 3), -1, "i4")])
def test_no_labels(image):
    with pytest.raises(UserError, match="labels are"):
        scan_labels(image)


def test_empty():
    assert len(scan_labels(np.zeros((3, 4, 5), "u1"))) == 0
    assert volumes(np.zeros((3, 4), "i8")).tolist() == [0]


def test_tables_are_indexed_by_label():
    image = labelled("i8")
    boxes, sizes, centres = bounding_boxes(image), volumes(image), centres_of_mass(image)
    assert len(boxes) == len(sizes) == len(centres) == image.max() + 1
    for label, low, high, centre, volume in by_numpy(image):
        assert (boxes[label].reshape(3, 2) == np.stack([low, high], axis=1)).all() and sizes[label] == volume
        assert np.allclose(centres[label], centre)
    assert sizes[4] == 0 and np.isnan(centres[4]).all() and (boxes[4] == 0).all() and (centres[0] == 0).all()


def test_label_is_cut_out():
    image = np.zeros((12, 12, 12), "u2")
    image[4:7, 4:8, 5:7], image[7, 4:8, 5:7] = 3, 9
    one = get_label(image, 3)
    assert one.subvol.all() and one.slice == (slice(4, 7), slice(4, 8), slice(5, 7))
    assert one.volume_initial == one.volume_dilated == 24 and one.centre_of_mass.tolist() == [5, 5.5, 5.5]
    grown = get_label(image, 3, label_dilate=1)
    assert grown.slice == (slice(3, 8), slice(3, 9), slice(4, 8))
    assert not grown.subvol[4].any() and grown.subvol[0, 1:-1, 1:-1].all() and not grown.subvol[0, 0].any()
    assert get_label(image, 3, label_dilate=1, mask_other_labels=False).volume_dilated == grown.volume_dilated + 8
    assert get_label(image, 3, label_dilate=-1).volume_dilated == 0 and get_label(image, 5) is None
    for far in (-101, 101):
        with pytest.raises(UserError, match=f"up to 100 voxels, not {far}"):
            get_label(image, 3, label_dilate=far)
        with pytest.raises(ValueError, match="a ball of radius 101"):
            mask(Volume(image), 3, far, (0, 0, 0), (1, 1, 1))
    assert get_label(image[5], 3, margin=2).subvol.shape == (1, 8, 6)


@pytest.mark.parametrize("dilate", [-2, -1, 0, 1, 3])
@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("shape", [(13, 14, 17), (1, 20, 23)])
def test_dilated_and_eroded_as_by_scipy(dilate, others, shape):
    image = labelled("i4", shape)
    reach = np.arange(-abs(dilate), abs(dilate) + 1)
    z, y, x = np.meshgrid(reach if shape[0] > 1 else [0], reach, reach, indexing="ij")
    ball = z * z + y * y + x * x <= dilate * dilate
    boxes = bounding_boxes(image)
    for label in np.unique(image[image > 0]):
        expected = image == label
        if dilate:
            expected = (ndimage.binary_dilation if dilate > 0 else ndimage.binary_erosion)(expected, ball)
        if others:
            expected &= (image == 0) | (image == label)
        for known in (None, boxes):
            one = get_label(image, label, 1, dilate, others, known)
            assert one.volume_dilated == expected.sum() and (one.subvol == expected[one.slice]).all()
            assert one.volume_initial == (image == label).sum()
            centre = ndimage.center_of_mass(image == label)
            assert np.allclose(one.centre_of_mass, centre, rtol=0, atol=1e-12)
            assert np.allclose(one.centre_of_mass_rel + [part.start for part in one.slice], centre)


@pytest.mark.parametrize("radius", [30, -12])
def test_large_balls_are_quick(radius):
    """The cost of a voxel goes by the radius, not by the voxels of the ball."""
    image = np.zeros((90, 95, 100), "u2")
    grid = np.indices(image.shape)
    image[sum((axis - 45) ** 2 for axis in grid) <= 20**2] = 7
    image[60:80, 60:80, 60:80] = 3
    far = ndimage.distance_transform_edt(image != 7) if radius > 0 else ndimage.distance_transform_edt(image == 7)
    expected = (far <= radius) & (image != 3) if radius > 0 else far > -radius
    began = time.process_time()
    one = get_label(image, 7, label_dilate=radius)
    assert time.process_time() - began < 1
    assert one.volume_dilated == expected.sum() and (one.subvol == expected[one.slice]).all()


def test_a_label_that_is_not_there():
    image = labelled()
    boxes = bounding_boxes(image)
    for label in (0, 4, 77):
        assert get_label(image, label) is None and get_label(image, label, bounding_boxes=boxes) is None
