"""The projector of a scan, over ranks: which mode suits it."""

from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.pair import Projector
from hpcdvc.tomography.replicated import Replicated
from hpcdvc.tomography.slab import Slab


def make_projector(geometry: Geometry, team, mode: str = "auto", exact: bool = True) -> Projector:
    """The projector of a mode: "replicated", "slab" (a single axis only), or "auto", slab where that can be."""
    slab = mode == "slab" or (mode == "auto" and geometry.single_axis)
    return (Slab if slab else Replicated)(geometry, team, exact)
