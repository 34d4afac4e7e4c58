"""Views of a scan under the names that mumott gives them: for reconstructions of users."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.tomography.geometry import Geometry


@dataclass(frozen=True, eq=False)
class ContainerGeometry:
    """Where views look from.

    Attributes
    ----------
    rotations_as_array : (n, 3, 3)
    j_offsets_as_array, k_offsets_as_array : (n,) pixels
    p_direction_0, j_direction_0, k_direction_0 : (3,) directions before views are turned
    volume_shape : (3,)
    projection_shape : (2,)
    """

    rotations_as_array: np.ndarray
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
            *(scan_geometry.rotations, np.array(j_offsets), np.array(k_offsets), start.p, start.u, start.w),
            *(np.array(scan_geometry.volume), np.array(scan_geometry.shape)),
        )
        self.absorbances = self.data = views[..., None]
        self.weights = weights[..., None]
        self.diode = np.power(np.float32(10), -views)

    def __len__(self) -> int:
        return len(self.absorbances)
