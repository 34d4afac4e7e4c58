"""The iterations of a registration, drawn and saved."""

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.fields.decomposition import decompose_phi
from hpcdvc.output.files import fill, whole_file

#: Bytes that a picture takes at most.
PICTURE = 2**20


def check() -> None:
    """Make sure that pictures can be drawn.

    Raises
    ------
    UserError
        There is no matplotlib.
    """
    try:
        import matplotlib  # noqa: F401
    except ImportError as error:
        raise UserError("-g draws with matplotlib, which is not installed: pip install matplotlib") from error


def save_iterations(path: str, history: np.ndarray) -> None:
    """Save records of iterations (hpcdvc.registration.gauss_newton.ITERATE) as a .npy file."""
    with whole_file(path, history.nbytes + 4096) as temporary, fill(temporary, "wb") as file:
        np.save(file, history)


def draw_iterations(path: str, history: np.ndarray) -> None:
    """Draw how the registration came to its end, as a PNG.

    Parameters
    ----------
    path : of the picture
    history : records of hpcdvc.registration.gauss_newton.ITERATE
    """
    from matplotlib.figure import Figure

    phi = np.tile(np.eye(4), (len(history), 1, 1))
    phi[:, :3] = history["phi"]
    phi[:, :3, 3] *= history["factor"][:, None]
    parts, number = decompose_phi(phi), np.arange(1, len(history) + 1)
    figure = Figure((9, 8), layout="constrained")
    axes = figure.subplots(3, 2, sharex=True).ravel()
    for axis, values in zip(axes, (history["delta_phi_norm"], history["zncc"], np.abs(history["error"])), strict=False):
        axis.plot(number, values, "k.-")
        if axis is not axes[1] and (values > 0).any():
            axis.set_yscale("log")
    for axis, values in zip(axes[3:], (parts.t, parts.r, 100 * (parts.z - 1)), strict=True):
        for component, name, colour in zip(values.T, "zyx", ("tab:blue", "tab:orange", "tab:green"), strict=True):
            axis.plot(number, component, ".-", label=name, color=colour)
    axes[3].legend()
    titles = (
        "norm of the change of Phi", "zncc", "sum of squares / sum of im1", "displacement, voxel", "rotation, degree",
        "stretch, %",
    )  # fmt: skip
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=10)
        axis.grid(alpha=0.3)
        for k in np.flatnonzero(np.diff(history["factor"])):
            axis.axvline(k + 1.5, color="0.6", linestyle="--", linewidth=1)
    levels = "  |  ".join(f"binning {f}" for f in dict.fromkeys(history["factor"].tolist()))
    figure.suptitle(levels, fontsize=10)
    for axis in axes[-2:]:
        axis.set_xlabel("iteration")
    with whole_file(path, PICTURE) as temporary, fill(temporary, "wb") as file:
        figure.savefig(file, dpi=110, format="png")
