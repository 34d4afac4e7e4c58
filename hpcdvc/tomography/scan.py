"""A tomographic scan: where its views look from, and the views themselves, read one at a time."""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from hpcdvc.tomography.geometry import Geometry


class Views(Protocol):
    """Where views are read from."""

    #: The files that are read, that of the scan first.
    files: tuple[str, ...]
    #: What the user has to know, a sentence each.
    notes: tuple[str, ...]

    def read(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """(J, K) float32 absorbances of a view, and their weights; UserError where it cannot be used."""
        ...


@dataclass(frozen=True, eq=False)
class Scan:
    """Views of a scan.

    Attributes
    ----------
    spec : the name as the user wrote it, for messages
    geometry : where the views look from
    j_offsets, k_offsets : (n,) float64, pixels, that the file gives, 0 where it gives none
    views : where they are read from
    kind : what the file is: "mumott", "NXtomo", "DataExchange", "HDF5" or "stack"
    detector : of mumott's files, what they say of the detector of scattered light, for .geo files
    absorbances : views are such; otherwise they are as they are stored
    """

    spec: str
    geometry: Geometry
    j_offsets: np.ndarray
    k_offsets: np.ndarray
    views: Views
    kind: str
    detector: dict[str, list] = field(default_factory=dict)
    absorbances: bool = True

    def read(self, view: int) -> tuple[np.ndarray, np.ndarray]:
        """One view, read from the file.

        Parameters
        ----------
        view : its number, from 0

        Returns
        -------
        (J, K) float32 absorbances, base 10 (what is stored, where no absorbances are wanted), 0 where there is none
        (J, K) float32 weights, 0 where there is none

        Raises
        ------
        UserError : it holds NaN or infinity, or nothing but zeros, or cannot be read
        RunError : the disk fails
        """
        return self.views.read(view)
