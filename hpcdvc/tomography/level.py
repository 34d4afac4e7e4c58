"""One level of an alignment: views as large as they are there, and the volume and projections that offsets give."""

from dataclasses import dataclass

import numpy as np

from hpcdvc.tomography.levels import binned_geometry, binned_offsets, binned_views
from hpcdvc.tomography.projector import make_projector
from hpcdvc.tomography.reconstruct import reconstruct
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings
from hpcdvc.tomography.shifts import LEAST_PIXELS, MARGIN
from hpcdvc.tomography.start import touches


@dataclass(frozen=True, eq=False)
class Seen:
    """What was made of some offsets, on one rank.

    Attributes
    ----------
    volume : part of it
    projections : (m, J, K) of the volume, of the own views
    views, weights : (m, J, K) what they are compared with
    """

    volume: np.ndarray
    projections: np.ndarray
    views: np.ndarray
    weights: np.ndarray


class Level:
    """Views of a scan, binned, and how a volume is made of them. Its methods are collective.

    Parameters
    ----------
    scan : they are of
    views, weights : (m, J, K) float32, the own views at full size
    binning : pixels along each axis that become one
    settings, team : of the run

    Attributes
    ----------
    geometry : of the views as they are here
    crop : slices of a view that are compared
    endless : the object goes on beyond the ends of the axis, and only there; there is enough of it to leave some out
    """

    def __init__(self, scan: Scan, views: np.ndarray, weights: np.ndarray, binning: int, settings: AlignSettings, team):
        self.scan, self.binning, self.settings, self.team = scan, binning, settings, team
        self.geometry = binned_geometry(scan.geometry, binning)
        self.views, self.weights = binned_views(views, weights, binning)
        self.projector = make_projector(self.geometry, team, settings.mode, settings.adjoint == "exact")
        tall = min(self.geometry.shape[1], self.geometry.volume[2]) >= 2 * MARGIN + LEAST_PIXELS
        within, beyond = (touches(views, axis, team) == wanted for axis, wanted in ((0, False), (1, True)))
        self.endless = scan.geometry.single_axis and tall and within and beyond
        j0, j1, k0, k1 = settings.crop or (0, scan.geometry.shape[0], 0, scan.geometry.shape[1])
        self.crop = slice(j0 // binning, -(-j1 // binning)), slice(k0 // binning, -(-k1 // binning))

    def offsets(self, offsets: np.ndarray) -> np.ndarray:
        """Offsets (2, n) of the scan, in pixels of this level."""
        return binned_offsets(offsets, self.scan.geometry, self.binning)

    def seen(self, offsets: np.ndarray) -> Seen:
        """The volume and its projections, of offsets (2, n) in pixels of the scan."""
        projector = self.projector.moved(*self.offsets(offsets))
        inside = self._inside(offsets)
        data, weights = projector.measured(self.views), projector.measured(self.weights * (inside >= 0))
        volume = reconstruct(projector, data, weights, self.settings)
        # a gradient at the very end is across it; and no row comes to count, or no longer, from one step to the next
        compared = self.weights * np.clip((inside - 1) / MARGIN, 0, 1)
        return Seen(volume, projector.views(projector.forward(volume)), self.views, compared)

    def _inside(self, offsets: np.ndarray) -> np.ndarray:
        """(m, 1, K) planes from the nearer end of the volume to what rows of the own views see; negative beyond it.

        Where the object ends in view, beyond the volume is air, as in views, and all rows are far inside.
        """
        own, (_, count) = self.projector.own_views, self.geometry.shape
        if not self.endless:
            return np.full((len(own), 1, 1), np.inf, np.float32)
        k = np.arange(count) + 0.5 - count / 2 + self.offsets(offsets)[1, own.start : own.stop, None]
        middle = (self.geometry.volume[2] - 1) / 2
        return (middle - np.abs(k))[:, None].astype(np.float32)

    def gather(self, volume: np.ndarray) -> np.ndarray | None:
        """The whole volume on rank 0."""
        return self.projector.gather(volume)

    def centre_of_mass(self, volume: np.ndarray) -> np.ndarray:
        """(3,) of a volume, from its middle, voxels of this level."""
        grids = [
            np.arange(n, dtype=np.float32)[part] - np.float32((n - 1) / 2)
            for n, part in zip(self.geometry.volume, self.projector.volume_slices, strict=True)
        ]
        total = self.projector.sum_volume(volume)
        moments = [
            self.projector.sum_volume(volume * grid.reshape([-1 if axis == a else 1 for a in range(3)]))
            for axis, grid in enumerate(grids)
        ]
        return np.array(moments) / total if total > 0 else np.zeros(3)
