"""Views of a scan under the names that mumott gives them, for reconstructions of users; and scans of such views."""

import os
from dataclasses import dataclass
from importlib import import_module
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.tomography.geometry import Geometry, Goniometer
from hpcdvc.tomography.normalise import absorbance
from hpcdvc.tomography.scan import Scan


@dataclass(frozen=True, eq=False)
class ContainerGeometry:
    """Where views look from.

    Attributes
    ----------
    rotations_as_array : (n, 3, 3)
    inner_angles, outer_angles : (n,) radian, NaN where the scan gives matrices
    j_offsets_as_array, k_offsets_as_array : (n,) pixels
    p_direction_0, j_direction_0, k_direction_0 : (3,) directions before views are turned
    volume_shape : (3,)
    projection_shape : (2,)
    """

    rotations_as_array: np.ndarray
    inner_angles: np.ndarray
    outer_angles: np.ndarray
    j_offsets_as_array: np.ndarray
    k_offsets_as_array: np.ndarray
    p_direction_0: np.ndarray
    j_direction_0: np.ndarray
    k_direction_0: np.ndarray
    volume_shape: np.ndarray
    projection_shape: np.ndarray

    def __len__(self) -> int:
        return len(self.rotations_as_array)

    @property
    def rotations(self) -> list[np.ndarray]:
        """As a list."""
        return list(self.rotations_as_array)

    @property
    def j_offsets(self) -> list[float]:
        """As a list."""
        return self.j_offsets_as_array.tolist()

    @property
    def k_offsets(self) -> list[float]:
        """As a list."""
        return self.k_offsets_as_array.tolist()


class Container:
    """Views of a scan.

    Parameters
    ----------
    scan_geometry : Geometry
    views, weights : (n, J, K)
    j_offsets, k_offsets : (n,) pixels

    Attributes
    ----------
    scan_geometry : Geometry, with which `hpcdvc.tomography.beams` projects
    geometry : ContainerGeometry
    absorbances, data, weights : (n, J, K, 1) float32
    diode : (n, J, K) float32, the light that is left
    """

    def __init__(
        self,
        scan_geometry: Geometry,
        views: np.ndarray,
        weights: np.ndarray,
        j_offsets: np.ndarray,
        k_offsets: np.ndarray,
    ):
        self.scan_geometry, start = scan_geometry, scan_geometry.goniometer
        self.geometry = ContainerGeometry(
            *(scan_geometry.rotations, scan_geometry.inner, scan_geometry.outer),
            *(np.array(j_offsets), np.array(k_offsets), start.p, start.u, start.w),
            *(np.array(scan_geometry.volume), np.array(scan_geometry.shape)),
        )
        self.absorbances = self.data = views[..., None]
        self.weights = weights[..., None]
        self.diode = np.power(np.float32(10), -views)

    def __len__(self) -> int:
        return len(self.absorbances)


@dataclass(frozen=True, eq=False)
class ContainerViews:
    """Views that are in memory; see `hpcdvc.tomography.scan.Views`."""

    container: Any
    use_absorbances: bool
    files: tuple[str, ...] = ()

    def read(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """See `hpcdvc.tomography.scan.Scan.read`."""
        light = np.asarray(self.container.diode[view], float)
        weights = np.asarray(self.container.weights[view], np.float32).reshape(*light.shape, -1)
        weights = np.where((weights > 0).all(axis=-1), weights.mean(axis=-1), 0).astype(np.float32)
        if not self.use_absorbances:
            return np.asarray(self.container.data[view], np.float32).reshape(*light.shape, -1).mean(axis=-1), weights
        found = absorbance(light)
        if found is None or not np.isfinite(light).all():
            raise UserError(f"the diode of view {view} holds no light, or NaN or infinity")
        return found[0], found[1] * weights


def scan_of_container(container: Any, use_absorbances: bool) -> Scan:
    """A scan of what mumott's DataContainer holds."""
    geometry = container.geometry
    start = Goniometer(*(np.asarray(getattr(geometry, f"{name}_direction_0"), float) for name in "pjk"))
    shape = tuple(int(n) for n in np.shape(container.diode)[1:3])
    volume = tuple(int(n) for n in geometry.volume_shape)
    views = Geometry.of_rotations(np.asarray(geometry.rotations_as_array, float), shape, volume, goniometer=start)
    j, k = (np.asarray(o, float) for o in (geometry.j_offsets_as_array, geometry.k_offsets_as_array))
    held = ContainerViews(container, use_absorbances)
    return Scan("the data container", views, j, k, held, "container", absorbances=use_absorbances)


def mumott_container(scan: Scan, views: np.ndarray, weights: np.ndarray) -> Any:
    """mumott's DataContainer of a scan, for its own functions, which take no other.

    Parameters
    ----------
    scan : in a file of mumott, which is opened, or of another kind
    views, weights : (n, J, K) of it
    """
    data_container = import_module("mumott.data_handling").DataContainer
    if scan.kind == "mumott":
        found = data_container(scan.views.path)
    else:
        with TemporaryDirectory() as folder:
            path = os.path.join(folder, "views.h5")
            _write_mumott(path, scan, views, weights)
            found = data_container(path)
    found.geometry.volume_shape = np.array(scan.geometry.volume)
    return found


def _write_mumott(path: str, scan: Scan, views: np.ndarray, weights: np.ndarray) -> None:
    """Views in mumott's format, for a moment."""
    import h5py

    start = scan.geometry.goniometer
    light = np.power(10.0, -views) if scan.absorbances else np.ones_like(views)
    with h5py.File(path, "w") as file:
        file["detector_angles"], file["volume_shape"] = np.zeros(1), scan.geometry.volume
        file["p_direction_0"], file["j_direction_0"], file["k_direction_0"] = start.p, start.u, start.w
        for view, matrix in enumerate(scan.geometry.rotations):
            group = file.create_group(f"projections/{view}")
            group["rotation_matrix"], group["j_offset"], group["k_offset"] = matrix, 0.0, 0.0
            group["data"], group["weights"] = views[view, ..., None], weights[view, ..., None]
            group["diode"] = light[view]
