"""What the errors of windows are called in a paper: the sentence, in the words of the guide of iDICs, and the table."""

from collections.abc import Sequence

import numpy as np

from hpcdvc import __version__
from hpcdvc.fields.noise import Errors
from hpcdvc.registration.settings import Settings

#: Interpolants and criteria by what options call them.
INTERPOLANTS = {1: "trilinear", 3: "cubic o-MOMS spline", 5: "quintic B-spline"}
FLAT_INTERPOLANTS = {**INTERPOLANTS, 1: "bilinear"}
CRITERIA = {
    "znssd": "zero-mean normalised sum of squared differences (ZNSSD)",
    "ssd": "sum of squared differences (SSD)",
}
SHAPES = {
    "auto": "affine (first-order), its displacement corrected for curvature where the residual shows it",
    "1": "affine (first-order)",
}
COLUMNS = (
    "halfWindow", "window", "windows", "converged",
    "Zrandom", "Yrandom", "Xrandom", "Zbias", "Ybias", "Xbias", "Zbias_std", "Ybias_std", "Xbias_std",
    "gradient_random", "stated_std",
)  # fmt: skip


def table_text(errors: Sequence[Errors], head: str) -> bytes:
    """One row for each size, tab-separated; lengths are voxels.

    Parameters
    ----------
    errors : by size
    head : the comment that it begins with
    """
    lines = [f"# {head}", "\t".join(COLUMNS)]
    for one in errors:
        numbers = (*one.random, *one.bias, *one.bias_std, one.gradient, one.stated)
        words = [str(one.half), str(2 * one.half + 1), str(one.windows), str(one.converged)]
        lines.append("\t".join(words + [f"{number:.6g}" for number in numbers]))
    return ("\n".join(lines) + "\n").encode()


def sentence(chosen: Errors, settings: Settings, scans: int, noise: float | None) -> str:
    """What a paper says of the measurement and its noise: all that the guide of iDICs asks for.

    Parameters
    ----------
    chosen : the window
    settings : of it
    scans : 2 of a specimen at rest, or 1 and its resampling
    noise : standard deviation that was added to a single scan, grey values

    References
    ----------
    International Digital Image Correlation Society, A Good Practices Guide for Digital Image Correlation, 2018,
    doi 10.32720/idics/gpg.ed1
    """
    flat = settings.dimensions == 2
    axes = [1, 2] if flat else [0, 1, 2]
    kind, unit = "image" if flat else "volume", _unit(settings)
    edge = " x ".join([str(2 * chosen.half + 1)] * len(axes))
    interpolant = (FLAT_INTERPOLANTS if flat else INTERPOLANTS)[settings.interpolation.order]
    first = (
        f"Displacements were measured by local digital {kind} correlation with hpcdvc {__version__} (hpcdvc-ldic): "
        f"subset (window) {edge} {unit}s; step {chosen.half} {unit}s; subset shape function {_shape(settings)}; "
        f"matching criterion {CRITERIA[settings.interpolation.criterion]}; interpolant {interpolant}; "
        f"gradient of the grey values {_gradient(settings)}; image filtering none."
    )
    share = f"{chosen.windows} windows, of which {100 * chosen.converged / chosen.windows:.3g} % converged"
    if scans == 2:
        how = f"From two scans of the specimen at rest ({share}), an affine drift between them removed,"
        bias = "the mean displacement, bias and drift together,"
    else:
        how = (
            f"From one scan and its resampling by known shifts of up to half a {unit} (Fourier series), with white "
            f"noise of {noise:.4g} grey values added to both ({share}),"
        )
        bias = "the largest bias"
    return (
        f"{first} {how} the displacement noise-floor (one standard deviation, taken as the resolution) was "
        f"{_three(chosen.random, axes)} {unit}, that of the displacement gradient of a subset {chosen.gradient:.2g}; "
        f"{bias} was {_three(chosen.bias, axes)} {unit}."
    )


def _unit(settings: Settings) -> str:
    return "pixel" if settings.dimensions == 2 else "voxel"


def _shape(settings: Settings) -> str:
    return "rigid" if settings.iterations.rigid else SHAPES[settings.window.shape_order]


def _gradient(settings: Settings) -> str:
    method = settings.gradient.method
    if method is None:
        return "of the interpolant" if settings.interpolation.order > 1 else "by central differences"
    names = {"spline": "of the interpolant", "finite_differences": "by central differences"}
    return names.get(method, f"by a Gaussian derivative of {settings.gradient.sigma:g} {_unit(settings)}s")


def _three(values: np.ndarray, axes: list[int]) -> str:
    *words, last = [f"{values[axis]:.2g} ({'zyx'[axis]})" for axis in axes]
    return f"{', '.join(words)} and {last}"
