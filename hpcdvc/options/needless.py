"""Options that are accepted and change nothing, so that command lines written for other programs run unchanged."""

from typing import ClassVar

from hpcdvc.options.common import ZYX
from hpcdvc.options.declare import OptionSet, option, option_group
from hpcdvc.options.values import LONGEST


@option_group
class NeedlessMargin(OptionSet):
    """Accepted so that command lines written for other programs run unchanged."""

    group: ClassVar[str] = "accepted, without effect"

    margin: int = option(
        3,
        "-m",
        "-mar",
        "-margin",
        "--margin",
        at_least=0,
        at_most=LONGEST,
        unit="voxel",
        in_key=False,
        help="not needed: windows are followed wherever they move in im2",
    )
    margin3: ZYX | None = option(
        None, "-m3", "-mar3", "-margin3", "--margin3", at_least=0, at_most=LONGEST, unit="voxel", in_key=False,
        help="the same",
    )  # fmt: skip


@option_group
class NeedlessLazyLoad(OptionSet):
    """Accepted, and what it asks for is always done."""

    group: ClassVar[str] = "accepted, without effect"

    lazy_load: bool = option(
        False, "-lazy", "--lazy-load", in_key=False, help="not needed: images are mapped whenever the file allows it"
    )


@option_group
class NeedlessDebug(OptionSet):
    """Accepted, not needed."""

    group: ClassVar[str] = "accepted, without effect"

    debug: bool = option(
        False,
        "-d",
        "--debug",
        in_key=False,
        help="not needed: the result has the residual and the reason of every row",
        note="-d is ignored: the result has the residual and the reason of every row",
    )


@option_group
class NeedlessShift(OptionSet):
    """Accepted, not needed."""

    group: ClassVar[str] = "accepted, without effect"

    shift: bool = option(
        False,
        "-shift",
        "--shift",
        in_key=False,
        help="not needed: the splines of -o 3 and 5 leave next to no bias to cancel",
        note="-shift is ignored: the splines of -o 3 and 5 leave next to no bias to cancel, that of -o 1 stays",
    )


@option_group
class Needless(NeedlessMargin, NeedlessLazyLoad, NeedlessShift):
    """Accepted so that command lines written for other programs run unchanged."""
