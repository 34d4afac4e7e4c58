"""Scans in the HDF5 format of mumott: a group for each view, `projections/0` and so on."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hpcdvc.errors import UserError, quoted
from hpcdvc.images.hdf5_storage import files_of
from hpcdvc.images.volume import SLOWEST
from hpcdvc.options.scan import LARGEST
from hpcdvc.tomography import normalise
from hpcdvc.tomography.geometry import Geometry, Goniometer, is_rotation
from hpcdvc.tomography.parts import is_numeric, numbers, opened, part, read_whole
from hpcdvc.tomography.scan import Scan

if TYPE_CHECKING:
    import h5py

#: Names of what a view holds, new and old.
MATRIX, INNER, OUTER = ("rotation_matrix", "rot_mat"), ("inner_angle", "rotations"), ("outer_angle", "tilts")
J_OFFSET, K_OFFSET = ("j_offset", "offset_j"), ("k_offset", "offset_k")
#: What a file says of the detector of scattered light.
DETECTOR = ("detector_angles", "detector_direction_origin", "detector_direction_positive_90", "two_theta")
#: CPU time that the header of a view may take.
SECONDS = 0.1


@dataclass(frozen=True)
class MumottViews:
    """Views of such a file.

    Attributes
    ----------
    spec : the name as the user wrote it
    path : the file
    shape : (J, K) of all views; smaller ones are filled up at their upper ends, without weight
    values : "diode", or "data", whose mean over the segments of the detector is taken as it is
    background : what light there is beside the sample: see `hpcdvc.tomography.normalise.beam_of`
    files : those that are read
    notes : what the user has to know
    """

    spec: str
    path: str
    shape: tuple[int, int]
    values: str
    background: str
    files: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def read(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """See `hpcdvc.tomography.scan.Scan.read`."""
        with opened(self.path, self.spec, 1e3 * math.prod(self.shape) / SLOWEST) as file:
            group = part(file, f"projections/{view}", self.spec)
            stored, given = self._stored(group, self.values, view), self._stored(group, "weights", view)
        if not stored.any():
            raise UserError(f"{self.spec}: {self.values} of view {view} is 0 everywhere")
        if self.values == "diode":
            found = normalise.absorbance(stored[..., 0], self.background)
            if found is None:
                raise UserError(f"{self.spec}: diode of view {view} shows no light beside the sample")
            values, weights = found
        else:
            values, weights = stored.mean(axis=2), np.ones(stored.shape[:2])
        if given is not None:
            weights = weights * np.where((given > 0).all(axis=2), given.mean(axis=2), 0)
        whole = np.zeros((2, *self.shape), np.float32)
        whole[:, : values.shape[0], : values.shape[1]] = values, weights
        return whole[0], whole[1]

    def _stored(self, group: "h5py.Group", name: str, view: int) -> np.ndarray | None:
        """(J, K, segments) numbers of a view, all finite; None if it has none of this name."""
        data = part(group, name, self.spec)
        if data is None:
            return None
        values = read_whole(data, f"{self.spec}:{group.name}/{name}")
        if not np.isfinite(values).all():
            raise UserError(f"{self.spec}: {name} of view {view} holds NaN or infinity")
        return values.reshape(*values.shape[:2], -1).astype(np.float64)


def is_mumott(file: "h5py.File", spec: str) -> bool:
    """Whether the file has views of this kind."""
    import h5py

    return isinstance(part(file, "projections", spec), h5py.Group)


def describe(spec: str, path: str, absorbances: bool = True, background: str = "bright") -> Scan:
    """A scan, from the headers of its views.

    Parameters
    ----------
    spec, path : the name as the user wrote it, and the file
    absorbances : of the diode; otherwise the mean of the data is taken
    background : see `MumottViews`

    Raises
    ------
    UserError : the file is damaged, a view lacks something, or does not fit the others
    """
    name, files = "diode" if absorbances else "data", set()
    with opened(path, spec) as file:
        count = _count(part(file, "projections", spec), spec)
    with opened(path, spec, count * SECONDS) as file:
        projections = part(file, "projections", spec)
        groups = [part(projections, str(view), spec) for view in range(count)]
        sizes = np.array([_size(group, view, name, spec, files) for view, group in enumerate(groups)])
        shape = tuple(sizes.max(axis=0).tolist())
        offsets = [[_number(group, names, spec) or 0.0 for group in groups] for names in (J_OFFSET, K_OFFSET)]
        geometry = _geometry(file, groups, shape, spec)
        of_detector = {key: numbers(file, key, spec) for key in DETECTOR}
    # pixels are added beyond the last: the middle moves
    j_offsets, k_offsets = np.array(offsets) + (np.array(shape) - sizes).T / 2
    views = MumottViews(spec, path, shape, name, background, (path, *sorted(files - {path})))
    detector = {key: found.ravel().tolist() for key, found in of_detector.items() if found is not None}
    return Scan(spec, geometry, j_offsets, k_offsets, views, "mumott", detector)


def _count(projections: "h5py.Group", spec: str) -> int:
    """Number of views; UserError where their names are not 0, 1, 2 ..."""
    names = list(projections)
    if not names:
        raise UserError(f"{spec} holds no projections")
    wrong = [name for name in names if not name.isascii() or not name.isdigit() or str(int(name)) != name]
    if wrong:
        raise UserError(f"{spec}: projections are named 0, 1, 2 ..., not {quoted(wrong[0])}")
    missing = set(range(len(names))) - {int(name) for name in names}
    if missing:
        raise UserError(f"{spec}: there are {len(names)} projections, but no projection {min(missing)}")
    return len(names)


def _size(group: "h5py.Group", view: int, name: str, spec: str, files: set[str]) -> tuple[int, int]:
    """(J, K) of a view, whose pixels are all there; the files that hold them are added to `files`."""
    import h5py

    if not isinstance(group, h5py.Group):
        raise UserError(f"{spec}: projection {view} is no group, or a link that leads nowhere")
    sizes = {}
    for wanted in (name, "weights"):
        data = part(group, wanted, spec)
        if data is None and wanted == name:
            other = " (-noabs takes the data instead)" if name == "diode" else ""
            raise UserError(f"{spec}: view {view} has no {name}{other}")
        if data is None:
            continue
        if not isinstance(data, h5py.Dataset) or data.shape is None or not is_numeric(data):
            raise UserError(f"{spec}: {wanted} of view {view} is no image of numbers")
        flat = name == "diode" and wanted == name
        if data.ndim not in ((2,) if flat else (2, 3)) or 0 in data.shape:
            raise UserError(f"{spec}: {wanted} of view {view} has shape {data.shape}, which is no image")
        files.update(files_of(data, spec))
        sizes[wanted] = data.shape[:2]
    if len(set(sizes.values())) > 1:
        j, k = (" x ".join(map(str, size)) for size in sizes.values())
        raise UserError(f"{spec}: {name} of view {view} has {j} pixels, its weights {k}")
    return sizes[name]


def _number(group: "h5py.Group", names: tuple[str, ...], spec: str) -> float | None:
    """A finite number of a view, under the first of its names that is there; None if none is."""
    for name in names:
        found = numbers(group, name, spec)
        if found is not None:
            if found.size != 1 or not np.isfinite(found).all():
                raise UserError(
                    f"{spec}: {name} of {group.name[1:]} is {quoted(found.tolist())}, where a number is meant"
                )
            return float(found.ravel()[0])
    return None


def _geometry(file: "h5py.File", groups: list["h5py.Group"], shape: tuple[int, int], spec: str) -> Geometry:
    """Where the views look from: by their matrices, else by their angles."""
    goniometer = _goniometer(file, groups, spec)
    inner, outer = (np.array([_number(group, names, spec) for group in groups], float) for names in (INNER, OUTER))
    outer = np.where(np.isfinite(inner) & np.isnan(outer), 0, outer)
    rotations = goniometer.rotations(inner, outer)
    for view, group in enumerate(groups):
        found = [numbers(group, name, spec) for name in MATRIX]
        matrix = next((matrix for matrix in found if matrix is not None), None)
        if matrix is not None:
            if not is_rotation(matrix):
                raise UserError(f"{spec}: the matrix of view {view} is no rotation")
            rotations[view] = matrix
        elif np.isnan(inner[view]):
            raise UserError(f"{spec}: view {view} has neither an angle nor a matrix")
    return Geometry.of_rotations(rotations, shape, _volume(file, shape, spec), inner, outer, goniometer)


def _goniometer(file: "h5py.File", groups: list["h5py.Group"], spec: str) -> Goniometer:
    """Directions at angle 0, and axes, of the file or of each view."""
    usual = Goniometer()
    names = {"p": "p_direction_0", "u": "j_direction_0", "w": "k_direction_0"}
    given = {key: _direction(file, name, spec) for key, name in names.items()}
    start = {} if given["p"] is None else {key: v for key, v in given.items() if v is not None}
    axes = {}
    for key in ("inner_axis", "outer_axis"):
        of_file = _direction(file, key, spec)
        of_file = getattr(usual, key) if of_file is None else of_file
        own = [_direction(group, key, spec) for group in groups]
        several = any(v is not None for v in own)
        axes[key] = np.array([of_file if v is None else v for v in own]) if several else of_file
    found = Goniometer(**start, **axes)
    if not np.allclose(np.abs(np.linalg.det([found.p, found.u, found.w])), 1, atol=1e-5):
        raise UserError(f"{spec}: p_direction_0, j_direction_0 and k_direction_0 are not at right angles")
    return found


def _direction(group: "h5py.Group", name: str, spec: str) -> np.ndarray | None:
    """A unit vector; None if it is not there."""
    found = numbers(group, name, spec)
    if found is None:
        return None
    length = np.linalg.norm(found)
    if found.size != 3 or not np.isfinite(length) or not length:
        raise UserError(f"{spec}: {name} is {quoted(found.tolist())}, which is no direction")
    return found.ravel() / length


def _volume(file: "h5py.File", shape: tuple[int, int], spec: str) -> tuple[int, int, int]:
    """(X, Y, Z) of the volume: of the file, else that of the views."""
    found = numbers(file, "volume_shape", spec)
    if found is None:
        return (shape[0], *shape)
    if found.size != 3 or not ((found >= 1) & (found <= LARGEST) & (found == np.floor(found))).all():
        raise UserError(f"{spec}: volume_shape is {quoted(found.tolist())}, where three numbers of voxels are meant")
    return tuple(int(n) for n in found.ravel())
