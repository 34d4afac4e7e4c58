"""Views about one axis as NXtomo, the form in which tomopy, httomo and CIL take them."""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from hpcdvc.output import files
from hpcdvc.output.slab_file import contiguous
from hpcdvc.output.transports import GatheredFile, put_text

#: What `image_key` says of a frame.
VIEW, FLAT, DARK = 0, 1, 2


def write_nxtomo(
    path: str | Path,
    shape: tuple[int, int, int],
    frames: Iterator[np.ndarray],
    angles: np.ndarray,
    absorbances: bool = True,
) -> None:
    """Write views, one after the other.

    Absorbances A become the light that is left, 10^-A, with a dark of 0 and a flat of 1 before them, so that what
    programs do to raw frames, and their logarithm, does no harm.

    Parameters
    ----------
    path : of the file
    shape : (views, rows, columns)
    frames : (rows, columns) of each view; rows are along the axis
    angles : (views,) degrees
    absorbances : the frames are such; otherwise they are written as they are

    Raises
    ------
    RunError : the disk does not take it
    """
    count, *size = shape
    before = [DARK, FLAT] if absorbances else []
    keys = np.array(before + [VIEW] * count, np.int32)
    degrees = np.concatenate([np.zeros(len(before)), angles])
    with files.whole_file(path, 4 * math.prod((len(keys), *size))) as temporary, GatheredFile(temporary) as out:
        root = _group(out.file, "entry", "NXentry")
        out.file.attrs["default"] = np.bytes_("entry")
        root.create_dataset("definition", data=np.bytes_("NXtomo"), track_times=False)
        detector = _group(_group(root, "instrument", "NXinstrument"), "detector", "NXdetector")
        sample, shown = _group(root, "sample", "NXsample"), _group(root, "data", "NXdata")
        sample.create_dataset("name", data=np.bytes_("aligned"), track_times=False)
        detector.create_dataset("image_key", data=keys, track_times=False)
        turned = sample.create_dataset("rotation_angle", data=degrees, track_times=False)
        turned.attrs["units"] = np.bytes_("degrees")
        contiguous(detector, "data", (len(keys), *size), np.dtype(np.float32))
        data = detector["data"]
        for k in range(len(before)):
            data[k] = np.full(size, k, np.float32)
        for k, frame in enumerate(frames, len(before)):
            data[k] = np.power(10, -frame, dtype=np.float32) if absorbances else frame
            out.stream.check()
        root.attrs["default"] = np.bytes_("data")
        for name, node in (("data", data), ("rotation_angle", turned), ("image_key", detector["image_key"])):
            shown[name] = node
        put_text(shown, "signal", "data")


def _group(parent, name: str, kind: str):
    group = parent.create_group(name)
    put_text(group, "NX_class", kind)
    return group
