"""Options of hpcdvc-align."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.common import Place, Reported, RunControl
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.scan import ScanFiles
from hpcdvc.options.stacks import check_crop
from hpcdvc.options.values import LONGEST, whole_number
from hpcdvc.options.voxel_size import InUnits

DESCRIPTION = (
    "Align the views of a tomographic scan: shift each view until it fits the volume that all of them show together."
)
#: Ways to compare a view with the projection of the volume, and to reconstruct.
METHODS, RECONSTRUCTIONS = ("masked", "cc", "phase", "gn"), ("mitra", "sirt", "cgls", "fbp")
#: Largest up-sampling, binning and number of stages.
FINEST, COARSEST, MOST_STAGES = 10**6, 2**15, 1000


@option_group
class Part(OptionSet):
    """Which views, and what of them, are moved and compared."""

    group: ClassVar[str] = "scan"

    ignored: tuple[int, ...] = option(
        (), "-ignore", "--ignore", metavar="N ...", at_least=0, at_most=LONGEST,
        help="views that are not moved, from 0; they take part in the reconstruction",
    )  # fmt: skip
    crop: tuple[int, int, int, int] | None = option(
        None, "-crop", "--crop", metavar="J0 J1 K0 K1", at_least=0, at_most=LONGEST, unit="pixel",
        help="what is compared of the views: first column and row, and the first that are not any more",
    )  # fmt: skip

    def check(self) -> None:
        check_crop(self.crop)


@option_group
class Reconstruction(OptionSet):
    """How the volume is made."""

    group: ClassVar[str] = "reconstruction"

    reconstruction: str = option(
        "mitra", "-rec", "--reconstruction", metavar="mitra|sirt|cgls|fbp|MODULE:FUNCTION",
        help="how the volume is made of the views: mitra, sirt or cgls, by iterations; fbp, filtered backprojection of "
        "a single axis; or a function of yours",
    )  # fmt: skip
    reconstruction_kwargs: str = option(
        "{}", "-recKwargs", "--reconstruction-kwargs", metavar="JSON",
        help="""arguments of it, such as '{"maxiter": 20}', its iterations""",
    )  # fmt: skip
    mode: str = option(
        "auto", "-mode", "--mode", choices=("auto", "replicated", "slab"), in_key=False,
        help="slab: each rank has planes of the volume, for a single axis; replicated: each node has the whole volume; "
        "auto: slab where that can be",
    )  # fmt: skip
    adjoint: str = option(
        "exact", "-adjoint", "--adjoint", choices=("exact", "interp"),
        help="backprojection: exact transpose of the projection, or by interpolation in the views, as in mumott",
    )  # fmt: skip

    def check(self) -> None:
        if self.reconstruction not in RECONSTRUCTIONS:
            module, _, function = self.reconstruction.partition(":")
            if not (all(part.isidentifier() for part in module.split(".")) and function.isidentifier()):
                raise UserError(
                    f"-rec must be {', '.join(RECONSTRUCTIONS)} or module:function, not {quoted(self.reconstruction)}"
                )
        try:
            arguments = json.loads(self.reconstruction_kwargs)
        except (ValueError, RecursionError):
            arguments = None
        if not isinstance(arguments, dict):
            raise UserError(
                f"""-recKwargs takes JSON such as '{{"maxiter": 20}}', not {quoted(self.reconstruction_kwargs)}"""
            )

    @property
    def reconstruction_arguments(self) -> dict[str, Any]:
        """What -recKwargs says."""
        return json.loads(self.reconstruction_kwargs)


@option_group
class Loop(OptionSet):
    """How views are moved."""

    group: ClassVar[str] = "alignment"

    maxiter: int = option(20, "-maxiter", "--maxiter", at_least=0, at_most=10**6, help="most iterations of each stage")
    bins: str | None = option(
        None, "-bin", "--bin", metavar="N[,N ...]",
        help="views and volume are binned by so many pixels, coarse first, as in 8,4,2,1; default by the size of the "
        "views",
    )  # fmt: skip
    upsampling: str = option(
        "1", "-us", "--upsampling", metavar="N[,N ...]",
        help="stages, as in 1,5,20: each moves views by steps of 1/N pixel; of gn by any amount",
    )  # fmt: skip
    methods: str | None = option(
        None, "-met", "--method", metavar="masked|cc|phase|gn[,...]",
        help="how a view is compared with the projection of the volume, one for all stages or one for each: masked "
        "correlation, whole pixels; cc, cross-correlation; phase, the same whitened; gn, Gauss-Newton with gain and "
        "offset; default cc, then gn",
    )  # fmt: skip
    tolerance: float | None = option(
        None, "-tol", "--tolerance", above=0, at_most=LONGEST, unit="pixel",
        help="a stage ends when no view was moved by more; default 1/N of -us; of gn 0.002, or when the residual falls "
        "no more",
    )  # fmt: skip
    cutoff: float | None = option(
        None, "-cutoff", "--cutoff", above=0, at_most=LONGEST, unit="pixel",
        help="a view is moved by no more in one iteration; default 5/N of -us, 1 of gn",
    )  # fmt: skip
    start: str | None = option(
        None, "-start", "--start", choices=("zero", "com", "file"),
        help="offsets to start from: zero; com, centres of mass, where the whole object is in view; those of the file; "
        "default file where it has some, else com",
    )  # fmt: skip
    no_j: bool = option(False, "-noj", "--no-j", help="leave views where they are along j, across the axis")
    no_k: bool = option(False, "-nok", "--no-k", help="leave views where they are along k, along the axis")
    sample: float = option(
        1.0, "-sample", "--sample", above=0, at_most=1,
        help="part of the views that are moved in an iteration, by chance",
    )  # fmt: skip
    relaxation: float = option(
        0.0, "-relax", "--relaxation", at_least=0, at_most=1e6, help="weight of steps by chance towards the mean offset"
    )
    centre_of_mass: float = option(
        0.0, "-com", "--centre-of-mass", at_least=0, at_most=1e6,
        help="weight of steps that bring the centre of mass of a view to that of the volume",
    )  # fmt: skip
    seed: int = option(0, "-seed", "--seed", at_least=0, at_most=2**62, help="of what is left to chance")

    def check(self) -> None:
        if self.no_j and self.no_k:
            raise UserError("-noj and -nok together leave nothing to be aligned")
        listed_numbers("-us", self.upsampling, FINEST)
        if self.bins is not None:
            listed_numbers("-bin", self.bins, COARSEST)
        for method in self.method_of_stages:
            if method not in METHODS:
                raise UserError(f"-met must be {', '.join(METHODS)}, or one for each stage, not {quoted(method)}")
        methods, stages = len(self.method_of_stages), len(self.stages)
        if methods not in (0, 1, stages):
            raise UserError(f"-met names {methods} methods and -us {stages} stages: one for all, or one for each")

    @property
    def stages(self) -> tuple[int, ...]:
        """What -us says."""
        return listed_numbers("-us", self.upsampling, FINEST)

    @property
    def levels(self) -> tuple[int, ...]:
        """What -bin says; empty where it is not given."""
        return () if self.bins is None else listed_numbers("-bin", self.bins, COARSEST)

    @property
    def method_of_stages(self) -> tuple[str, ...]:
        """What -met says; empty where it is not given."""
        return () if self.methods is None else tuple(word.strip(" ") for word in self.methods.split(","))


def listed_numbers(flag: str, text: str, most: int) -> tuple[int, ...]:
    """Whole numbers from 1, with commas between; UserError, which names the flag, where it is something else."""
    try:
        found = tuple(whole_number(word) for word in text.split(","))
    except ValueError:
        raise UserError(f"{flag} takes whole numbers with commas between, as in 1,5,20, not {quoted(text)}") from None
    if len(found) > MOST_STAGES:
        raise UserError(f"{flag} takes at most {MOST_STAGES} numbers, not {len(found)}")
    for number in found:
        if not 1 <= number <= most:
            raise UserError(f"{flag}: a number must be from 1 to {most}, not {number}")
    return found


@option_group
class Written(Place, InUnits):
    """What is written, and where."""

    group: ClassVar[str] = "output"

    stack: str | None = option(
        None, "-stack", "--aligned-stack", choices=("tif", "nxtomo"), in_key=False,
        help="write the views as they lie after the alignment, too: as a TIFF stack, or an NXtomo file with the angles "
        "for programs that reconstruct",
    )  # fmt: skip
    geo: str | None = option(
        None, "-geo", "--geometry", metavar="FILE.geo", in_key=False,
        help="where the geometry with the new offsets is written; default <stem>.geo",
    )  # fmt: skip
    graph: bool = option(
        True, "-nograph", "--no-graph", in_key=False,
        help="draw no picture of the sinogram before and after, and of the offsets",
    )  # fmt: skip

    def check(self) -> None:
        if self.geo is not None and not self.geo.endswith(".geo"):
            raise UserError(f"-geo must name a file that ends in .geo, not {quoted(self.geo)}")


@option_group
class NeedlessCard(OptionSet):
    """Accepted, not needed."""

    group: ClassVar[str] = "accepted, without effect"

    use_gpu: bool = option(
        False, "--use-gpu", in_key=False, help="not needed: all is computed by the ranks",
        note="--use-gpu is ignored: all is computed by the ranks, on their processors",
    )  # fmt: skip


@dataclass(kw_only=True)
class Options(ScanFiles, Part, Reconstruction, Loop, Written, Reported, RunControl, NeedlessCard):
    """Options of hpcdvc-align."""

    differently: ClassVar[dict[str, dict]] = {
        "out_dir": {"help": "folder, made if needed; default that of the scan"},
        "prefix": {"help": "beginning of the file names, instead of the name of the scan"},
        "dry_run": {"help": "say how much memory and time it takes in both modes, then leave"},
    }
