"""NIfTI and MetaImage files, written byte by byte."""

import gzip
import struct
import zlib

import numpy as np

#: Type of numbers -> NIfTI's code, and MetaImage's name.
NIFTI = {"u1": 2, "i2": 4, "i4": 8, "f4": 16, "f8": 64, "i1": 256, "u2": 512, "u4": 768, "i8": 1024}
META = {"u1": "UCHAR", "i1": "CHAR", "u2": "USHORT", "i2": "SHORT", "u4": "UINT", "i4": "INT", "f4": "FLOAT",
        "f8": "DOUBLE", "i8": "LONG_LONG"}  # fmt: skip


def nifti_bytes(array: np.ndarray, version: int = 1, order: str = "<", **fields) -> bytes:
    """A NIfTI file: fields are `slope`, `zero`, and those of the header that are to be wrong."""
    known = {"dim": (array.ndim, *array.shape[::-1], *(1,) * (7 - array.ndim)), "code": NIFTI[array.dtype.str[1:]],
             "bits": 8 * array.itemsize, "start": 352 if version == 1 else 544, "slope": 1.0, "zero": 0.0,
             "magic": b"n+1\0" if version == 1 else b"n+2\0\r\n\x1a\n"} | fields  # fmt: skip
    if version == 1:
        header = bytearray(352)
        places = {"size": (0, "i", 348), "code": (70, "h"), "bits": (72, "h"), "start": (108, "f"),
                  "slope": (112, "f"), "zero": (116, "f"), "dim": (40, "8h"), "magic": (344, "4s")}  # fmt: skip
    else:
        header = bytearray(544)
        places = {"size": (0, "i", 540), "magic": (4, "8s"), "code": (12, "h"), "bits": (14, "h"), "dim": (16, "8q"),
                  "start": (168, "q"), "slope": (176, "d"), "zero": (184, "d")}  # fmt: skip
    for name, (place, kind, *value) in places.items():
        found = value[0] if value else known[name]
        struct.pack_into(order + kind, header, place, *(found if isinstance(found, tuple) else (found,)))
    return bytes(header) + array.astype(array.dtype.newbyteorder(order)).tobytes()


def save_nifti(path, array: np.ndarray, **fields) -> None:
    """Write a NIfTI file, compressed where its name ends in .gz."""
    content = nifti_bytes(array, **fields)
    path.write_bytes(gzip.compress(content, 1) if path.suffix == ".gz" else content)


def save_meta(path, array: np.ndarray, order="<", packed=False, beside: str | None = None, **keys) -> None:
    """Write a MetaImage file; `beside` names that of the voxels, keys stand in the header, None takes one out of it."""
    content = array.astype(array.dtype.newbyteorder(order)).tobytes()
    content = zlib.compress(content, 1) if packed else content
    channels = keys.pop("channels", 1)
    shape = array.shape[: array.ndim - (channels > 1)]
    known = {"ObjectType": "Image", "NDims": len(shape), "BinaryData": "True",
             "BinaryDataByteOrderMSB": str(order == ">"), "CompressedData": str(packed),
             "DimSize": " ".join(map(str, shape[::-1])), "ElementNumberOfChannels": channels,
             "ElementType": f"MET_{META[array.dtype.str[1:]]}"}  # fmt: skip
    known |= {"CompressedDataSize": len(content)} if packed else {}
    known |= keys
    lines = [f"{name} = {value}" for name, value in known.items() if value is not None]
    header = "\n".join([*lines, f"ElementDataFile = {beside or 'LOCAL'}"]) + "\n"
    path.write_bytes(header.encode() + (b"" if beside else content))
    if beside:
        (path.parent / beside).write_bytes(content)
