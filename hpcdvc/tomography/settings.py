"""How views are aligned, what is kept of each iteration, and what comes out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from numbers import Integral

import numpy as np

from hpcdvc.errors import UserError, quoted

METHODS = ("masked", "cc", "phase", "gn")
STARTS = ("zero", "com", "file")
MODES = ("auto", "replicated", "slab")


@dataclass(frozen=True)
class AlignSettings:
    """How views are aligned.

    Attributes
    ----------
    reconstruction : "mitra", "sirt", "cgls", "fbp" of a single axis, "module:function" or a function with the contract
        of `hpcdvc.tomography.adapter`
    reconstruction_kwargs : keywords of it, such as {"maxiter": 20}
    maxiter : iterations of each stage at most
    upsampling : one stage for each: a step of the shift is 1 / upsampling pixel for all methods but "gn"
    methods : of the stages, "masked" normalised correlation of what has weight, whole pixels; "cc" correlation, "phase"
        whitened correlation, "gn" Gauss-Newton iterations with gain and offset; one for all or one for each stage;
        empty: "cc", then "gn"
    bins : levels, coarse ones first, of views and volume binned by so many pixels; empty: as the size of the views asks
    tolerance : pixels, a stage ends when no view was moved by as much; None: 1 / upsampling, of "gn" as `levels` has
        it, or when the residual no longer falls
    cutoff : pixels, of a shift by comparison; None: 5 / upsampling, of "gn" 1
    sample : part of the views that are moved in an iteration, drawn by chance
    relaxation : weight of the chance steps towards the mean offset
    centre_of_mass : weight of the steps that bring the centre of mass of a view to that of the volume
    align_j, align_k : the directions in which views are moved
    ignored : views that are not moved; they are part of the reconstruction
    crop : (j0, j1, k0, k1), ends excluded, the part of the views that is compared; None: all
    start : "zero", "com" centres of mass, where the whole object is in view, "file" offsets of the scan; None: "file"
        where the scan gives some, otherwise "com"
    mode : "replicated", a volume on each node; "slab", planes over ranks, of a single axis; "auto"
    adjoint : "exact", or "interp" that of mumott
    seed : of what is drawn by chance

    Raises
    ------
    UserError
        A word is not known, words do not go together, or a number is out of range.
    """

    reconstruction: str | Callable = "mitra"
    reconstruction_kwargs: dict = field(default_factory=dict)
    maxiter: int = 20
    upsampling: tuple[int, ...] = (1,)
    methods: tuple[str, ...] = ()
    bins: tuple[int, ...] = ()
    tolerance: float | None = None
    cutoff: float | None = None
    sample: float = 1.0
    relaxation: float = 0.0
    centre_of_mass: float = 0.0
    align_j: bool = True
    align_k: bool = True
    ignored: tuple[int, ...] = ()
    crop: tuple[int, int, int, int] | None = None
    start: str | None = None
    mode: str = "auto"
    adjoint: str = "exact"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, words, known in (
            ("method", self.methods, METHODS),
            ("start", () if self.start is None else (self.start,), STARTS),
            ("mode", (self.mode,), MODES),
            ("adjoint", (self.adjoint,), ("exact", "interp")),
        ):
            for word in words:
                if word not in known:
                    raise UserError(f"the {name} {word!r} is not known: {', '.join(known)}")
        for name, counts in (
            ("upsampling", self.upsampling),
            ("binning", self.bins),
            ("number of iterations", (self.maxiter,)),
            ("number of a view that is ignored", self.ignored),
            ("seed", (self.seed,)),
        ):
            for count in counts:
                if not isinstance(count, Integral):
                    raise UserError(f"the {name} must be a whole number, not {quoted(count)}")
        if not self.upsampling or min(self.upsampling) < 1:
            raise UserError(f"an upsampling must be 1 or more, not {min(self.upsampling, default='nothing')}")
        if self.bins and min(self.bins) < 1:
            raise UserError(f"views are binned by 1 pixel or more, not {min(self.bins)}")
        if len(self.methods) > 1 and len(self.methods) != len(self.upsampling):
            raise UserError(
                f"{len(self.methods)} methods and {len(self.upsampling)} stages: one for all, or one for each"
            )
        if self.maxiter < 0:
            raise UserError(f"the number of iterations must be 0 or more, not {self.maxiter}")
        if not 0 < self.sample <= 1:
            raise UserError(f"the part of the views that is moved must be above 0 and at most 1, not {self.sample}")
        for name, number in (("tolerance", self.tolerance), ("cutoff", self.cutoff)):
            if number is not None and not number > 0:
                raise UserError(f"the {name} must be positive, not {number}")
        for name, number in (("relaxation", self.relaxation), ("pull towards the centre", self.centre_of_mass)):
            if not 0 <= number < np.inf:
                raise UserError(f"the weight of the {name} must be 0 or more, not {number}")
        if self.seed < 0:
            raise UserError(f"the seed must be 0 or more, not {self.seed}")
        if not (self.align_j or self.align_k):
            raise UserError("views cannot be moved when both directions are off")


@dataclass(frozen=True)
class Stage:
    """Iterations with the same settings.

    Attributes
    ----------
    method : of the shift, one of `METHODS`
    upsampling : steps per pixel
    binning : pixels of the scan per pixel here
    maxiter : iterations at most
    tolerance, cutoff : pixels of the scan
    """

    method: str
    upsampling: int
    binning: int
    maxiter: int
    tolerance: float
    cutoff: float


@dataclass(frozen=True, eq=False)
class State:
    """Where the alignment has come to.

    Attributes
    ----------
    offsets : (2, n) float64, of j and k, pixels of the scan
    iteration : number of it over all stages, 0 at the start
    stage, step : number of the stage, and iterations done in it
    change : largest applied shift of a view, pixels; 0 at the start
    residual : root mean square of the reprojection minus the views before the shift, as part of that of the views; NaN
        at the start
    random : state of the generator of chance, a JSON string
    """

    offsets: np.ndarray
    iteration: int = 0
    stage: int = 0
    step: int = 0
    change: float = 0.0
    residual: float = float("nan")
    random: str = ""


@dataclass(frozen=True)
class Journal:
    """What is done with the iterations.

    Attributes
    ----------
    keep : is called with each state, the start included, on every rank
    earlier : states of an earlier run in their order, on every rank: the last one is gone on with
    say : shows a line
    """

    keep: Callable[[State], None] = lambda state: None
    earlier: tuple[State, ...] = ()
    say: Callable[[str], None] = lambda text: None


@dataclass(frozen=True, eq=False)
class Alignment:
    """Aligned views. What is the same on every rank: all but the reconstruction, projections and reference.

    Attributes
    ----------
    reconstruction : (X, Y, Z) float32, on rank 0; None elsewhere
    projections, reference : (n, J, K) float32, of the last iteration: projections of the reconstruction, and what they
        are compared with; on rank 0
    j_offsets, k_offsets : (n,) float64, pixels of the scan: pixel j looks at (j + 0.5 - J / 2 + offset) u
    free : (2, n) the same without the translation of the whole volume
    history : the states, the start first
    settled : whether the last stage ended because views no longer moved
    statuses : (n,) int8, how each view ended, see hpcdvc.fields.status: 2 is measured
    residuals : (n,) float64, root mean square of the projection minus the view, as part of the view
    likeness : (n,) float64, correlation of the view with what the other half of the views shows; NaN without texture
    doubts : why offsets are nothing to rely on, a sentence each
    notes : what the user has to know
    """

    reconstruction: np.ndarray | None
    projections: np.ndarray | None
    reference: np.ndarray | None
    j_offsets: np.ndarray
    k_offsets: np.ndarray
    free: np.ndarray
    history: tuple[State, ...]
    settled: bool
    statuses: np.ndarray
    residuals: np.ndarray
    likeness: np.ndarray
    doubts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def converged(self) -> bool:
        """Whether views no longer moved, and nothing is to be doubted."""
        return self.settled and not self.doubts
