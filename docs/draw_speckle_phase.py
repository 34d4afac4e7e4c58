"""Pictures of the tutorial from a speckle scan to the phase.

`python docs/draw_speckle_phase.py scan.h5` makes the scan.
"""

import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
from panels import ruled
from scipy import ndimage

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from umpa_cases import speckle  # noqa: E402

import hpcdvc  # noqa: E402
from hpcdvc.cli import main  # noqa: E402

SIZE, FRAMES = 160, 16
#: Pixels, m; from sample to detector, m; of photons of 20 keV, 1/m; decrement and absorption of glass for them, 1/m.
PIXEL, DISTANCE, WAVE_NUMBER, DECREMENT, ABSORPTION = 0.65e-6, 0.5, 1.0136e11, 1.15e-6, 550.0
#: Place y, x, radius, pixels, and height, m, of three lenses of glass; of a disc of powder, with its visibility.
LENSES = ((52, 50, 38, 34e-6), (112, 62, 28, -12e-6), (48, 118, 24, 14e-6))
POWDER, LEFT = (108, 116, 26), 0.45
#: Photons in a pixel, which are its grey value.
PHOTONS = 20000
WORDS = "-hws 3 -sr 4 -df -integrate --pixel 0.65 --distance 0.5 --energy 20 -q --force"


@dataclass(frozen=True)
class Sample:
    """What is known of the sample, at points y, x: phase, displacement along y and x, transmission, visibility."""

    phase: np.ndarray
    dy: np.ndarray
    dx: np.ndarray
    transmission: np.ndarray
    visibility: np.ndarray


def sample(y: np.ndarray, x: np.ndarray) -> Sample:
    """Lenses that refract and absorb, one of them a hollow, and powder, which only scatters."""
    thickness, slope_y, slope_x = np.zeros((3, *y.shape))
    for y0, x0, radius, height in LENSES:
        inside = np.maximum(1 - ((y - y0) ** 2 + (x - x0) ** 2) / radius**2, 0)
        thickness += height * inside**2
        slope_y -= 4 * height * inside * (y - y0) / radius**2
        slope_x -= 4 * height * inside * (x - x0) / radius**2
    refracted = -DISTANCE * DECREMENT / PIXEL**2
    visibility = np.where(np.hypot(y - POWDER[0], x - POWDER[1]) < POWDER[2], LEFT, 1.0)
    passed = np.exp(-ABSORPTION * thickness)
    return Sample(-WAVE_NUMBER * DECREMENT * thickness, refracted * slope_y, refracted * slope_x, passed, visibility)


def make_scan(path: str) -> None:
    """Frames with the diffuser at 16 places, without and with the sample: /ref and /sam."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(float)
    truth, rng, stacks = sample(y, x), np.random.default_rng(7), {"ref": [], "sam": []}
    for k in range(FRAMES):
        light = {"ref": 1 + speckle(k, y, x) / 1000}
        light["sam"] = truth.transmission * (1 + truth.visibility * speckle(k, y - truth.dy, x - truth.dx) / 1000)
        for name, values in light.items():
            stacks[name].append(rng.poisson(PHOTONS * values).astype("u2"))
    with h5py.File(path, "w") as file:
        for name, frames in stacks.items():
            file[name] = np.stack(frames)


def measure(folder: str, *words: str):
    """Run hpcdvc-umpa on the scan in a folder; what is in its file."""
    scan = f"{folder}/scan.h5"
    if not Path(scan).exists():
        make_scan(scan)
    assert main("umpa", [f"{scan}:/ref", f"{scan}:/sam", *WORDS.split(), "-od", folder, "-pre", "x", *words]) == 0
    return hpcdvc.read(f"{folder}/x-umpa.hdf")


@cache
def results() -> dict:
    """All that the pictures show."""
    with tempfile.TemporaryDirectory() as folder:
        found = {"all": measure(folder, "-pm", "gn"), "taylor": measure(folder)}
        for name, first in (("even", 0), ("odd", 1)):
            found[name] = measure(folder, "-pm", "gn", "-steps", *map(str, range(first, FRAMES, 2)))
        for half in (1, 2, 3, 5, 8):
            found[half] = measure(folder, "-pm", "gn", "-hws", str(half))
        with h5py.File(f"{folder}/scan.h5") as file:
            return found | {"ref": file["ref"][0], "sam": file["sam"][0]}


def draw_speckle_phase(path: Path) -> None:
    """A frame without and with the sample; what the stacks tell, beside a profile of the phase and the truth."""
    found, (y, x) = results(), np.mgrid[:SIZE, :SIZE].astype(float)
    result, truth, row = found["all"], sample(y, x), LENSES[0][0]
    figure, axes = plt.subplots(2, 4, figsize=(11, 5))
    for axis, name, title in zip(axes[0], ("ref", "sam"), ("without the sample", "with it"), strict=False):
        axis.imshow(found[name], cmap="gray")
        axis.set_title(f"one frame, {title}")
    dy, dx = result.displacement[..., 1], result.displacement[..., 2]
    panels = [
        (dy, "displacement along y, pixels", "coolwarm", 2),
        (dx, "displacement along x, pixels", "coolwarm", 2),
        (result["transmission"], "transmission", "viridis", None),
        (result["visibility"], "visibility: the dark field", "viridis", None),
        (result["phase"], "phase, rad", "magma", None),
    ]
    for axis, (values, title, colours, most) in zip([*axes[0, 2:], *axes[1]], panels, strict=False):
        shown = axis.imshow(values, cmap=colours, **({"vmin": -most, "vmax": most} if most else {}))
        figure.colorbar(shown, ax=axis, shrink=0.8)
        axis.set_title(title)
    for axis in axes.flat[:-1]:
        ruled(axis, "pixel", outer=True)
    profile = axes[1, 3]
    constant = np.nanmedian(result["phase"] - truth.phase)  # which no gradient tells
    profile.plot(result["phase"][row] - constant, label="measured")
    profile.plot(truth.phase[row], "k--", linewidth=0.8, label="truth")
    profile.set(title=f"phase in row {row}, rad", xlabel="x, pixels")
    profile.legend(frameon=False)
    figure.savefig(path)


def draw_speckle_doubt(path: Path) -> None:
    """Half of the frames against the other half, and how errors depend on the window."""
    found, (y, x) = results(), np.mgrid[:SIZE, :SIZE].astype(float)
    truth = sample(y, x)
    half = (found["even"].displacement[..., 2] - found["odd"].displacement[..., 2]) / 2
    error = found["all"].displacement[..., 2] - truth.dx
    figure, axes = plt.subplots(1, 4, figsize=(11, 2.7))
    taylor = found["taylor"].displacement[..., 2] - truth.dx
    panels = {"half the difference of two halves": half, "true error": error, "by Taylor": taylor}
    for axis, (title, values) in zip(axes, panels.items(), strict=False):
        shown = axis.imshow(values, cmap="coolwarm", vmin=-0.1, vmax=0.1)
        axis.set_title(f"{title}: {_rms(values):.3f}")
        ruled(axis, "pixel", outer=True)
    figure.colorbar(shown, ax=axes[2], label="pixels", shrink=0.8)
    sizes = [name for name in found if isinstance(name, int)]
    refracted = np.hypot(truth.dy, truth.dx)
    beside = ndimage.distance_transform_edt((refracted == 0) & (truth.visibility == 1)) > 9
    for where, label in ((refracted > 0.3, "in the lenses"), (beside, "beside the sample")):
        errors = [_rms((found[n].displacement[..., 2] - truth.dx)[where]) for n in sizes]
        axes[3].loglog([2 * n + 1 for n in sizes], errors, "o-", label=label)
    axes[3].set(title="rms error over the window, pixels", xlabel="window, pixels")
    for line, marks in ((axes[3].xaxis, (3, 5, 7, 11, 17)), (axes[3].yaxis, (0.003, 0.01, 0.03, 0.1))):
        line.set_ticks(marks, [str(mark) for mark in marks])
    axes[3].minorticks_off()
    axes[3].legend(frameon=False)
    figure.savefig(path)


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.nanmean(values**2)))


if __name__ == "__main__":
    make_scan(sys.argv[1])
