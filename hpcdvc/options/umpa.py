"""Options of hpcdvc-umpa."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import Reported, RunControl, Slices
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.needless import NeedlessLazyLoad
from hpcdvc.options.roi import BOX, Roi
from hpcdvc.options.stacks import Bands, DenseOutput, Peak, PeakSize, ShiftRange, ShiftWindow

DESCRIPTION = (
    "Find where the speckle of each pixel has gone, what is left of its light and of its contrast: refraction, "
    "transmission and dark field of a stack of frames, or of a tomographic scan of such stacks."
)


@option_group
class Scan(Slices):
    """Frames without and with the sample, and which of them are taken."""

    group: ClassVar[str] = "images"

    ref: str = option(
        reads="scan",
        help="frames without the sample: multi-page TIFF, folder, file.h5:/dataset, .npy of K frames; of a tomographic "
        "scan also one such stack for each block of projections (4-D)",
    )
    sam: str = option(reads="scan", help="the same with it; 4-D, projections x frames, is a tomographic scan")
    flats: str | None = option(
        None,
        "--flats",
        metavar="FILE",
        reads="volume",
        help="frames without sample and diffuser: grey values are divided by their mean",
    )
    darks: str | None = option(
        None, "--darks", metavar="FILE", reads="volume", help="frames without light: their mean is subtracted"
    )
    steps: tuple[int, ...] | None = option(
        None,
        "-steps",
        "--steps",
        metavar="N ...",
        at_least=0,
        at_most=2**31,
        help="frames that are taken, from 0; default all",
    )
    blocks: tuple[int, ...] | None = option(
        None, "-blocks", "--blocks", metavar="N ...", at_least=0, at_most=2**31,
        help="first projection of each block, from 0, where ref has several stacks; default blocks of one length",
    )  # fmt: skip
    frame_masks: str | None = option(
        None, "-mfs", "--frame-masks", metavar="FILE", reads="volume",
        help="masks of the frames of sam, one for each or one for all: where one is 0, the frame lacks the pixel",
    )  # fmt: skip
    positions: str | None = option(
        None, "-pos", "--positions", metavar="FILE", reads="parameters",
        help="the sample is moved, not the diffuser: a text with a line `dy dx` for each frame, whole pixels; ref may "
        "be a single frame",
    )  # fmt: skip


@option_group
class Model(OptionSet):
    """How speckle with and without the sample are compared."""

    group: ClassVar[str] = "speckle"

    dark_field: bool = option(
        False, "-df", "--dark-field", help="find how much contrast is left, too: visibility, 1 where nothing scatters"
    )
    window: str = option(
        "hamming",
        "-win",
        "--window",
        choices=("hamming", "hann", "bartlett", "blackman", "nuttall", "parzen", "triang", "none"),
        help="how much the pixels of a window count",
    )
    mean: str = option(
        "global",
        "-mean",
        "--mean",
        choices=("global", "frame", "local"),
        help="light without contrast: global, the mean of all frames of ref; frame divides each frame by its own mean, "
        "for a beam that drifts; local, with -df, is the mean of each window",
    )
    values_at: str = option(
        "subpixel", "-tv", "--values-at", choices=("subpixel", "pixel"),
        help="where transmission and visibility are taken",
    )  # fmt: skip

    def check(self) -> None:
        if self.mean == "local" and not self.dark_field:
            raise UserError("-mean local makes no sense without -df: nothing but the dark field depends on it")


@option_group
class Phase(OptionSet):
    """The phase whose slope the displacement is."""

    group: ClassVar[str] = "phase"

    integrate: bool = option(
        False, "-integrate", "--integrate", help="integrate the displacement (Frankot and Chellappa): phase"
    )
    pixel: float | None = option(
        None, "--pixel", above=0, at_most=1e6, unit="um", help="size of a pixel, for a phase in radian"
    )
    distance: float | None = option(None, "--distance", above=0, at_most=1e6, unit="m", help="from sample to detector")
    energy: float | None = option(None, "--energy", above=0, at_most=1e6, unit="keV", help="of the photons")

    def check(self) -> None:
        given = [name for name in ("pixel", "distance", "energy") if getattr(self, name) is not None]
        if given and not self.integrate:
            raise UserError(f"--{given[0]} makes no sense without -integrate")
        if given and len(given) < 3:
            raise UserError("give --pixel, --distance and --energy, or none of them: then the phase is in pixel^2")


@dataclass(kw_only=True)
class Options(
    Scan, ShiftWindow, Roi, ShiftRange, Model, PeakSize, Peak, Phase, DenseOutput, Reported, RunControl, Bands,
    NeedlessLazyLoad,
):  # fmt: skip
    """Options of hpcdvc-umpa."""

    differently = {
        "out_dir": {"help": "folder, made if needed; default that of ref"},
        "roi": {
            "help": "only the pixels, or nodes of the grid of the whole image, that lie in this box, of a tomographic "
            f"scan with the projections along Z: {BOX}"
        },
    }

    def check(self) -> None:
        if self.integrate and self.roi is not None:
            raise UserError("-integrate needs a displacement at every pixel: no --roi")
        if self.integrate and self.node_spacing > 1:
            raise UserError("-integrate needs a displacement at every pixel: -ns 1")
