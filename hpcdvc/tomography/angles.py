"""Angles of views: from a text, or from a dataset of the scan."""

import os
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.images.hdf5_links import follow
from hpcdvc.images.volume import reading
from hpcdvc.output.files import open_regular
from hpcdvc.tomography.parts import attribute, numbers, opened

if TYPE_CHECKING:
    import h5py

#: Bytes of a text of angles at most.
LONGEST = 2**26


def read_angles(name: str, path: str | None, spec: str) -> np.ndarray:
    """Angles that `-angles` or `-tilt` names.

    Parameters
    ----------
    name : a text of numbers in degrees, a line for each view, or a dataset
    path : HDF5 file of the scan, which holds the dataset; None: it is no such file
    spec : the scan, for messages

    Returns
    -------
    (n, 1) or (n, 2) float64, radian

    Raises
    ------
    UserError : there is none, or it holds anything else
    """
    if path is not None:
        with opened(path, spec) as file:
            found = stored_angles(file, name, spec)
        if found is not None:
            return found
    if not os.path.exists(name):
        also = f", and {spec} has no such dataset" if path is not None else ""
        raise UserError(f"there is no file {name} of angles{also}")
    return _text(name)


def stored_angles(file: "h5py.Group", name: str, spec: str) -> np.ndarray | None:
    """(n, 1) or (n, 2) radian of a dataset in degrees, unless its units say radian; None if there is none."""
    found = numbers(file, name, spec)
    if found is None:
        return None
    place = f"{spec}:{name}"
    found = found.reshape(len(found), -1) if found.ndim else found.reshape(1, 1)
    if found.shape[1] not in (1, 2):
        raise UserError(f"{place} has shape {found.shape}: an angle for each view is meant, or an angle and a tilt")
    units = attribute(follow(file, name, spec), "units") or ""
    return found if units.lower().startswith("rad") else np.deg2rad(found)


def _text(path: str) -> np.ndarray:
    """Numbers of a text, one or two in each line; what follows a # is not read."""
    with reading(path):
        with os.fdopen(open_regular(path), "rb") as stream:
            text = stream.read(LONGEST + 1)
    if len(text) > LONGEST:
        raise UserError(f"{path} is too long to be a list of angles")
    rows = []
    for number, line in enumerate(text.decode(errors="replace").splitlines(), 1):
        words = line.partition("#")[0].replace(",", " ").replace(";", " ").split()
        if not words:
            continue
        try:
            rows.append([float(word) for word in words])
        except ValueError:
            raise UserError(f"{path}, line {number}: {quoted(line.strip())} is no number of degrees") from None
        if len(rows[-1]) > 2 or len(rows[-1]) != len(rows[0]):
            raise UserError(f"{path}, line {number}: an angle in each line is meant, or an angle and a tilt")
    if not rows:
        raise UserError(f"{path} holds no angles")
    return np.deg2rad(np.array(rows))


def check_angles(angles: np.ndarray, views: int, name: str, spec: str) -> None:
    """Refuse angles of another number than the views of a scan, and those that are not finite."""
    if len(angles) != views:
        raise UserError(f"{name} has {len(angles)} angles, {spec} has {views} view{'s' * (views != 1)}")
    wrong = np.flatnonzero(~np.isfinite(angles).reshape(views, -1).all(axis=1))
    if wrong.size:
        raise UserError(f"{name}: the angle of view {wrong[0]} is not finite")
