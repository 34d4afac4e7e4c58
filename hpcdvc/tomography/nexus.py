"""Where scans in NXtomo and DataExchange files have their views, flats, darks and angles."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import describe
from hpcdvc.tomography.angles import stored_angles
from hpcdvc.tomography.frames import Frames
from hpcdvc.tomography.parts import numbers, part, text

if TYPE_CHECKING:
    import h5py

#: What `image_key` says of a frame of NXtomo.
VIEW, FLAT, DARK = 0, 1, 2
DATA, KEYS, ANGLES = "data", "image_key", "sample/rotation_angle"


@dataclass(frozen=True, eq=False)
class Stored:
    """What a file holds.

    Attributes
    ----------
    frames : the views
    flat, dark : frames without sample, and without beam; None if there are none
    angles : (n, 1) radian of the views; (n, 2) with a tilt; None if there are none
    name : of the angles, for messages
    """

    frames: Frames
    flat: Frames | None = None
    dark: Frames | None = None
    angles: np.ndarray | None = None
    name: str = ""


def nxtomo_entry(file: "h5py.File", spec: str) -> "h5py.Group | None":
    """The first NXtomo entry of a file, by its definition or its image keys; None if it has none."""
    for group in _groups(file, spec):
        if text(group, "definition", spec) == "NXtomo" or _detector(group, spec) is not None:
            return group
    return None


def _groups(file: "h5py.File", spec: str) -> Iterator["h5py.Group"]:
    """Groups of a file, and those in them."""
    import h5py

    for name in sorted(file):
        group = part(file, name, spec)
        if isinstance(group, h5py.Group):
            yield group
            inner = [part(group, name, spec) for name in sorted(group)]
            yield from (node for node in inner if isinstance(node, h5py.Group))


def _detector(entry: "h5py.Group", spec: str) -> "h5py.Group | None":
    """The detector of an entry that says what its frames are; None if there is none."""
    import h5py

    instrument = part(entry, "instrument", spec)
    if not isinstance(instrument, h5py.Group):
        return None
    for name in sorted(instrument):
        node = part(instrument, name, spec)
        if isinstance(node, h5py.Group) and part(node, KEYS, spec) is not None:
            return node
    return None


def read_nxtomo(entry: "h5py.Group", path: str, spec: str) -> Stored:
    """Frames and angles of an NXtomo entry.

    Raises
    ------
    UserError : something is missing, or of another length than the frames
    """
    detector = _detector(entry, spec)
    if detector is None:
        raise UserError(f"{spec} is NXtomo without {KEYS}, which says what its frames are")
    if part(detector, DATA, spec) is None:
        raise UserError(f"{spec} is NXtomo without {detector.name}/{DATA}: it holds no projections")
    info = describe(f"{path}:{detector.name}/{DATA}")
    keys = numbers(detector, KEYS, spec).ravel()
    count = info.shape[0]
    if len(keys) != count:
        raise UserError(f"{spec}: {KEYS} has {len(keys)} entries for {count} frames")
    views, flat, dark = (np.flatnonzero(keys == key).tolist() for key in (VIEW, FLAT, DARK))
    if not views:
        raise UserError(f"{spec} holds no projections: no {KEYS} is {VIEW}")
    name = f"{entry.name}/{ANGLES}"
    angles = stored_angles(entry, ANGLES, spec)
    if angles is not None:
        if len(angles) != count:
            raise UserError(f"{spec}: {name} has {len(angles)} angles for {count} frames")
        angles = angles[views]
    flat, dark = (Frames(info, numbers) if numbers else None for numbers in (flat, dark))
    return Stored(Frames(info, views), flat, dark, angles, f"{spec}:{name}")


def is_exchange(file: "h5py.File", spec: str) -> bool:
    """Whether it is a DataExchange file."""
    return part(file, "exchange/data", spec) is not None


def read_exchange(file: "h5py.File", path: str, spec: str) -> Stored:
    """Frames and angles of a DataExchange file; UserError where they cannot be read."""
    frames, flat, dark = (
        Frames.all(describe(f"{path}:/exchange/{name}")) if part(file, f"exchange/{name}", spec) is not None else None
        for name in ("data", "data_white", "data_dark")
    )
    return Stored(frames, flat, dark, stored_angles(file, "exchange/theta", spec), f"{spec}:/exchange/theta")
