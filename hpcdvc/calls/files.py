"""What a Python user has in memory, as files for the time of a call; and what messages call these files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import yaml

from hpcdvc.errors import quoted, shortened
from hpcdvc.fields.field import Field
from hpcdvc.output.dense_result import DenseResult
from hpcdvc.output.mesh import OURS
from hpcdvc.output.save import save
from hpcdvc.registration.multiscale import RegistrationResult


class Files:
    """Files of a call.

    Parameters
    ----------
    folder : where those are that stand for what is in memory

    Attributes
    ----------
    made : parameters by the path of the file that stands for each
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, str] = {}

    def put(self, name: str, value: Any, kind: str) -> str | None:
        """Write a value into a file.

        Parameters
        ----------
        name : of the parameter
        value : what a user has given
        kind : what the file is, as its option is declared with ``reads``

        Returns
        -------
        path; None where such a file cannot hold such a value

        Raises
        ------
        TypeError : an array of no numbers that an image can hold
        """
        path = self.folder / name
        if kind == "projections":
            kind = "parameters" if name in ANGLES else "volume"
            value = _table(name, value) if name in ANGLES and isinstance(value, list | tuple) else value
        if kind in ("volume", "scan") and hasattr(value, "__array__"):
            path = path.with_suffix(".npy")
            np.save(path, _voxels(name, value))
        elif kind == "table" and isinstance(value, Field | RegistrationResult):
            path = path.with_suffix(".hdf")
            save(path, value if isinstance(value, Field) else _one_row(value))
        elif kind == "table" and name in POINTS and hasattr(value, "__array__"):
            path = path.with_suffix(".txt")
            np.savetxt(path, _table(name, value))
        elif kind == "mesh" and getattr(value, "elements", None) is not None:
            path = path.with_suffix(".hdf")
            save(path, value)
        elif kind == "mesh" and isinstance(value, tuple | list) and len(value) in (2, 3):
            path = path.with_suffix(".h5")
            with h5py.File(path, "w") as file:
                for dataset, array in zip(OURS, value, strict=False):
                    file[dataset] = _numbers(name, dataset.removeprefix("mesh-"), array)
        elif kind == "parameters" and isinstance(value, Mapping):
            path = path.with_suffix(".yaml")
            path.write_text(yaml.safe_dump(_plain(value)))
        elif kind == "parameters" and hasattr(value, "__array__"):
            path = path.with_suffix(".txt")
            np.savetxt(path, _table(name, value))
        else:
            return None
        self.made[str(path)] = name
        return str(path)

    def named(self, text: str) -> str:
        """A sentence with the parameters in place of the files that stand for them."""
        for path, name in self.made.items():
            text = text.replace(path, name)
            for cut in re.findall(r"(?<=')([^']+)\.\.\.", text):  # a long one that a message has cut
                if path.startswith(cut):
                    text = text.replace(f"{cut}...", f"{name}'")
        return text.replace(f"{self.folder}/", "")


#: Parameters that are numbers for each view of a tomographic scan; the others of its files are images.
ANGLES = ("angles", "tilt")
#: Parameters that are points, in rows Z Y X, as hpcdvc.commands.guidingPoints gives them.
POINTS = ("guiding_points", "points_file")
#: What a parameter takes beside a path, in words, by what the file is.
TAKES = {
    "volume": "an array or a path",
    "scan": "an array or a path",
    "projections": "an array or a path",
    "table": "a Field or a path",
    "mesh": "(points, connectivity), perhaps with displacements, a result of a mesh, or a path",
    "parameters": "a dictionary or a path",
}


def wrong(name: str, kind: str, value: Any) -> TypeError:
    """The error for a value that cannot be a file of a kind."""
    given = f"a result of pixels: {value!r}" if isinstance(value, DenseResult) else type(value).__name__
    taken = "an array of points, " * (name in POINTS) + TAKES.get(kind, "a path")
    return TypeError(f"{name} takes {taken}, not {shortened(given)}")


def _numbers(name: str, part: str, given: Any) -> np.ndarray:
    """A part of a mesh as an array."""
    array = _array(given)
    if array.dtype.kind not in "iuf":
        raise TypeError(f"{name} takes an array of numbers as {part}, not {quoted(given)}")
    return array


def _array(given: Any) -> np.ndarray:
    """The array, of objects where rows have several lengths."""
    try:
        return np.asarray(given)
    except ValueError:
        return np.array(None)


def _table(name: str, given: Any) -> np.ndarray:
    """An array of rows of numbers."""
    array = _array(given)
    if array.dtype.kind not in "iuf" or array.ndim not in (1, 2):
        raise TypeError(f"{name} takes an array of numbers in rows, not {quoted(given)}")
    return array


def _voxels(name: str, given: Any) -> np.ndarray:
    """The array with voxels of a type that images have; whole numbers of 64 bits where they fit into 32."""
    hidden = np.count_nonzero(np.ma.getmaskarray(given)) if np.ma.isMaskedArray(given) else 0
    if hidden:  # what is behind a mask is not voxels
        way_out = f"{name}.filled(np.nan) of floating point numbers leaves them out"
        raise TypeError(f"{name} is a masked array, which hides {hidden} voxels: {way_out}")
    array = np.asarray(given)
    if array.dtype.kind not in "biuf" or array.ndim < 2:
        found = f"{array.dtype} of shape {array.shape}"
        raise TypeError(f"{name} takes an array of numbers in two or three dimensions, not {found}")
    if array.dtype.kind == "f" and array.dtype.itemsize not in (4, 8):
        return array.astype(np.float32 if array.dtype.itemsize < 4 else np.float64)
    if array.dtype.kind not in "iu" or array.dtype.itemsize < 8:
        return array
    small = np.dtype("u4" if array.size and array.min() >= 0 else "i4")
    limits = np.iinfo(small)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise ValueError(f"{name} holds whole numbers up to {array.max()}: images have at most 32 bits")
    return array.astype(small)


def _one_row(found: RegistrationResult) -> Field:
    """What `hpcdvc.register` gives, as the field of one row that the command writes."""
    row = (found.return_status, found.error, found.iterations, found.delta_phi_norm)
    return Field(np.array([found.centre], float), np.array([found.phi], float), *(np.array([value]) for value in row))


def _plain(value: Any) -> Any:
    """Dictionaries, lists and numbers that YAML knows."""
    if isinstance(value, Mapping):
        return {key: _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(entry) for entry in value]
    return value.item() if isinstance(value, np.generic) else value
