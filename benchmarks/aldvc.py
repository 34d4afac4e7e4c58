"""al-dvc, a program for augmented-Lagrangian DVC (BSD-3): its local step, from the command line.

Inverse-compositional Gauss-Newton with affine windows, cubic B-spline, started at zero displacement like the others;
no global step, no strain. Its parallelism is threads, one for each process of the others.
"""

import tempfile
from pathlib import Path

import environments
import numpy as np
import peer
from processes import timed
from speckle import CACHE, speckle_pair

VERSION = "1.2.1"
#: what its command line imports; the graphical interface is left out
PACKAGES = ("h5py", "matplotlib", "numba", "numpy", "pyyaml", "scipy", "tifffile")
BORDER = 3  # voxels between a window and the faces of the image, without which it takes no node


def install() -> None:
    """Install it, and run it once on a small pair, which compiles its kernels."""
    compiled = _commands().parent / "compiled"
    if not compiled.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as out:
            timed(words(*speckle_pair(100), Path(out), 100, 24, 10, 1), env=threads(1))
        compiled.touch()


def _commands() -> Path:
    return environments.install("al-dvc", VERSION, PACKAGES)


def threads(count: int) -> dict[str, str]:
    """Variables that let it have that many."""
    return {"NUMBA_NUM_THREADS": str(count)}


def words(im1: Path, im2: Path, out: Path, size: int, spacing: int, half: int, count: int) -> list[str]:
    """The words of one run on `count` threads, on those nodes of hpcdvc-ldic whose windows it accepts."""
    last = (size - 1 - BORDER - half) // spacing * spacing
    region = [spacing - half, last + half]
    settings = {
        "interp_method": '"bspline"',
        "init_guess_method": '"zero"',
        "global_shift": "false",
        "n_threads": count,
        "voi": f'{{"x": {region}, "y": {region}, "z": {region}}}',
    }
    options = ["-o", out, "--winsize", 2 * half, "--step", spacing, "--no-global", "--no-strain", "--export", "npz"]
    result = [_commands() / "al-dvc", "-q", "run", "--volumes", im1, im2, *options, "--set"]
    return [*map(str, result), *(f"{name}={value}" for name, value in settings.items())]


def error(path: Path, field) -> dict:
    """Displacement against the truth, at the points that it calls converged: see peer.error.

    Parameters
    ----------
    path : its .npz file; positions and displacements are XYZ there
    field : the truth (tests/support/synthetic.py)
    """
    with np.load(path) as found:
        position, displacement = (found[name][:, ::-1] for name in ("coordinates", "U_1"))
        good = found["status_1"] == 0
    return peer.totals((displacement - field.displacement(position))[good], len(good))
