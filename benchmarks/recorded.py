"""Recorded scans, each view of which is moved out of its place by a known part of a pixel more."""

import os
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from scipy.ndimage import shift

from hpcdvc.tomography.align import free_offsets
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.opening import describe_scan

#: Data that are not part of the repository: in $HPCDVC_SHARED, or beside it, if at all.
DATA = Path(os.environ.get("HPCDVC_SHARED", Path(__file__).resolve().parents[2] / "shared")) / "data"


@dataclass(frozen=True)
class Recorded:
    """A scan of a beamline.

    Attributes
    ----------
    file : below `DATA`
    parts : options of the command that tell where what is
    options : further ones
    both : views are moved along k, too
    """

    file: str
    parts: dict[str, str]
    options: tuple[str, ...] = ()
    both: bool = True

    @property
    def path(self) -> Path:
        """The file, which need not be there."""
        return DATA / self.file

    @property
    def words(self) -> list[str]:
        """Words of the command that aligns it as it is."""
        parts = [word for name, value in self.parts.items() for word in (f"-{name}", value)]
        return [str(self.path), *parts, *self.options]

    def words_of(self, path: Path) -> list[str]:
        """Words of the command that aligns what `write` has made."""
        return [str(path), "-data", "data", "-angles", "angles", *self.options]

    @property
    def geometry(self) -> Geometry:
        """Where views look from."""
        return describe_scan(str(self.path), **self.parts).geometry

    def jitter(self, seed: int) -> np.ndarray:
        """(2, n) offsets that are added, pixels along j and k."""
        most = np.array([[3.0], [3.0 * self.both]])
        return np.random.default_rng(seed).uniform(-1, 1, (2, self.geometry.views)) * most

    def write(self, path: Path, seed: int) -> Path:
        """Absorbances, moved by cubic splines; made when the file is not there."""
        if not path.exists():
            scan = describe_scan(str(self.path), **self.parts)
            moved = [
                shift(scan.read(i)[0].T.astype(float), (-k, -j), mode="nearest")
                for i, (j, k) in enumerate(self.jitter(seed).T)
            ]
            path.parent.mkdir(exist_ok=True)
            with h5py.File(path.with_suffix(".tmp"), "w") as file:
                file["data"], file["angles"] = np.array(moved, np.float32), np.rad2deg(scan.geometry.inner)
            path.with_suffix(".tmp").rename(path)
        return path

    def error(self, found: np.ndarray, before: np.ndarray, seed: int) -> tuple[float, ...]:
        """Rms of offsets (2, n), j and k, less those of the scan as it is, those added, and the translation of all.

        Of j alone, where views are moved along that.
        """
        left = free_offsets(found - before - self.jitter(seed), self.geometry)
        return tuple(float(x) for x in np.sqrt((left**2).mean(axis=1)))[: 1 + self.both]


SCANS = {
    "rod, 91 views of 160 x 135": Recorded(
        "tomo_standard_projections/projections.h5",
        {"data": "data", "angles": "angle_deg", "flat": "flat", "dark": "dark"},
    ),
    "tooth, 181 views of 640 x 2": Recorded("tomo_tooth/tooth.h5", {}, ("-nok",), False),
}
