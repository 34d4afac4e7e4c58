"""What tells one input from another: its name, its size, and a hash of some of its bytes."""

import bisect
import hashlib
import itertools
import os
from collections.abc import Sequence

from hpcdvc.errors import file_error
from hpcdvc.images.volume import VolumeInfo

#: Bytes of a block, and blocks of a file, that tell it from others.
BLOCK, BLOCKS = 2**16, 16


def identity(info: VolumeInfo) -> dict:
    """What tells one input from another, for provenance and for the key of a checkpoint (JSON-able).

    Returns
    -------
    dict
        Name, dataset, shape (ZYX), dtype, bytes, and the SHA-256 of some blocks of the file, the first and the last
        among them; where several files hold the voxels also their number, and blocks of all of them together.

    Raises
    ------
    UserError
        The file is gone; RunError when the disk fails.
    """
    known = {
        "name": os.path.basename(os.path.normpath(info.path)),
        "dataset": info.dataset,
        "shape": list(info.shape),
        "dtype": info.dtype.name,
    }
    if info.index:
        known["index"] = list(info.index)
    try:
        if os.path.isdir(info.path) or len(info.files) > 1:
            known["files"] = len(info.files)
        known["bytes"], known["sample"] = _sample(info.files)
    except OSError as error:
        raise (file_error(info.spec, error) or error) from error
    return known


def _sample(paths: Sequence[str]) -> tuple[int, str]:
    """Size of files together, and a hash of blocks spread over them and of where each file ends."""
    ends = list(itertools.accumulate(os.path.getsize(path) for path in paths))
    total, found = (ends or [0])[-1], hashlib.sha256(repr(ends).encode())
    for start in sorted({max((total - BLOCK) * k // (BLOCKS - 1), 0) for k in range(BLOCKS)}):
        stop = min(start + BLOCK, total)
        for number in range(bisect.bisect_right(ends, start), len(paths)):
            if start >= stop:
                break
            with open(paths[number], "rb") as file:
                file.seek(start - (ends[number - 1] if number else 0))
                found.update(file.read(stop - start))
            start = ends[number]
    return total, found.hexdigest()
