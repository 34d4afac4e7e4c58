"""What a registration across modalities keeps of its levels: one Phi for each, in HDF5 files and back."""

from dataclasses import dataclass, fields

import h5py
import numpy as np

from hpcdvc.fields.field import Field
from hpcdvc.output.stored import Stored

#: Where they stand in a file.
LEVELS = "hpcdvc/levels"


@dataclass(frozen=True)
class ModalLevels:
    """The levels, coarse to fine; the last one is the result. Lengths are voxels of the level.

    Attributes
    ----------
    binning : (n,) voxels of the images per voxel of the level
    position : (n, 3) middle of im1 of the level, ZYX, about which Phi is given
    Phi : (n, 4, 4)
    Phi_std : (n, 3, 4) standard deviations of its first three rows; NaN where not known
    returnStatus, iterations : (n,)
    log_likelihood : (n,) of the grey values of both images, summed over the voxels
    deltaPhiNorm : (n,) norm of the last change of Phi
    explained_before, explained : (n,) part of the variance of im2 that im1 explains, at the start and at the end
    valid_fraction : (n,) part of the voxels of im1, without margin and mask, that met im2
    """

    binning: np.ndarray
    position: np.ndarray
    Phi: np.ndarray
    Phi_std: np.ndarray
    returnStatus: np.ndarray
    iterations: np.ndarray
    log_likelihood: np.ndarray
    deltaPhiNorm: np.ndarray
    explained_before: np.ndarray
    explained: np.ndarray
    valid_fraction: np.ndarray

    def field(self, number: int = -1) -> Field:
        """One of the levels, by default the result, as a registration; `error` is the log-likelihood."""
        one = slice(number, number + 1 or None)
        extra = {
            "variance": self.Phi_std[one].reshape(1, 12) ** 2,
            "valid_fraction": self.valid_fraction[one],
            "explained": self.explained[one],
        }
        return Field(
            self.position[one], self.Phi[one], self.returnStatus[one], self.log_likelihood[one], self.iterations[one],
            self.deltaPhiNorm[one], extra=extra,
        )  # fmt: skip

    def write(self, file: "h5py.File") -> None:
        """Put them into an open file."""
        group = file.create_group(LEVELS)
        for one in fields(self):
            group.create_dataset(one.name, data=getattr(self, one.name), track_times=False)

    @classmethod
    def stored(cls, stored: Stored) -> "ModalLevels | None":
        """Those of a file; None where it has none."""
        if not isinstance(stored.find(LEVELS), h5py.Group):
            return None
        count = stored.dataset(f"{LEVELS}/binning", (None,)).shape[0]
        shapes = {"position": (3,), "Phi": (4, 4), "Phi_std": (3, 4)}
        found = {
            one.name: stored.array(f"{LEVELS}/{one.name}", (count, *shapes.get(one.name, ()))) for one in fields(cls)
        }
        if not count:
            raise stored.damaged("it holds no level")
        return cls(**found)
