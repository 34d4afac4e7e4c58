"""What an alignment takes: memory of a rank and of a node, and core time, in either mode of the volume."""

import math
from dataclasses import dataclass

from hpcdvc.errors import UserError
from hpcdvc.ranks.progress import duration
from hpcdvc.runs.cost import ASSUMED, core_time, counted
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.levels import plan
from hpcdvc.tomography.reconstruct import steps_of
from hpcdvc.tomography.settings import AlignSettings

#: Core time of a voxel in a view, s: projected, and gathered.
SECONDS = {"slab": (0.8e-9, 1.5e-9), "replicated": (3.1e-9, 5.3e-9)}
#: Arrays that a rank has of its part of the volume while it reconstructs, of its part of what is measured, and of its
#: own views: iterate, step, its preconditioner and what is gathered; views, weights, residual and projections.
VOLUMES, MEASURED, VIEWS = 5, 4, 5
#: Bytes of a process before it reads anything.
PROCESS = 120e6


@dataclass(frozen=True)
class Memory:
    """Memory of an alignment.

    Attributes
    ----------
    rank : bytes that a rank has of its own, at most
    shared : bytes that the ranks of a node share
    root : bytes that rank 0 has beside: the result, before it is written
    """

    rank: float
    shared: float
    root: float

    def node(self, ranks: int) -> float:
        """Bytes of the first node, which has so many ranks."""
        return ranks * self.rank + self.shared + self.root


def memory_of(geometry: Geometry, mode: str, ranks: int) -> Memory:
    """Memory of the finest level, whose arrays are the largest.

    Parameters
    ----------
    geometry : of the scan
    mode : "slab" or "replicated"
    ranks : of the run
    """
    volume, views = 4 * math.prod(geometry.volume), 4 * geometry.views * math.prod(geometry.shape)
    if mode == "replicated":
        planes, own = -(-geometry.volume[0] // ranks), -(-geometry.views // ranks)
        part, measured = volume / geometry.volume[0] * planes, views / geometry.views * own
        shared = volume + views
    else:
        planes, own = -(-geometry.volume[2] // ranks), -(-geometry.views // ranks)
        part = volume / geometry.volume[2] * planes
        measured = 4 * geometry.views * geometry.shape[0] * (planes + 1)
        shared = 0
    whole = views / geometry.views * own
    return Memory(PROCESS + VOLUMES * part + MEASURED * measured + VIEWS * whole, shared, volume + 2 * views)


def core_seconds(geometry: Geometry, settings: AlignSettings, mode: str) -> float:
    """Core time of all iterations that are allowed."""
    each = sum(SECONDS[mode]) * geometry.views * math.prod(geometry.volume)
    # weights and preconditioner are made anew where views have moved
    steps, stages = steps_of(settings) + 1, plan(geometry, settings)
    # the start, on the first and on the last level; and that of the scan itself, where the last stage is coarser
    reconstructions = [(1, binning) for binning in {stages[0].binning, stages[-1].binning}]
    reconstructions += [(stage.maxiter, stage.binning) for stage in stages]
    reconstructions += [(1, 1)] * (stages[-1].binning > 1)
    return sum(count * steps * each / binning**3 for count, binning in reconstructions)


def modes_of(geometry: Geometry) -> tuple[str, ...]:
    """Modes that a geometry allows, the default first."""
    return ("slab", "replicated") if geometry.single_axis else ("replicated",)


def mode_of(geometry: Geometry, settings: AlignSettings) -> str:
    """The mode of a run."""
    return modes_of(geometry)[0] if settings.mode == "auto" else settings.mode


def check_memory(geometry: Geometry, settings: AlignSettings, team, available: float) -> None:
    """Make sure that the run fits the node of rank 0.

    Parameters
    ----------
    geometry, settings : of the alignment
    team : hpcdvc.ranks.team.Team
    available : bytes of memory that a node has

    Raises
    ------
    UserError
        It does not; the sentence says what would.
    """
    mode = mode_of(geometry, settings)
    need = {name: memory_of(geometry, name, team.size).node(team.node_sizes[0]) for name in modes_of(geometry)}
    if need[mode] <= available:
        return
    fits = [f"-mode {name} fits" for name, bytes_ in need.items() if bytes_ <= available]
    advice = fits or ["take more nodes, or a scan that was binned before"]
    raise UserError(
        f"the alignment needs {need[mode] / 1e9:.1f} GB of memory on a node in the mode {mode}, which has "
        f"{available / 1e9:.1f} GB: {advice[0]}"
    )


def estimate(geometry: Geometry, settings: AlignSettings, team) -> str:
    """What the run takes, as text."""
    here = mode_of(geometry, settings)
    stages = plan(geometry, settings)
    x, y, z = geometry.volume
    lines = [
        f"{geometry.views} views of {' x '.join(map(str, geometry.shape))} pixels, volume of {x} x {y} x {z} voxels"
    ]
    lines += [f"stages: {', '.join(_stage(stage) for stage in stages)}"]
    for mode in modes_of(geometry):
        memory, seconds = memory_of(geometry, mode, team.size), core_seconds(geometry, settings, mode)
        hours = f"{seconds / 3600:.3g}" if seconds < 3.6e5 else f"{seconds / 3600:.0f}"
        lines.append(
            f"mode {mode}{' (this run)' if mode == here else ''}: {memory.rank / 1e9:.2f} GB per rank, "
            f"{memory.shared / 1e9:.2f} GB shared by the ranks of a node, {memory.root / 1e9:.2f} GB more on rank 0; "
            f"together {memory.node(team.node_sizes[0]) / 1e9:.2f} GB on a node with {counted(team.node_sizes[0])}; "
            f"about {hours} core-hours, {duration(seconds / team.size)} on {counted(team.size)}"
        )
    seconds = core_seconds(geometry, settings, here)
    assumed = f"all iterations that are allowed; {ASSUMED}"
    return "\n".join([*lines, core_time(seconds, seconds / team.size, team.size, assumed=assumed)])


def _stage(stage) -> str:
    binned = f" binned by {stage.binning}" if stage.binning > 1 else ""
    return f"{stage.method}{binned}, {stage.maxiter} iterations"
