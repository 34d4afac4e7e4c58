"""What a kernel is handed is checked at its entry: one sentence instead of a crash."""

import numpy as np
import pytest
from hpcdvc.kernels.deformation import deform_layer
from hpcdvc.kernels.registration import Sums, bin_planes, label_mask, register_points, sum_planes

from hpcdvc.fields.field import POINT, ROW
from hpcdvc.kernels.arrays import address, record
from hpcdvc.kernels.mapping import Mapping
from hpcdvc.kernels.records import RECORDS, dtype
from hpcdvc.kernels.settings import settings_record
from hpcdvc.kernels.volume import TYPES, Volume
from hpcdvc.registration.kernel_settings import KernelSettings
from hpcdvc.registration.settings import Settings, Window

IMAGE = np.zeros((20, 22, 24), "u2")


def shifted(kind, shape) -> np.ndarray:
    """An array that begins one byte off."""
    size = int(np.prod(shape)) * np.dtype(kind).itemsize
    return np.zeros(size + 1, "u1")[1:].view(kind).reshape(shape)


def test_address():
    array = np.zeros((3, 4))
    assert address(array, "f8", (3, None), "it") == array.ctypes.data
    read_only = array.copy()
    read_only.flags.writeable = False
    assert address(read_only, "f8", (3, 4), "it")
    for wrong in (array.T.copy().T, array[:, ::2], shifted("f8", (3, 4)), array[None], array[:2]):
        with pytest.raises(ValueError, match="^it: "):
            address(wrong, "f8", (3, None), "it")
    with pytest.raises(ValueError, match="written"):
        address(read_only, "f8", (3, 4), "it", fill=True)
    for wrong in (array.astype("f4"), array.astype(">f8"), array.tolist(), np.zeros((3, 4), ROW)):
        with pytest.raises(TypeError, match="^it: "):
            address(wrong, "f8", (3, 4), "it")


@pytest.mark.parametrize("name", RECORDS)
def test_records_have_no_hidden_holes(name):
    """As a C compiler lays them out: every field on a multiple of its own alignment, the size one of the largest."""
    kind = dtype(name)
    assert kind.isalignedstruct and kind.itemsize % kind.alignment == 0
    assert all(offset % field.base.alignment == 0 for field, offset in kind.fields.values())


def test_volume():
    for code in TYPES:
        assert Volume(np.zeros((2, 3, 4), code)).type == TYPES.index(code)
    for wrong in (IMAGE.astype(">u2"), IMAGE.astype("c8"), IMAGE.astype("u8")):
        with pytest.raises(TypeError):
            Volume(wrong)
    for wrong in (IMAGE[0], IMAGE[:, :, ::2], IMAGE[:0], shifted("u2", (3, 4, 5))):
        with pytest.raises(ValueError):
            Volume(wrong)
    with pytest.raises(TypeError):
        Volume(IMAGE, IMAGE)
    with pytest.raises(ValueError):
        Volume(IMAGE, np.zeros((20, 22, 23), "u1"))


def test_register_points():
    volume, settings = Volume(IMAGE), settings_record(KernelSettings(Settings(Window((2, 2, 2)))))
    points, rows = np.zeros(3, POINT), np.zeros(3, ROW)
    register_points(volume, volume, settings, points, rows)
    for error, p, r in (
        (ValueError, points, rows[:2]),
        (ValueError, np.zeros(6, POINT)[::2], rows),
        (ValueError, shifted(POINT, 3), rows),
        (TypeError, rows, rows),
        (TypeError, points, points),
    ):
        with pytest.raises(error):
            register_points(volume, volume, settings, p, r)
    with pytest.raises(TypeError):
        register_points(volume, volume, record("trial"), points, rows)


def test_settings():
    for name, value in (("half_window_size", (2, -1, 2)), ("margin", -1), ("basis", np.zeros((12, 13)))):
        wrong = KernelSettings(Settings(Window((2, 2, 2))))
        setattr(wrong, name, value)
        with pytest.raises(ValueError):
            settings_record(wrong)


def test_masks_of_labels():
    how = record("label_settings", dilate=1)
    mask = np.zeros((2, 2, 2), np.uint8)
    for error, image, target in (
        (TypeError, IMAGE.astype("f4"), mask),
        (TypeError, IMAGE.astype("u1"), mask.view(np.int8)),
        (ValueError, IMAGE.astype("u1"), mask[0]),
        (ValueError, IMAGE.astype("u1"), mask[:, :, ::2]),
    ):
        with pytest.raises(error):
            label_mask(Volume(image), 1, how, (0, 0, 0), target)
    assert label_mask(Volume(np.ones((3, 3, 3), np.uint8)), 1, how, (-2, 0, 0), mask) == 4 == mask[1].sum()
    with pytest.raises(TypeError, match="uint8"):
        volume = Volume(IMAGE.astype("f4"))
        Sums(volume, volume, settings_record(KernelSettings(Settings())), (4, 4, 4), volume)


def test_sums():
    volume, settings = Volume(IMAGE), settings_record(KernelSettings(Settings()))
    with pytest.raises(ValueError, match="tiles"):
        Sums(volume, volume, settings, (0, 4, 4))
    sums, trial = Sums(volume, volume, settings, (4, 4, 4)), record("trial", scale=1.0)
    references, matches = np.zeros(1, dtype("reference")), np.zeros(1, dtype("match"))
    for error, blocks, r in (
        (ValueError, [[[0, 0, 0], [4, 4, 25]]], references),
        (ValueError, [[[-1, 0, 0], [4, 4, 4]]], references),
        (ValueError, [[[0, 0, 0], [4, 4, 4]]], references[:0]),
        (TypeError, [[[0, 0, 0], [4, 4, 4]]], matches),
    ):
        with pytest.raises(error):
            sums(trial, np.array(blocks, "i8"), r, matches)
    with pytest.raises(TypeError):
        sums(trial, np.zeros((1, 2, 3), "i4"), references, matches)


def test_planes():
    volume = Volume(IMAGE)
    for span in ((-1, 2), (3, 2), (0, 21)):
        with pytest.raises(ValueError):
            sum_planes(volume, *span)
    for error, cell, first, out in (
        (ValueError, (2, 2, 2), 0, np.zeros((11, 4, 4), "f4")),
        (ValueError, (2, 2, 2), 9, np.zeros((2, 4, 4), "f4")),
        (ValueError, (2, 2, 2), -1, np.zeros((2, 4, 4), "f4")),
        (ValueError, (0, 2, 2), 0, np.zeros((2, 4, 4), "f4")),
        (TypeError, (2, 2, 2), 0, np.zeros((2, 4, 4))),
    ):
        with pytest.raises(error):
            bin_planes(volume, cell, (0, 0, 0), first, out)


def test_mapping_tables():
    shape = (4, 4, 4)
    nodes, starts = np.zeros((3, 15)), np.array([0, 1, 3])
    places = {"cells": (1, 1, 2), "low": (0, 0, 0), "cell": 2.0, "neighbours": 3}
    Mapping(shape, nodes=nodes, starts=starts, **places)
    for wrong in (
        {"nodes": np.zeros((3, 14))},
        {"nodes": np.zeros((0, 15))},
        {"starts": np.array([0, 3])},
        {"starts": np.array([0, 1, 4])},
        {"starts": np.array([0, 5, 3])},
        {"neighbours": 0},
    ):
        with pytest.raises(ValueError):
            Mapping(shape, **{"nodes": nodes, "starts": starts, **places, **wrong})
    with pytest.raises(ValueError):
        Mapping(shape, affine=np.zeros((4, 4)))
    with pytest.raises(ValueError):
        Mapping(shape, tetrahedra=np.zeros((2, 31)), labels=np.zeros((4, 4, 5), "i4"))
    with pytest.raises(TypeError):
        Mapping(shape, tetrahedra=np.zeros((2, 31)), labels=np.zeros(shape, "i8"))


def test_deform_layer():
    image, mapping = Volume(IMAGE), Mapping(IMAGE.shape, affine=np.eye(4)[:3].copy())
    values, inside, mask = np.zeros((4, 22, 24), "u2"), np.zeros((4, 22, 24), "u1"), np.ones(IMAGE.shape, "u1")
    deform_layer(image, mapping, None, mask, 0, values, inside)
    for error, changes in (
        (ValueError, {"first": 14}),  # of two layers
        (ValueError, {"first": 17}),
        (ValueError, {"first": -1}),
        (ValueError, {"inside": inside[:3]}),
        (ValueError, {"mask2": mask[:4]}),
        (TypeError, {"mask2": mask.astype("u2")}),
        (ValueError, {"mapping": Mapping((1, 22, 24), affine=np.eye(4)[:3].copy())}),
        (ValueError, {"values": np.zeros((4, 22, 23), "u2")}),
        (TypeError, {"values": np.zeros((4, 22, 24), "f4")}),  # copied, not converted
        (TypeError, {"values": np.zeros((4, 22, 24), "c8")}),
    ):
        arguments = {"image": image, "mapping": mapping, "interpolation": None, "mask2": mask, "first": 0}
        arguments |= {"values": values, "inside": inside}
        with pytest.raises(error):
            deform_layer(**{**arguments, **changes})
