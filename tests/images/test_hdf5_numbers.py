"""Numbers that numpy has not, in HDF5: read rightly or refused as what they are; never mapped, never called damaged."""

import numpy as np
import pytest

from hpcdvc.errors import UserError
from hpcdvc.images import describe, open_volume

h5py = pytest.importorskip("h5py")
h5t = h5py.h5t

SHAPE = (3, 4, 5)
LAYOUTS = ["block", "chunks"]


def write(path, kind, words, layout="block"):
    """A dataset of some type, its words as they are."""
    with h5py.File(path, "w") as file:
        how = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        if layout == "chunks":
            how.set_chunk((2, 4, 5))
        data = h5py.h5d.create(file.id, b"d", kind, h5py.h5s.create_simple(SHAPE), how)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ascontiguousarray(words), mtype=kind)


def check(path, expected):
    info = describe(str(path))
    assert info.offset is None
    np.testing.assert_array_equal(open_volume(info), expected.astype(info.dtype))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["LE", "BE"])
@pytest.mark.parametrize("sign", ["U", "I"])
@pytest.mark.parametrize(
    ("size", "precision", "offset"), [(2, 12, 0), (2, 12, 4), (2, 12, 2), (2, 8, 8), (4, 20, 0), (4, 20, 5), (1, 4, 0)]
)
def test_integers_of_fewer_bits(tmp_path, sign, order, size, precision, offset, layout):
    """Bits that do not count are anything, and the sign is not that of the word."""
    random = np.random.default_rng(1)
    low = 0 if sign == "U" else -(2 ** (precision - 1))
    values = random.integers(low, low + 2**precision, SHAPE)
    rest = 8 * size - precision - offset
    words = (values & (2**precision - 1)) << offset | random.integers(2**offset, size=SHAPE)
    words |= random.integers(2**rest, size=SHAPE) << (precision + offset)
    kind = getattr(h5t, f"STD_{sign}{8 * size}{order}").copy()
    kind.set_precision(precision)
    kind.set_offset(offset)
    write(tmp_path / "v.h5", kind, words.astype(("<u" if order == "LE" else ">u") + str(size)), layout)
    check(tmp_path / "v.h5", values)


#: bytes; places and sizes of sign, exponent and mantissa; bias; precision
FLOATS = {
    "16 bits in 32": (4, 15, 10, 5, 0, 10, 15, 16),
    "bfloat16": (2, 15, 7, 8, 0, 7, 127, 16),
    "bfloat16 in 32": (4, 31, 23, 8, 16, 7, 127, 32),
    "24 bits in 32": (4, 23, 16, 7, 0, 16, 63, 24),
    "bias 100": (4, 31, 23, 8, 0, 23, 100, 32),
    "bias 200": (4, 31, 23, 8, 0, 23, 200, 32),
    "32 bits in 64": (8, 31, 23, 8, 0, 23, 127, 32),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("what", FLOATS)
def test_other_floats(tmp_path, what, order, layout):
    size, sign_place, place, bits, mantissa_place, mantissa_bits, bias, precision = FLOATS[what]
    kind = getattr(h5t, f"IEEE_F{8 * size}{'LE' if order == '<' else 'BE'}").copy()
    kind.set_fields(sign_place, place, bits, mantissa_place, mantissa_bits)
    kind.set_precision(precision)
    kind.set_ebias(bias)
    random = np.random.default_rng(1)
    exponent = random.integers(max(1, bias - 9), bias + 9, SHAPE)
    mantissa, negative = random.integers(2**mantissa_bits, size=SHAPE), random.integers(2, size=SHAPE)
    words = negative << sign_place | exponent << place | mantissa << mantissa_place
    write(tmp_path / "v.h5", kind, words.astype(f"{order}u{size}"), layout)
    check(tmp_path / "v.h5", (1 - 2.0 * negative) * (1 + mantissa / 2**mantissa_bits) * 2.0 ** (exponent - bias))


def test_source_of_fewer_bits(tmp_path):
    """HDF5 itself reads sources of virtual datasets: rightly in their own byte order only."""
    values = np.random.default_rng(1).integers(-2048, 2048, SHAPE)
    for order in ("LE", "BE"):
        kind = getattr(h5t, f"STD_I16{order}").copy()
        kind.set_precision(12)
        write(tmp_path / "v.h5", kind, (values & 0xFFF).astype("<u2" if order == "LE" else ">u2"))
        with h5py.File(tmp_path / "virtual.h5", "w") as file:
            layout = h5py.VirtualLayout(SHAPE, "<i2")
            layout[:] = h5py.VirtualSource("v.h5", "d", SHAPE)
            file.create_virtual_dataset("v", layout)
        if order == "LE":
            check(tmp_path / "virtual.h5", values)
        else:
            with pytest.raises(UserError, match="v.h5:d, whose numbers cannot be read from there: copy it"):
                describe(str(tmp_path / "virtual.h5"))


@pytest.mark.parametrize("order", ["LE", "BE"])
def test_bits_and_names(tmp_path, order):
    values = np.random.default_rng(1).integers(0, 60000, SHAPE)
    words = values.astype("<u2" if order == "LE" else ">u2")
    write(tmp_path / "v.h5", getattr(h5t, f"STD_B16{order}"), words)
    check(tmp_path / "v.h5", values)
    kind = h5t.py_create(h5py.enum_dtype({"void": 0, "grain": 7}, words.dtype), logical=True)
    write(tmp_path / "v.h5", kind, words)
    np.testing.assert_array_equal(open_volume(describe(str(tmp_path / "v.h5"))), values)


def test_numbers_that_are_refused(tmp_path):
    for kind in (h5t.IEEE_F128LE, h5t.IEEE_F128BE, h5t.UNIX_D32LE):
        write(tmp_path / "v.h5", kind, np.zeros(SHAPE, f"V{kind.get_size()}"))
        with pytest.raises(UserError, match="holds voxels of a type that cannot be read .*: convert it"):
            describe(str(tmp_path / "v.h5"))
    for kind, name in ((h5t.NATIVE_LDOUBLE, "longdouble"), (h5t.IEEE_F16LE, "float16")):
        write(tmp_path / "v.h5", kind, np.zeros(SHAPE, f"V{kind.get_size()}"))
        with pytest.raises(UserError, match=f"holds {np.dtype(name).name} voxels: convert it"):
            describe(str(tmp_path / "v.h5"))
