"""Options that many commands share, as dataclasses that a command combines by inheritance."""

from dataclasses import dataclass
from typing import ClassVar

from hpcdvc.errors import UserError
from hpcdvc.options import REQUIRED, OptionSet, one_of, option

ZYX = tuple[int, int, int]


@dataclass(kw_only=True)
class ImagePair(OptionSet):
    """Reference and deformed image."""

    group: ClassVar[str] = "images"

    im1: str = option(REQUIRED, help="reference image: TIFF, folder of slices, file.h5:/dataset, .npy")
    im2: str = option(REQUIRED, help="deformed image")


@dataclass(kw_only=True)
class ImageSeries(OptionSet):
    """Reference image and one or more deformed ones."""

    group: ClassVar[str] = "images"

    images: tuple[str, ...] = option(
        REQUIRED,
        metavar="im1 im2 [im3 ...]",
        help="images in order, the first is the reference: TIFF, folder of slices, file.h5:/dataset, .npy",
    )
    series_incremental: bool = option(
        False,
        "-sei",
        "--series-incremental",
        in_key=False,
        help="measure each image against the one before, not against the first",
    )

    def check(self) -> None:
        if len(self.images) < 2:
            raise UserError(f"at least two images are needed, only {self.images[0]!r} is given")

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """(reference, deformed) of every step."""
        first = self.images[:-1] if self.series_incremental else self.images[:1] * (len(self.images) - 1)
        return list(zip(first, self.images[1:], strict=True))


@dataclass(kw_only=True)
class StartField(OptionSet):
    """Where the measurement starts from."""

    group: ClassVar[str] = "start"

    phi_file: str | None = option(
        None,
        "-pf",
        "-phiFile",
        metavar="FILE",
        help="result of a registration (one row) or a field on the same nodes (.tsv or .hdf) to start from",
    )
    phi_file_bin_ratio: float = option(
        1.0,
        "-pfb",
        "--phiFile-bin-ratio",
        above=0,
        help="factor on the positions and displacements of -pf, e.g. 2 when it was measured on images binned by 2",
    )
    apply_f: str = option(
        "all",
        "-F",
        "--apply-F",
        choices=("all", "rigid", "no"),
        help="part of the F of a registration to start from; its displacement at each node is always exact",
    )


@dataclass(kw_only=True)
class NodeSpacing(OptionSet):
    """A regular grid of nodes."""

    group: ClassVar[str] = "grid"

    node_spacing: int | None = option(
        None, "-ns", "--node-spacing", at_least=1, unit="voxel", help="distance between nodes"
    )
    node_spacing3: ZYX | None = option(
        None, "-ns3", "--node-spacing-3", at_least=1, unit="voxel", help="the same, one for each axis"
    )

    def check(self) -> None:
        one_of(self, "node_spacing", "node_spacing3")

    @property
    def spacing(self) -> ZYX | None:
        """Node spacing as (Z, Y, X) in voxels; None when it is left to the start field."""
        return _three(self.node_spacing) or self.node_spacing3


@dataclass(kw_only=True)
class WindowSize(OptionSet):
    """The correlation window of 2 * half + 1 voxels."""

    group: ClassVar[str] = "grid"

    half_window_size: int | None = option(
        None, "-hws", "--half-window-size", at_least=1, unit="voxel", help="half window: it has 2*hws+1 voxels"
    )
    half_window_size3: ZYX | None = option(
        None, "-hws3", "--half-window-size-3", at_least=0, unit="voxel", help="the same, one for each axis"
    )

    def check(self) -> None:
        one_of(self, "half_window_size", "half_window_size3", required=True)
        if self.half_window == (0, 0, 0):
            raise UserError("-hws3 0 0 0 is a window of a single voxel")

    @property
    def half_window(self) -> ZYX:
        """Half window size as (Z, Y, X) in voxels."""
        return _three(self.half_window_size) or self.half_window_size3


@dataclass(kw_only=True)
class WindowSelection(OptionSet):
    """Which windows are worth measuring."""

    group: ClassVar[str] = "selection of windows"

    mask1: str | None = option(
        None, "-mf1", "--maskFile1", metavar="FILE", help="mask of im1: where it is 0, voxels are left out"
    )
    mask_coverage: float = option(
        0.5,
        "-mc",
        "--mask-coverage",
        at_least=0,
        at_most=1,
        help="least part of a window that must be valid: inside both images, not masked, not NaN",
    )
    grey_low_threshold: float = option(
        -float("inf"), "-glt", "--grey-low-threshold", unit="grey value", help="skip windows with a mean not above this"
    )
    grey_high_threshold: float = option(
        float("inf"), "-ght", "--grey-high-threshold", unit="grey value", help="skip windows with a mean not below this"
    )

    def check(self) -> None:
        low, high = self.grey_low_threshold, self.grey_high_threshold
        if not low < high:
            raise UserError(f"-glt {low:g} must be less than -ght {high:g}")


@dataclass(kw_only=True)
class Iterations(OptionSet):
    """The iterations of a registration."""

    group: ClassVar[str] = "registration"

    max_iterations: int = option(50, "-it", "--max-iterations", at_least=1, help="most iterations per window")
    min_delta_phi: float = option(
        1e-3, "-dp", "--min-delta-phi", above=0, help="converged when the norm of the change of Phi is below this"
    )
    rigid: bool = option(False, "-rig", "--rigid", help="displacement and rotation only")
    update_gradient: bool = option(
        False, "-ug", "--update-gradient", help="use the gradient of the deformed image, renewed in every iteration"
    )


@dataclass(kw_only=True)
class Interpolation(OptionSet):
    """Grey levels and gradients between voxels, and how two windows are compared."""

    group: ClassVar[str] = "registration"

    criterion: str = option(
        "znssd",
        "-crit",
        "--criterion",
        choices=("znssd", "ssd"),
        help="what is minimised: znssd is blind to gain and offset of the grey values, ssd is not",
    )
    interpolation_order: int = option(
        3, "-o", "--interpolation-order", choices=(1, 3, 5), help="1 trilinear, 3 cubic spline (o-MOMS), 5 quintic B-spline"
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
    shape_order: str = option(
        "auto",
        "-so",
        "--shape-order",
        choices=("auto", "1"),
        help="auto: where the residual shows that the field is curved inside the window, the displacement at its centre "
        "is freed of that; 1: affine windows, nothing more",
    )


@dataclass(kw_only=True)
class Needless(OptionSet):
    """Accepted so that command lines written for other programs run unchanged."""

    group: ClassVar[str] = "accepted, without effect"

    margin: int = option(
        3,
        "-m",
        "-mar",
        "-margin",
        "--margin",
        at_least=0,
        unit="voxel",
        in_key=False,
        help="not needed: windows are followed wherever they move in im2",
    )
    margin3: ZYX | None = option(
        None, "-m3", "-mar3", "-margin3", "--margin3", at_least=0, unit="voxel", in_key=False, help="the same"
    )
    lazy_load: bool = option(
        False, "-lazy", "--lazy-load", in_key=False, help="not needed: images are mapped whenever the file allows it"
    )
    shift: bool = option(
        False,
        "-shift",
        "--shift",
        in_key=False,
        help="not needed: the B-splines of -o 3 have no bias at half voxels to cancel",
        note="-shift is ignored: it is not needed, the B-splines of -o 3 and 5 have no bias at half voxels to cancel",
    )


@dataclass(kw_only=True)
class Output(OptionSet):
    """Which files are written, and where."""

    group: ClassVar[str] = "output"

    out_dir: str | None = option(
        None, "-od", "--out-dir", metavar="DIR", in_key=False, help="folder, made if needed; default that of im1"
    )
    prefix: str | None = option(
        None, "-pre", "--prefix", in_key=False, help="beginning of the file names, instead of the names of the images"
    )
    vtk: bool = option(False, "-vtk", "--VTKout", in_key=False, help="write a legacy .vtk file as well")
    tif: bool = option(
        False, "-tif", "-tiff", "--TIFFout", "--TIFout", in_key=False, help="write a .tif image of each field as well"
    )
    tsv: bool = option(
        True, "-notsv", "-noTSV", "--noTSV", "--noTSVout", in_key=False, help="write no .tsv table, only the .hdf file"
    )

    def check(self) -> None:
        if self.prefix is not None and (not self.prefix or "/" in self.prefix):
            raise UserError(f"-pre must be the beginning of a file name, not {self.prefix!r}; folders go into -od")


@dataclass(kw_only=True)
class Messages(OptionSet):
    """How much is said."""

    group: ClassVar[str] = "run"

    quiet: bool = option(False, "-q", "--quiet", in_key=False, help="only warnings and errors")
    verbose: bool = option(False, "-v", "--verbose", in_key=False, help="more messages")

    def check(self) -> None:
        if self.quiet and self.verbose:
            raise UserError("give only one of -q and -v")


@dataclass(kw_only=True)
class Processes(OptionSet):
    """How many processes, when no launcher says so."""

    group: ClassVar[str] = "run"

    processes: int | None = option(
        None,
        "-np",
        "--number-of-processes",
        at_least=1,
        in_key=False,
        help="processes on this machine, without mpirun; default 1",
    )


@dataclass(kw_only=True)
class RunControl(Processes, Messages):
    """Processes, restart and what to do with files that exist."""

    group: ClassVar[str] = "run"

    resume: bool = option(False, "--resume", in_key=False, help="go on with an unfinished run")
    force: bool = option(False, "--force", in_key=False, help="overwrite the result of an earlier run")
    dry_run: bool = option(
        False, "--dry-run", in_key=False, help="say how many points, how much memory and time it takes, then leave"
    )
    checkpoint_interval: float = option(
        10.0, "--checkpoint-interval", above=0, unit="s", in_key=False, help="most work that a crash can cost"
    )


def _three(value: int | None) -> ZYX | None:
    return None if value is None else (value,) * 3
