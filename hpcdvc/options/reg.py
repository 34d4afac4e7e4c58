"""Options of hpcdvc-reg."""

from dataclasses import dataclass

from hpcdvc.options.common import ImagePair, Reported, RunControl
from hpcdvc.options.declare import option
from hpcdvc.options.images import Files, Selection, Start
from hpcdvc.options.needless import NeedlessLazyLoad, NeedlessShift
from hpcdvc.options.registration import InterpolationOptions, IterationOptions

DESCRIPTION = "Measure one deformation function for a whole image: how it moved, turned and deformed as one."


@dataclass(kw_only=True)
class Options(
    ImagePair,
    Start,
    Selection,
    IterationOptions,
    InterpolationOptions,
    Files,
    Reported,
    RunControl,
    NeedlessLazyLoad,
    NeedlessShift,
):
    """Options of hpcdvc-reg."""

    min_delta_phi: float = option(
        1e-4,
        "-dp",
        "--min-delta-phi",
        above=0,
        at_most=1,
        group="registration",
        help="converged when the norm of the change of Phi is below this",
    )
