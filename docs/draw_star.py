"""The star of the DIC Challenge 2.0 as two programs measure it: docs/star.png, which is kept in the repository.

`python docs/draw_star.py` after `python benchmarks/star.py`, from the fields that this leaves in benchmarks/.cache/.
"""

import io
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import star  # noqa: E402
import starpattern  # noqa: E402
from pyvale2d import SPACING  # noqa: E402

WINDOW = 21
BLUE, ORANGE = "#1b6ca8", "#d95f02"


def measured(name: str) -> np.ndarray:
    """Field of the last benchmark."""
    path = star.field_path(name)
    if not path.exists():
        raise SystemExit(f"no picture of the star: python benchmarks/star.py measures {name}")
    return np.load(path)


def draw_map(axis: plt.Axes, field: np.ndarray, title: str):
    """Vertical displacement, a pixel for each node; nodes that are missing are white."""
    shape = np.array([starpattern.HEIGHT, starpattern.WIDTH]) // SPACING + 1
    shown = np.full(shape, np.nan)
    shown[tuple((field[:, :2] / SPACING).astype(int).T)] = field[:, 2]
    limits = np.array([-0.5, shape[1] - 0.5, shape[0] - 0.5, -0.5]) * SPACING
    axis.set_title(title, loc="left")
    axis.set_yticks([0, 250, 500])
    axis.tick_params(labelbottom=False)
    return axis.imshow(shown, extent=limits, cmap="RdBu_r", vmin=-0.6, vmax=0.6, aspect="auto", interpolation="nearest")


def draw_curves(axis: plt.Axes) -> None:
    """What is kept of the wave in the middle row, against the place in the image."""
    lines = {"affine": "--", "curved": "-"}
    programs = ((star.pyvale_name, star.PYVALE, "pyvale", ORANGE), (star.our_name, star.OURS, "hpcdvc-ldic -so", BLUE))
    for name, options, label, colour in programs:
        for shape, style in lines.items():
            length, ratio = starpattern.kept(measured(name(shape, WINDOW)))
            place = (length - starpattern.SHORTEST) / (starpattern.LONGEST - starpattern.SHORTEST)
            words = f"{label} {options[shape]}"
            axis.plot(place * (starpattern.WIDTH - 1), ratio, style, color=colour, linewidth=1.3, label=words)
    axis.axhline(1, color="black", linewidth=0.6)
    axis.axhline(0.9, color="#888888", linewidth=0.8)
    axis.text(starpattern.WIDTH, 0.885, "10 % lost", color="#666666", ha="right", va="top", fontsize=8)
    axis.set_ylim(-0.1, 1.1)
    axis.set_ylabel("measured / true")
    axis.set_title("middle row", loc="left")
    axis.legend(frameon=False, fontsize=8, loc="lower right", ncols=2)
    axis.grid(alpha=0.3)
    ticks = np.array([20, 30, 50, 100, 150, 200, 250, 300])
    places = (ticks - starpattern.SHORTEST) / (starpattern.LONGEST - starpattern.SHORTEST) * (starpattern.WIDTH - 1)
    axis.set_xticks(places, map(str, ticks))
    axis.set_xlabel("wavelength (pixel), growing along the image")


def draw_star(path: Path) -> None:
    """Maps of both programs with windows that can follow a curved field, and the curves of all."""
    figure, axes = plt.subplots(3, 1, figsize=(8.4, 6.0), sharex=True, height_ratios=(1, 1, 1.7))
    title = f"windows of {WINDOW}² pixels"
    draw_map(axes[0], measured(star.pyvale_name("curved", WINDOW)), f"pyvale {star.PYVALE['curved']}, {title}")
    shown = draw_map(axes[1], measured(star.our_name("curved", WINDOW)), f"hpcdvc-ldic, {title}")
    figure.colorbar(shown, ax=axes[:2], label="vertical displacement\n(pixel)", fraction=0.03)
    draw_curves(axes[2])
    whole = io.BytesIO()
    figure.savefig(whole)
    Image.open(whole).convert("RGB").quantize(128).save(path, optimize=True)  # noise packs badly: a third of the size


if __name__ == "__main__":
    import pictures  # noqa: F401  the style of all pictures

    draw_star(ROOT / "docs" / "star.png")
