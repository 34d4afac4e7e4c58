"""Some planes of a volume, whatever the file: the same voxels, and the memory of these planes alone."""

import subprocess
import sys

import h5py
import numpy as np
import pytest
import tifffile

from hpcdvc.errors import RunError
from hpcdvc.images import describe, opening, read_planes

VOLUME = np.random.default_rng(1).integers(0, 60000, (23, 9, 11)).astype(np.uint16)


def save(folder, kind: str) -> str:
    """The volume in a file of some kind; returns how it is named."""
    path = folder / f"v.{'h5' if kind.startswith('h5') else 'npy' if kind == 'npy' else 'tif'}"
    if kind.startswith("h5"):
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=VOLUME, chunks=(7, 4, 5) if kind == "h5 chunks" else None)
    elif kind == "npy":
        np.save(path, VOLUME[:, ::-1].astype(">u2"))  # of the other byte order: it cannot be mapped
    elif kind == "slices":
        path = folder / "slices"
        path.mkdir()
        for k, image in enumerate(VOLUME):
            tifffile.imwrite(path / f"s{k:03d}.tif", image)
    elif kind == "deep pages":
        volume = np.repeat(np.repeat(VOLUME[:20], 2, axis=1), 2, axis=2)[:, :16, :16]
        tifffile.imwrite(path, volume, volumetric=True, tile=(16, 16, 16), compression="zlib")
    else:
        tifffile.imwrite(path, VOLUME, compression=None if kind == "tif" else "zlib")
    return str(path)


@pytest.mark.parametrize("kind", ["tif", "zlib", "slices", "npy", "h5", "h5 chunks", "deep pages"])
def test_planes(tmp_path, kind):
    info = describe(save(tmp_path, kind))
    whole = opening.open_volume(info)
    for start, stop in ((0, 23), (0, 1), (6, 8), (7, 14), (13, 20), (22, 23)):
        start, stop = min(start, len(whole) - 1), min(stop, len(whole))
        planes = read_planes(info, start, stop)
        np.testing.assert_array_equal(planes, whole[start:stop])
        assert planes.dtype == info.dtype and not planes.flags.writeable


def test_depth(tmp_path):
    assert describe(save(tmp_path, "h5 chunks")).depth == 7
    assert describe(save(tmp_path, "zlib")).depth == 1
    assert describe(save(tmp_path, "deep pages")).depth == 20


MEASURE = """
import resource, sys
from hpcdvc.images import describe, read_planes
info = describe(sys.argv[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for z in range(0, info.shape[0], 8):
    read_planes(info, z, z + 8).max()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory(tmp_path):
    """A volume of 256 MB is read in parts of 8 MB."""
    tifffile.imwrite(tmp_path / "v.tif", np.zeros((256, 1024, 1024), np.uint8), compression="zlib")
    words = [sys.executable, "-c", MEASURE, str(tmp_path / "v.tif")]
    grown = int(subprocess.run(words, capture_output=True, text=True, timeout=60, check=True).stdout)
    assert grown < 40_000, f"{grown} kB"


def test_no_room(tmp_path, monkeypatch):
    info = describe(save(tmp_path, "zlib"))

    def refuse(*arguments, **how):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(opening.mmap, "mmap", refuse)
    with pytest.raises(RunError, match="no room in the address space for"):
        read_planes(info, 0, 1)
