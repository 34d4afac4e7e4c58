"""Geometry of a scan in mumott's .geo files: an archive (tar) of texts (JSON)."""

import io
import json
import math
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.images.files import LoneFile
from hpcdvc.images.volume import reading
from hpcdvc.output import files
from hpcdvc.tomography.geometry import Geometry, Goniometer, is_rotation

#: Bytes of a text in the archive at most.
LONGEST = 2**28


@dataclass(frozen=True, eq=False)
class Geo:
    """What such a file holds.

    Attributes
    ----------
    rotations : (n, 3, 3)
    j_offsets, k_offsets : (n,) pixels
    inner, outer : (n,) radian, NaN where they are not known
    goniometer : what rotations and angles mean
    shape, volume : (J, K) of views and (X, Y, Z) of the volume; None where they are not known
    """

    rotations: np.ndarray
    j_offsets: np.ndarray
    k_offsets: np.ndarray
    inner: np.ndarray
    outer: np.ndarray
    goniometer: Goniometer
    shape: tuple[int, int] | None
    volume: tuple[int, int, int] | None


def write_geo(
    path: str | Path,
    geometry: Geometry,
    j_offsets: np.ndarray,
    k_offsets: np.ndarray,
    detector: dict[str, list] | None = None,
) -> None:
    """Write directions and offsets of views.

    Parameters
    ----------
    path : of the file
    geometry : where the views look from
    j_offsets, k_offsets : (n,) pixels
    detector : what `Scan.detector` has of the scattering detector

    Raises
    ------
    RunError : the disk does not take it
    """
    known, n = geometry.goniometer, geometry.views
    members = {
        "_rotations": geometry.rotations.tolist(),
        "_j_offsets": np.asarray(j_offsets, float).tolist(),
        "_k_offsets": np.asarray(k_offsets, float).tolist(),
        "p_direction_0": known.p.tolist(),
        "j_direction_0": known.u.tolist(),
        "k_direction_0": known.w.tolist(),
        "projection_shape": list(geometry.shape),
        "volume_shape": list(geometry.volume),
        "_inner_angles": _or_null(geometry.inner),
        "_outer_angles": _or_null(geometry.outer),
        "_inner_axes": np.broadcast_to(known.inner_axis, (n, 3)).tolist(),
        "_outer_axes": np.broadcast_to(known.outer_axis, (n, 3)).tolist(),
        **(detector or {}),
        "checksum": [0],
    }
    with files.whole_file(path) as temporary, files.fill(temporary, "w+b") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name, value in members.items():
                text = json.dumps(value).encode()
                header = tarfile.TarInfo(name)
                header.size, header.mode = len(text), 0o644
                archive.addfile(header, io.BytesIO(text))


def _or_null(values: np.ndarray) -> list[float | None]:
    return [float(value) if math.isfinite(value) else None for value in values]


def is_geo(path: str) -> bool:
    """Whether a file is such an archive."""
    return os.path.isfile(path) and tarfile.is_tarfile(path)


def read_geo(path: str) -> Geo:
    """Read a .geo file.

    Raises
    ------
    UserError : it is none, is damaged, or lacks something
    """
    with reading(path), LoneFile(path) as file, tarfile.open(fileobj=file, mode="r:") as archive:
        members = {member.name: _json(archive, member, path) for member in archive if member.isreg()}
    rotations = _array(members, "_rotations", path, (3, 3))
    n = len(rotations)
    for view, matrix in enumerate(rotations):
        if not is_rotation(matrix):
            raise UserError(f"{path}: the matrix of view {view} is no rotation")
    j, k = (_array(members, name, path, (), n) for name in ("_j_offsets", "_k_offsets"))
    if not (np.isfinite(j) & np.isfinite(k)).all():
        raise UserError(f"{path}: an offset is no number")
    inner, outer = (_array(members, name, path, (), n, True) for name in ("_inner_angles", "_outer_angles"))
    usual = Goniometer()
    start = {
        key: _array(members, name, path, (), 3) if name in members else getattr(usual, key)
        for key, name in {"p": "p_direction_0", "u": "j_direction_0", "w": "k_direction_0"}.items()
    }
    axes = {
        key: _array(members, name, path, (3,), n) if name in members else getattr(usual, key)
        for key, name in {"inner_axis": "_inner_axes", "outer_axis": "_outer_axes"}.items()
    }
    shapes = [_sizes(members, name, count, path) for name, count in (("projection_shape", 2), ("volume_shape", 3))]
    return Geo(rotations, j, k, inner, outer, Goniometer(**start, **axes), *shapes)


def _json(archive: tarfile.TarFile, member: tarfile.TarInfo, path: str) -> object:
    if member.size > LONGEST:
        raise UserError(f"{path} is damaged: its part {quoted(member.name)} claims {member.size} bytes")
    return json.loads(archive.extractfile(member).read())


def _array(
    members: dict, name: str, path: str, shape: tuple[int, ...], count: int | None = None, optional: bool = False
) -> np.ndarray:
    """Numbers (count, *shape) of a member; NaN for null, and where it is optional and not there."""
    if name not in members:
        if optional:
            return np.full((count, *shape), np.nan)
        raise UserError(f"{path} is no geometry of a scan: it has no part {name}")
    try:
        found = np.array(members[name], dtype=float)
    except (TypeError, ValueError):
        found = np.empty(0)
    wanted = (len(found) if found.ndim and count is None else count, *shape)
    if found.shape != wanted or not len(found):
        raise UserError(f"{path}: its part {name} has shape {found.shape}, which does not fit the number of views")
    return found


def _sizes(members: dict, name: str, count: int, path: str) -> tuple[int, ...] | None:
    if name not in members:
        return None
    found = _array(members, name, path, (), count)
    if not ((found >= 1) & (found == np.floor(found)) & (found < 2**31)).all():
        raise UserError(f"{path}: its part {name} is {quoted(members[name])}, where whole numbers are meant")
    return tuple(int(n) for n in found)
