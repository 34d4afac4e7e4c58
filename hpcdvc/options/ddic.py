"""Options of hpcdvc-ddic."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Output, Reported, RunControl, Slices, StartField
from hpcdvc.options.declare import REQUIRED, OptionSet, option, option_group
from hpcdvc.options.ldic import MARKED, statuses_of
from hpcdvc.options.needless import NeedlessDebug, NeedlessLazyLoad
from hpcdvc.options.registration import (
    InterpolationOptions,
    IterationOptions,
    MaskCoverage,
    RegistrationFirst,
    SelfStart,
    WindowShape,
)
from hpcdvc.options.roi import RoiOfLabels
from hpcdvc.options.search import ParticleSize
from hpcdvc.options.values import LONGEST

DESCRIPTION = (
    "Measure how each labelled particle of im1 has moved and turned, by correlation of its own voxels; the "
    "displacement is that of its centre of mass."
)


@option_group
class LabelledImage(Slices):
    """Reference image and the labels of its particles."""

    group: ClassVar[str] = "images"

    im1: str = option(
        REQUIRED, reads="volume", help="reference image: TIFF, folder of slices, file.h5:/dataset, .nii, .raw ..."
    )
    labels: str = option(
        REQUIRED,
        metavar="lab1",
        reads="volume",
        help="label image of im1: whole numbers, 0 where there is no particle",
    )


@option_group
class DeformedSeries(Slices):
    """One or more deformed images."""

    group: ClassVar[str] = "images"

    deformed: tuple[str, ...] = option(
        REQUIRED, metavar="im2 [im3 ...]", reads="volume", help="deformed images, in order"
    )
    series_incremental: bool = option(
        False,
        "-sei",
        "--series-incremental",
        in_key=False,
        help="measure each image against the one before, not against the first; needs --move-labels",
    )
    move_labels: bool = option(
        False,
        "--move-labels",
        in_key=False,
        help="write the label image as each step has moved it, <stem>-labels.tif; with -sei the next step measures "
        "these labels. Those that were not measured are left out",
    )

    def check(self) -> None:
        if self.series_incremental and not self.move_labels:
            raise UserError("-sei needs the labels of each image: --move-labels moves those of the first one along")


@option_group
class NeedlessOfLabels(OptionSet):
    """Accepted so that command lines written for other programs run unchanged."""

    group: ClassVar[str] = "accepted, without effect"

    margin: int = option(
        5,
        "-m",
        "-mar",
        "--margin",
        at_least=0,
        at_most=LONGEST,
        unit="voxel",
        in_key=False,
        help="not needed: labels are followed wherever they move in im2",
    )
    multiscale_binning: int = option(
        1,
        "-msb",
        "--multiscale-binning",
        at_least=1,
        at_most=4096,
        in_key=False,
        help="not needed: labels that have moved far are looked for",
        note="-msb is ignored: labels that have moved too far for a registration are looked for (see --no-search)",
    )


@option_group
class ParticleVoxels(ParticleSize):
    """The same, and what counts of their surroundings."""

    mask_others: bool = option(
        True, "-dmo", "--dont-mask-others", help="dilated voxels count even where they belong to other particles"
    )


@option_group
class ParticleIterations(IterationOptions):
    """The iterations of a registration of particles."""

    max_iterations: int = option(
        50, "-it", "-lci", "--max-iterations", at_least=1, at_most=10**6, help="most iterations per particle"
    )
    min_delta_phi: float = option(
        1e-3, "-dp", "-lcp", "--min-delta-phi", above=0, at_most=1,
        help="converged when the norm of the change of Phi is below this",
    )  # fmt: skip
    rigid: bool = option(
        True, "-nr", "--non-rigid", help="particles may deform; by default they are displaced and turned only"
    )


@dataclass(kw_only=True)
class Options(
    LabelledImage,
    DeformedSeries,
    ParticleVoxels,
    RoiOfLabels,
    StartField,
    RegistrationFirst,
    SelfStart,
    MaskCoverage,
    ParticleIterations,
    InterpolationOptions,
    WindowShape,
    Output,
    Reported,
    RunControl,
    NeedlessOfLabels,
    NeedlessDebug,
    NeedlessLazyLoad,
):
    """Options of hpcdvc-ddic."""

    start_from: str = option(
        "previous",
        "--start-from",
        choices=("first", "previous", "file"),
        in_key=False,
        group="start",
        help="what the steps of a series after the first start from: the result of the first step, what the steps "
        "before lead to, or -pf (without it their own) like the first",
    )
    skip: str | None = option(
        None,
        "-skp",
        "--skip",
        alone=MARKED,
        metavar="[=STATUSES]",
        group="start",
        help="keep the rows of -pf and measure those that failed again, and labels without a row, from what their "
        "neighbours have measured; -skp=-1,-9 those of these return statuses alone",
    )
    out_dir: str | None = option(
        None, "-od", "--out-dir", metavar="DIR", in_key=False, help="folder, made if needed; default that of lab1"
    )
    repair: bool = option(
        False,
        "--repair",
        help="try those that fail again: from what their neighbours have measured, then from a search",
    )

    def check(self) -> None:
        if self.skip is not None and self.phi_file is None:
            raise UserError("-skp needs the earlier result, give it with -pf")
        if self.skip is not None and len(self.deformed) > 1:
            raise UserError(f"-skp completes one result: it takes one deformed image, not {len(self.deformed)}")
        _ = self.skipped_statuses

    @property
    def skipped_statuses(self) -> tuple[int, ...] | None:
        """Return statuses that `-skp` names; None: all that are marked to be measured again."""
        return statuses_of(self.skip)
