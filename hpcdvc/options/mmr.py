"""Options of hpcdvc-mmr."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError, quoted
from hpcdvc.options.common import ImagePair, Mask, PhiFile, Place, Reported, RunControl
from hpcdvc.options.declare import OptionSet, declarations, option, option_group
from hpcdvc.options.roi import Roi
from hpcdvc.options.values import listed, whole_number
from hpcdvc.options.voxel_size import InUnits

DESCRIPTION = "Register two images that show the same body by different means: x-rays and neutrons, two energies."

#: Largest grey value: what float32 holds.
BRIGHTEST = 3e38
#: Most phases: the phase map has 8 bits.
MOST_PHASES = 16
AUTO = "auto"


def number_or_word(word: str) -> int | str:
    """A number of phases, or the word as it is."""
    try:
        return whole_number(word)
    except ValueError:
        return word


@option_group
class GreyValues(OptionSet):
    """How grey values become bins."""

    group: ClassVar[str] = "grey values"

    im1_min: float | None = option(
        None, "-im1min", "--im1-min", at_least=-BRIGHTEST, at_most=BRIGHTEST, unit="grey value",
        help="darkest grey value of im1 that is told from others; default the least of the central crop",
    )  # fmt: skip
    im1_max: float | None = option(
        None, "-im1max", "--im1-max", at_least=-BRIGHTEST, at_most=BRIGHTEST, unit="grey value",
        help="brightest one; default the greatest of the central crop",
    )  # fmt: skip
    im2_min: float | None = option(
        None, "-im2min", "--im2-min", at_least=-BRIGHTEST, at_most=BRIGHTEST, unit="grey value",
        help="the same of im2",
    )  # fmt: skip
    im2_max: float | None = option(
        None, "-im2max", "--im2-max", at_least=-BRIGHTEST, at_most=BRIGHTEST, unit="grey value",
        help="the same of im2",
    )  # fmt: skip
    bins: int = option(
        128, "-jhb", "--joint-histogram-bins", at_least=8, at_most=1024, help="bins of each axis of the joint histogram"
    )
    crop: float = option(
        0.1, "-cro", "--crop", at_least=0, at_most=0.45,
        help="part of each side that is left out on either end where ranges of grey values are found",
    )  # fmt: skip

    def check(self) -> None:
        for name in ("im1", "im2"):
            low, high = getattr(self, f"{name}_min"), getattr(self, f"{name}_max")
            if None not in (low, high) and not low < high:
                raise UserError(f"-{name}min {low:g} must be less than -{name}max {high:g}")


@option_group
class Phases(OptionSet):
    """How the joint histogram is taken apart."""

    group: ClassVar[str] = "phases"

    n_phases: tuple[int, ...] = option(
        (2,), "-ph", "--phases-number", type=number_or_word, metavar="N [N ...]|auto",
        help="number of phases, for all levels or for each of them, the coarsest first; auto: as many as the joint "
        "histogram tells apart (BIC)",
    )  # fmt: skip
    phases_file: str | None = option(
        None, "--phases", metavar="FILE", reads="parameters",
        help="phases, and the Phi to start from, as they were found or edited before (.json)",
    )  # fmt: skip
    im1_threshold: int = option(
        0, "-im1th", "--im1-threshold", at_least=0, at_most=1023, unit="bin",
        help="phases are not looked for below this grey value of im1",
    )  # fmt: skip
    im2_threshold: int = option(
        0, "-im2th", "--im2-threshold", at_least=0, at_most=1023, unit="bin", help="the same of im2"
    )
    distance: int | None = option(
        None, "-dst", "--distance-between-maxima", at_least=1, at_most=1023, unit="bin",
        help="least distance between the maxima of two phases; default a 25th of -jhb",
    )  # fmt: skip
    fit_distance: float | None = option(
        None, "-fdi", "--fit-distance", above=0, at_most=1024, unit="bin",
        help="how far from its maximum a phase is fitted at first; default half of -jhb",
    )  # fmt: skip
    coverage: float = option(
        1.0, "-voc", "--voxel-coverage", above=0, at_most=1,
        help="part of the voxels that belongs to a phase in the phase map; the others belong to none",
    )  # fmt: skip

    def check(self) -> None:
        if self.n_phases == (AUTO,):
            return
        for number in self.n_phases:
            if isinstance(number, bool) or not isinstance(number, int):
                words = " ".join(map(str, self.n_phases))
                raise UserError(f"-ph takes a number of phases for each level, or auto alone, not {quoted(words)}")
            if not 1 <= number <= MOST_PHASES:
                raise UserError(f"-ph {number}: from 1 to {MOST_PHASES} phases can be told apart")


#: What a file of --phases says itself.
SAID_BY_PHASES = ("n_phases", "bins", "crop", "im1_threshold", "im2_threshold", "distance", "fit_distance")


@option_group
class ModalStart(PhiFile):
    """Where it starts from."""

    group: ClassVar[str] = "start"
    differently = {"phi_file": {"help": "a registration (one row, .tsv or .hdf) to start from"}}

    auto: bool = option(
        False, "--auto", help="find the start: rotations to about 30 degrees, displacements to a fifth of the image"
    )


@option_group
class Iterations(OptionSet):
    """How it iterates."""

    group: ClassVar[str] = "registration"

    levels: int = option(
        1, "-bin", "--binning-levels", at_least=1, at_most=12,
        help="levels: with 3 of them it begins on images binned by 4, then by 2, then 1",
    )  # fmt: skip
    rigid: bool = option(False, "-rig", "--rigid", help="displacement and rotation only")
    max_iterations: int = option(
        50, "-it", "--max-iterations", at_least=1, at_most=10**6, help="most iterations of a level"
    )
    min_delta_phi: float = option(
        5e-4, "-dp", "--min-delta-phi", above=0, at_most=1,
        help="converged when the norm of the change of Phi is below this",
    )  # fmt: skip


@option_group
class Selection(Mask, Roi):
    """Which voxels of im1 count."""

    group: ClassVar[str] = "selection of voxels"

    margin: float = option(
        0.1, "-mar", "--margin", at_least=0, at_most=0.45,
        help="part of each side of im1 that is left out on either end, room for movement; what -cro leaves out is, too",
    )  # fmt: skip


@option_group
class Files(Place, InUnits):
    """What is written beside the result."""

    deformed: bool = option(
        False, "-def", "--save-deformed", in_key=False,
        help="write im1 in the frame of im2 and im2 in the frame of im1 as well",
    )  # fmt: skip


@option_group
class NeedlessWindows(OptionSet):
    """Accepted, and done otherwise."""

    group: ClassVar[str] = "accepted, without effect"

    interactive: bool = option(
        False, "-int", "--interactive", in_key=False, help="not needed: hpcdvc-mmr-graphical is interactive",
        note="-int is ignored: hpcdvc-mmr-graphical is the interactive one",
    )  # fmt: skip
    graphs: bool = option(
        False, "-gra", "--graphs", in_key=False, help="not needed: the pictures are always written",
        note="-gra is ignored: the pictures are always written, as .png files beside the result",
    )  # fmt: skip
    slice_axis: int | None = option(
        None, "-ssl", "--show-slice-axis", at_least=0, at_most=2, in_key=False,
        help="not needed: the checkerboards show slices along all axes",
        note="-ssl is ignored: the checkerboards show slices along all axes",
    )  # fmt: skip


@dataclass(kw_only=True)
class Options(
    ImagePair, ModalStart, GreyValues, Phases, Selection, Iterations, Files, Reported, RunControl, NeedlessWindows,
):  # fmt: skip
    """Options of hpcdvc-mmr."""

    def check(self) -> None:
        starts = ("-pf", self.phi_file), ("--auto", self.auto), ("--phases", self.phases_file)
        given = [flag for flag, value in starts if value]
        if len(given) > 1:
            raise UserError(f"give only one of {' and '.join(given)}: each says where to start from")
        if self.phases_file:
            self._check_phases()
        if self.n_phases != (AUTO,) and len(self.n_phases) not in (1, self.levels):
            raise UserError(
                f"-ph has {len(self.n_phases)} numbers of phases, and -bin asks for {self.levels} "
                f"level{'s' * (self.levels > 1)}: give one number for all, or one for each level"
            )
        if len(self.n_phases) == 1:
            self.n_phases *= self.levels
        for flag, threshold in (("-im1th", self.im1_threshold), ("-im2th", self.im2_threshold)):
            if threshold >= self.bins:
                raise UserError(f"{flag} {threshold} leaves no bin: the last of -jhb {self.bins} is {self.bins - 1}")

    def _check_phases(self) -> None:
        said = [declared for declared in declarations(type(self)) if declared.name in SAID_BY_PHASES]
        given = [declared.label for declared in said if getattr(self, declared.name) != declared.default]
        if given:
            raise UserError(f"--phases says itself what {listed(given, 'and')} would say: leave that out")
        if self.levels > 1:
            raise UserError(f"--phases holds the phases of one level: leave -bin {self.levels} out")
