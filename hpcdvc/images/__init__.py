"""Volumes: what a file holds (`describe`), and one read-only copy of it per node (`open_volume`).

May import `errors`, `kernels`, `options`, `fields`. Begin reading with `volume`, then `opening`.
"""

from hpcdvc.images.masks import open_mask
from hpcdvc.images.opening import OpenVolumes, describe, mapped_volume, open_volume, read_box, read_planes
from hpcdvc.images.provenance import identity
from hpcdvc.images.raw import RawLayout
from hpcdvc.images.volume import VolumeInfo, check_mask, check_pair, memory_text

__all__ = [
    "OpenVolumes",
    "RawLayout",
    "VolumeInfo",
    "check_mask",
    "check_pair",
    "describe",
    "identity",
    "mapped_volume",
    "memory_text",
    "open_mask",
    "open_volume",
    "read_box",
    "read_planes",
]
