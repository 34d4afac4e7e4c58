"""How a global correlation iterates, and what is known after each iteration."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fem.sums import GRADIENTS

CRITERIA = ("znssd", "ssd", "map")
#: What the history keeps of each iteration; the shards of a run keep the displacements of all nodes as well.
FACTS = (
    ("index", "<i8"),
    ("number", "<i4"),
    ("status", "<i4"),
    *((name, "<f8") for name in ("change", "rms", "settling", "zncc", "valid_fraction", "gain", "offset")),
    *((name, "<f8") for name in ("objective", "best")),
)

HISTORY = np.dtype(list(FACTS))


@dataclass(frozen=True)
class Control:
    """How it iterates. The defaults are those of hpcdvc-gdic.

    Attributes
    ----------
    max_iterations : most iterations
    convergence : largest change of a node, voxels, below which it may have converged
    criterion : how grey values are compared, see `hpcdvc.fem.photometry`
    median : take the median of each node and its neighbours after each iteration
    solver : "direct" or "pcg"
    gradient : "im1", that of im1 alone, or "both", the mean of it and that of im2 where the displacements lead
    probes : random vectors for the standard deviations of the nodes; 0: none are estimated

    Raises
    ------
    UserError
        One of them makes no sense.
    """

    max_iterations: int = 25
    convergence: float = 0.01
    criterion: str = "znssd"
    median: bool = False
    solver: str = "direct"
    gradient: str = "im1"
    probes: int = 0

    def __post_init__(self) -> None:
        if not (self.max_iterations >= 1 and self.convergence > 0 and self.probes >= 0):
            raise UserError("max_iterations must be 1 or more, the convergence above 0, probes 0 or more")
        named = (("criterion", CRITERIA), ("solver", ("direct", "pcg")), ("gradient", GRADIENTS))
        for name, known in named:
            if getattr(self, name) not in known:
                raise UserError(f"the {name} {getattr(self, name)!r} is not known: {', '.join(known)}")


@dataclass(frozen=True)
class State:
    """After one iteration.

    Attributes
    ----------
    displacements : (n, 3) of the nodes, ZYX, voxels
    number : of the iteration, from 1; 0 at the start
    status : 0 to go on, or why it ended
    change : largest change of a node that is measured, voxels
    rms : root mean square of the residual, grey values
    settling : how much that has changed in the iteration, as part of what it was
    zncc : zero-mean normalised correlation
    valid_fraction : part of the voxels of the mesh that met im2
    gain, offset : mean over the elements
    objective : what is minimised, a voxel: square of the residual, and what the regularisation adds
    best : the smallest objective so far
    """

    displacements: np.ndarray
    number: int = 0
    status: int = 0
    change: float = np.inf
    rms: float = np.inf
    settling: float = np.inf
    zncc: float = 0.0
    valid_fraction: float = 0.0
    gain: float = 1.0
    offset: float = 0.0
    objective: float = np.inf
    best: float = np.inf

    def row(self) -> np.ndarray:
        """As one record of `iterate_type`."""
        row = np.zeros(1, iterate_type(len(self.displacements)))
        for name in row.dtype.names:
            row[name] = getattr(self, name) if name != "index" else self.number
        return row

    @classmethod
    def of_row(cls, row: np.void) -> "State":
        """The state that a record holds."""
        return cls(**{name: row[name].copy() if row[name].ndim else row[name].item() for name in cls.__annotations__})


def iterate_type(nodes: int) -> np.dtype:
    """Record of a state of so many nodes."""
    return np.dtype([*FACTS, ("displacements", "<f8", (nodes, 3))])


def facts_of(row: np.void) -> tuple:
    """A record of `iterate_type` without the displacements, as one of `HISTORY`."""
    return tuple(row[name] for name in HISTORY.names)


@dataclass(frozen=True)
class Journal:
    """What is done with the iterations.

    Attributes
    ----------
    keep : is called with each state, on every rank
    earlier : (m,) records of an earlier run, on every rank: its start, and its last state, which is gone on with
    say : shows a line
    """

    keep: Callable[[State], None] = lambda state: None
    earlier: np.ndarray | None = None
    say: Callable[[str], None] = lambda text: None


@dataclass(frozen=True)
class Result:
    """What a global correlation has found.

    Attributes
    ----------
    displacements : (n, 3) of the nodes, ZYX, voxels; the last iterate where it has failed
    return_status : how the run ended, 2 converged; others see hpcdvc.fields.status
    node_status : (n,) how each node ended: as the run, or why it is not measured
    displacement_std : (n, 3) standard deviations, voxels, or None
    state : the last state
    history : (m,) records of `HISTORY`: the start, and all iterations
    elements : by name (k,) arrays: `residual`, root mean square in grey values, `zncc`, `valid_fraction`, `gain`,
        `offset`, `voxels` that met im2 of those `visible` in im1, and `squares` and `brightness`, the sums of squared
        residuals and of grey values of im1; empty where im1 has no texture
    """

    displacements: np.ndarray
    return_status: int
    node_status: np.ndarray
    displacement_std: np.ndarray | None
    state: State
    history: np.ndarray
    elements: dict[str, np.ndarray] = field(default_factory=dict)
