"""Options of everything that registers windows on nodes, as dataclasses that a command combines by inheritance."""

from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options.common import ZYX, Mask
from hpcdvc.options.declare import OptionSet, one_of, option, option_group
from hpcdvc.options.values import LONGEST

INFINITE = float("inf")
#: Largest half window, voxels.
WIDEST = 2**15


@option_group
class NodeSpacing(OptionSet):
    """A regular grid of nodes."""

    group: ClassVar[str] = "grid"

    node_spacing: int | None = option(
        None, "-ns", "--node-spacing", at_least=1, at_most=LONGEST, unit="voxel", instead_of=("node_spacing3",),
        help="distance between nodes",
    )  # fmt: skip
    node_spacing3: ZYX | None = option(
        None, "-ns3", "--node-spacing-3", at_least=1, at_most=LONGEST, unit="voxel", instead_of=("node_spacing",),
        help="the same, one for each axis; of both the last one counts",
    )  # fmt: skip

    def check(self) -> None:
        one_of(self, "node_spacing", "node_spacing3")

    @property
    def spacing(self) -> ZYX | None:
        """Node spacing as (Z, Y, X) in voxels; None when it is left to the start field."""
        return _three(self.node_spacing) or self.node_spacing3


@option_group
class HalfWindow(OptionSet):
    """The correlation window of 2 * half + 1 voxels."""

    group: ClassVar[str] = "grid"

    half_window_size: int | None = option(
        None, "-hws", "--half-window-size", at_least=1, at_most=WIDEST, unit="voxel",
        instead_of=("half_window_size3",), help="half window: it has 2*hws+1 voxels",
    )  # fmt: skip
    half_window_size3: ZYX | None = option(
        None, "-hws3", "--half-window-size-3", at_least=0, at_most=WIDEST, unit="voxel",
        instead_of=("half_window_size",), help="the same, one for each axis; of both the last one counts",
    )  # fmt: skip

    def check(self) -> None:
        one_of(self, "half_window_size", "half_window_size3")
        if self.half_window == (0, 0, 0):
            raise UserError("-hws3 0 0 0 is a window of a single voxel")

    @property
    def half_window(self) -> ZYX | None:
        """Half window size as (Z, Y, X) in voxels; None where it is not given."""
        return _three(self.half_window_size) or self.half_window_size3


@option_group
class HalfWindowOfFive(HalfWindow):
    """A correlation window that need not be given."""

    @property
    def window(self) -> ZYX:
        """Half window, ZYX: 5 along each axis where none is given."""
        return self.half_window or (5, 5, 5)


@option_group
class WindowSize(HalfWindow):
    """A correlation window that must be given."""

    def check(self) -> None:
        one_of(self, "half_window_size", "half_window_size3", required=True)


@option_group
class MaskCoverage(OptionSet):
    """How much of a window must count."""

    group: ClassVar[str] = "selection of windows"

    mask_coverage: float = option(
        0.5,
        "-mc",
        "--mask-coverage",
        at_least=0,
        at_most=1,
        help="least part of a window that must be valid: inside both images, not masked, not NaN",
    )


@option_group
class WindowLimits(MaskCoverage):
    """What a window must have."""

    grey_low_threshold: float = option(
        -INFINITE, "-glt", "--grey-low-threshold", at_least=-INFINITE, at_most=INFINITE, unit="grey value",
        help="skip windows with a mean not above this",
    )  # fmt: skip
    grey_high_threshold: float = option(
        INFINITE, "-ght", "--grey-high-threshold", at_least=-INFINITE, at_most=INFINITE, unit="grey value",
        help="skip windows with a mean not below this",
    )  # fmt: skip

    def check(self) -> None:
        low, high = self.grey_low_threshold, self.grey_high_threshold
        if not low < high:
            raise UserError(f"-glt {low:g} must be less than -ght {high:g}")


@option_group
class WindowSelection(Mask, WindowLimits):
    """Which windows are worth measuring."""

    group: ClassVar[str] = "selection of windows"


@option_group
class IterationOptions(OptionSet):
    """The iterations of a registration."""

    group: ClassVar[str] = "registration"

    max_iterations: int = option(
        50, "-it", "--max-iterations", at_least=1, at_most=10**6, help="most iterations per window"
    )
    min_delta_phi: float = option(
        1e-3, "-dp", "--min-delta-phi", above=0, at_most=1,
        help="converged when the norm of the change of Phi is below this",
    )  # fmt: skip
    rigid: bool = option(False, "-rig", "--rigid", help="displacement and rotation only")
    update_gradient: bool = option(
        False, "-ug", "--update-gradient", help="use the gradient of the deformed image, renewed in every iteration"
    )


@option_group
class InterpolationOptions(OptionSet):
    """Grey levels and gradients between voxels, and how two images are compared."""

    group: ClassVar[str] = "registration"

    criterion: str = option(
        "znssd",
        "-crit",
        "--criterion",
        choices=("znssd", "ssd"),
        help="what is minimised: znssd is blind to gain and offset of the grey values, ssd is not",
    )
    interpolation_order: int = option(
        3,
        "-o",
        "--interpolation-order",
        choices=(1, 3, 5),
        read_as={2: 3},
        help="1 trilinear, 3 cubic spline (o-MOMS), 5 quintic B-spline",
    )
    gradient_method: str | None = option(
        None,
        "-gm",
        "--gradient-method",
        choices=("finite_differences", "gaussian", "spline"),
        help="gradient of the grey values; default spline at -o 3 and 5, finite_differences (central) at -o 1, and a "
        "Gaussian derivative in windows whose residual shows much noise",
    )
    gaussian_sigma: float = option(
        1.0,
        "-gs",
        "--gaussian-sigma",
        above=0,
        at_most=8,
        unit="voxel",
        help="width of the Gaussian derivative of -gm gaussian",
    )


@option_group
class WindowShape(OptionSet):
    """How the field may vary inside a window."""

    group: ClassVar[str] = "registration"

    shape_order: str = option(
        "auto",
        "-so",
        "--shape-order",
        choices=("auto", "1"),
        help="auto: where the residual shows that the field is curved inside the window, or gain and offset of the "
        "grey values change across it, the displacement at its centre is freed of that; 1: affine windows",
    )


@option_group
class SelfStart(OptionSet):
    """What points start from that nothing else gives a start."""

    group: ClassVar[str] = "start"

    search: bool = option(
        True,
        "--no-search",
        help="without a start from elsewhere (-pf, --register, earlier steps) start from no motion and look for "
        "nothing; by default some points find out how far things have moved, by a search where it is far",
    )


@option_group
class RegistrationFirst(OptionSet):
    """A registration of the whole images first, from which all points start."""

    group: ClassVar[str] = "start"

    register: bool = option(
        False,
        "--register",
        in_key=False,
        help="register the images as a whole first, and start from that, in a series at each step; short for "
        "-regbb 4 -regbe 1",
    )
    register_begin: int | None = option(
        None,
        "-regbb",
        "--registration-binning-begin",
        at_least=1,
        at_most=4096,
        help="the same, with the binning to begin with; less where the image is small",
    )
    register_end: int | None = option(
        None, "-regbe", "--registration-binning-end", at_least=1, at_most=4096,
        help="the same, with the binning to end with",
    )  # fmt: skip

    def check(self) -> None:
        if self.register or self.register_begin is not None or self.register_end is not None:
            self.register, self.register_end = True, self.register_end or 1
            self.register_begin = self.register_begin or max(4, self.register_end)
            if self.register_begin < self.register_end:
                raise UserError(f"-regbb {self.register_begin} is less than -regbe {self.register_end}")


def _three(value: int | None) -> ZYX | None:
    return None if value is None else (value,) * 3
