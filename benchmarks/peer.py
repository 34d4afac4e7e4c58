"""spam, the program that users of local DVC have today: installed from PyPI into its own environment, run as it is."""

from pathlib import Path

import environments
import numpy as np

VERSION = "0.9.1"


def install() -> Path:
    """Folder of its commands; installed on the first call."""
    return environments.install("spam", VERSION)


def ldic(im1: Path, im2: Path, out: Path, spacing: int, half: int, order: int, ranks: int) -> list[str]:
    """The words of one spam-ldic run."""
    options = ["-ns", spacing, "-hws", half, "-m", 3, "-o", order, "-np", ranks, "-od", out, "-pre", "peer"]
    return [str(install() / "spam-ldic"), str(im1), str(im2), *map(str, options)]


def reg(im1: Path, im2: Path, out: Path, prefix: str) -> list[str]:
    """The words of one spam-reg run."""
    return [str(install() / "spam-reg"), str(im1), str(im2), "-od", str(out), "-pre", prefix]


def pixel_search(im1: Path, im2: Path, out: Path, ranks: int, *options) -> list[str]:
    """The words of one spam-pixelSearch run."""
    words = [im1, im2, *options, "-np", ranks, "-od", out]
    return [str(install() / "spam-pixelSearch"), *map(str, words)]


def ddic(im1: Path, labels: Path, im2: Path, out: Path, ranks: int) -> list[str]:
    """The words of one spam-ddic run."""
    return [str(install() / "spam-ddic"), *map(str, [im1, labels, im2, "-np", ranks, "-od", out])]


def deform(image: Path, motion: Path, out: Path, prefix: str, *options) -> list[str]:
    """The words of one spam-deformImage run on one process."""
    words = [image, "-pf", motion, "-np", 1, "-od", out, "-pre", prefix, *options]
    return [str(install() / "spam-deformImage"), *map(str, words)]


def script(name: str, *words) -> list[str]:
    """The words of one run of any other of its scripts, by the name without prefix."""
    return [str(install() / f"spam-{name}"), *map(str, words)]


def read_table(path: Path) -> dict[str, np.ndarray]:
    """Columns of a TSV file by name; both programs write the same names."""
    with open(path) as file:
        names = file.readline().split()
    table = np.atleast_2d(np.genfromtxt(path, skip_header=1))
    return dict(zip(names, table.T, strict=True))


def error(path: Path, field) -> dict:
    """Displacement against the truth, at the points that the program calls converged.

    Parameters
    ----------
    path : TSV file with Zpos..., Zdisp... and returnStatus
    field : the truth (tests/support/synthetic.py)

    Returns
    -------
    nodes, converged : counts; rms : voxel, over the three components; worst : voxel, largest norm; iterations : mean
    """
    t = read_table(path)
    position, found = (np.stack([t[axis + what] for axis in "ZYX"], axis=1) for what in ("pos", "disp"))
    good = t["returnStatus"] == 2
    difference = (found - field.displacement(position))[good]
    return {**totals(difference, len(good)), "iterations": float(t["iterations"][good].mean())}


def totals(difference: np.ndarray, nodes: int) -> dict:
    """Displacement - truth (n, 3) of the converged ones of some nodes, in figures; voxel."""
    return {
        "nodes": nodes,
        "converged": len(difference),
        "rms": float(np.sqrt((difference**2).mean())),
        "worst": float(np.linalg.norm(difference, axis=1).max()),
    }


def registration_error(path: Path, field, size: int) -> dict:
    """Phi of a registration against the truth.

    Parameters
    ----------
    path : TSV file with one row
    field : the truth (tests/support/synthetic.py)
    size : voxels along an edge of the image

    Returns
    -------
    centre, corner : voxel, norm of the error at the point of Phi, and the largest at the corners; iterations

    Raises
    ------
    SystemExit : it has not converged
    """
    t = {name: column[0] for name, column in read_table(path).items()}
    if t["returnStatus"] != 2:
        raise SystemExit(f"{path.name}: a registration ended with return status {t['returnStatus']:.0f}")
    point, shift = (np.array([t[axis + what] for axis in "ZYX"]) for what in ("pos", "disp"))
    strain = np.array([[t[f"F{i}{j}"] for j in "zyx"] for i in "zyx"]) - np.eye(3)
    corners = np.array([(z, y, x) for z in (0, 1) for y in (0, 1) for x in (0, 1)]) * (size - 1.0)
    errors = [np.linalg.norm(shift + strain @ (at - point) - field.displacement(at)) for at in (point, *corners)]
    return {"centre": float(errors[0]), "corner": float(max(errors)), "iterations": int(t["iterations"])}
