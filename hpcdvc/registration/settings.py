"""What a registration is told: how it iterates, interpolates and takes gradients, and what its windows are.

The defaults are those of the options of the commands (hpcdvc.options.registration), where users read what they mean; a
test compares them. What has no option is declared here. Commands make settings of options in hpcdvc.steps.settings.
"""

from dataclasses import dataclass

import numpy as np

from hpcdvc.errors import UserError


@dataclass(frozen=True)
class Iterations:
    """How Gauss-Newton iterations go and end.

    Attributes
    ----------
    max_iterations : most iterations
    min_delta_phi : converged when the norm of the change of Phi is not above this
    rigid : displacement and rotation only
    update_gradient : gradient of the warped im2, renewed in every iteration, instead of that of im1
    min_zncc : what correlates less is not called converged

    Raises
    ------
    UserError
        max_iterations is not 1 to 1e6, or min_delta_phi not above 0 and at most 1.
    """

    max_iterations: int = 50
    min_delta_phi: float = 1e-3
    rigid: bool = False
    update_gradient: bool = False
    min_zncc: float = 0.3

    def __post_init__(self) -> None:
        if not (1 <= self.max_iterations <= 10**6 and 0 < self.min_delta_phi <= 1):
            raise UserError("max_iterations must be 1 to 1000000, and min_delta_phi above 0 and at most 1")


@dataclass(frozen=True)
class Interpolation:
    """Grey values of im2 between voxels, and how they are compared with those of im1.

    Attributes
    ----------
    order : of the spline: 1, 3 or 5
    criterion : "znssd" eliminates gain and offset, "ssd" compares grey values as they are

    Raises
    ------
    UserError
        One of them is not known.
    """

    order: int = 3
    criterion: str = "znssd"

    def __post_init__(self) -> None:
        if self.order not in (1, 3, 5):
            raise UserError(f"an interpolation of order {self.order} is not known: 1, 3 or 5")
        if self.criterion not in ("znssd", "ssd"):
            raise UserError(f"the criterion {self.criterion!r} is not known: znssd or ssd")


@dataclass(frozen=True)
class Gradient:
    """How the gradient of im1 is taken.

    Attributes
    ----------
    method : "spline" (derivative of the interpolating spline; central differences at order 1), "finite_differences"
        (central) or "gaussian"; None chooses "spline", in windows whose residual shows much noise, or rings finer than
        the texture, a Gaussian derivative of 1 voxel, and in large images central differences over five voxels
    sigma : width of the Gaussian derivative, voxels

    Raises
    ------
    UserError
        The method is not known, or sigma not above 0 and at most 8.
    """

    method: str | None = None
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if self.method not in (None, "finite_differences", "spline", "gaussian"):
            raise UserError(f"the gradient {self.method!r} is not known: finite_differences, spline or gaussian")
        if not 0 < self.sigma <= 8:
            raise UserError("gaussian_sigma must be positive and at most 8")


@dataclass(frozen=True)
class Window:
    """The correlation window about a point, and when it is worth measuring.

    Attributes
    ----------
    half_size : voxels on each side of the point, ZYX: 2 * half + 1 per axis; 0 in z in two dimensions
    min_valid : least fraction of valid voxels
    grey_low, grey_high : windows whose mean grey value is not between them are skipped
    shape_order : "auto" corrects the displacement at the point for the curvature of the field inside the window, and
        for slopes of gain and offset (znssd) across it, where the residual shows them; "1" leaves the affine optimum
    read_margin : voxels of im2 read around the window at first; wider moves read again
    """

    half_size: tuple[int, int, int]
    min_valid: float = 0.5
    grey_low: float = -np.inf
    grey_high: float = np.inf
    shape_order: str = "auto"
    read_margin: int = 1


@dataclass(frozen=True)
class Settings:
    """How windows or whole images are registered.

    Attributes
    ----------
    window : None for whole images
    dimensions : 2 or 3; images of two dimensions are (1, ny, nx) arrays
    iterations, interpolation, gradient : see there

    Raises
    ------
    UserError
        The window has not this many dimensions.
    """

    window: Window | None = None
    dimensions: int = 3
    iterations: Iterations = Iterations()
    interpolation: Interpolation = Interpolation()
    gradient: Gradient = Gradient()

    def __post_init__(self) -> None:
        if self.dimensions not in (2, 3):
            raise UserError(f"a registration in {self.dimensions} dimensions is not possible: 2 or 3")
        if self.window and (self.window.half_size[0] == 0) != (self.dimensions == 2):
            raise UserError(f"half windows of {self.window.half_size} voxels do not fit {self.dimensions} dimensions")


def dimensions_of(shape: tuple[int, ...]) -> int:
    """2 or 3: the dimensions of an image of shape (nz, ny, nx), of which those with nz = 1 are flat."""
    return 2 if shape[0] == 1 else 3
