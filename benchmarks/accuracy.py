"""Errors of hpcdvc-ldic and spam-ldic against exact truth, on pairs of one analytic texture.

    python benchmarks/accuracy.py        some minutes; writes benchmarks/results/accuracy.md

Both programs get the same images, nodes and half window, and their defaults for all else, but for `-o`.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

import peer  # noqa: E402
from crlb import phi_std_bound  # noqa: E402
from processes import command, timed  # noqa: E402
from synthetic import Affine, Grey, Sine, lattice_texture, pair, translation  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
HALF, SPACING, SHAPE = 10, 10, (90, 90, 90)
MIDDLE = np.full(3, 44.5)
SHIFT = np.array([0.2, -0.3, 0.4])
#: name -> displacement, noise / contrast, what happens to the grey values of im2
CASES = {
    "5 % noise": (translation(SHIFT), 0.05, {}),
    "50 % noise": (translation(SHIFT), 0.5, {}),
    "no noise": (translation(SHIFT), 0.0, {}),
    "5 % noise, im2 20 % darker": (translation(SHIFT), 0.05, {"gain": 0.8}),
    "5 % noise, stretch 2 %": (Affine(np.diag([1.02, 0.99, 0.99]), SHIFT, MIDDLE), 0.05, {}),
    "5 % noise, sine of 53 voxels": (Sine(np.array([0.0, 0.0, 0.4]), np.array([0.0, 0.0, 1 / 53])), 0.05, {}),
}
PROGRAMS = (("spam-ldic", 1), ("spam-ldic", 3), ("hpcdvc-ldic", 1), ("hpcdvc-ldic", 3))


def measured(program: str, order: int, im1: Path, im2: Path, out: Path) -> dict:
    """Columns of the table that a program writes."""
    if program == "spam-ldic":
        words, name = peer.ldic(im1, im2, out, SPACING, HALF, order, 2), "peer"
    else:
        options = ["-ns", SPACING, "-hws", HALF, "-o", order, "-od", out, "-pre", "ours", "-q"]
        words, name = command("ldic", im1, im2, *options, ranks=2), "ours"
    timed(words, timeout=600)
    return peer.read_table(out / f"{name}-ldic.tsv")


def errors(table: dict, field) -> tuple[np.ndarray, float]:
    """Displacement minus truth (n, 3) of the converged nodes whose windows stay inside, and how many converged."""
    position, found = (np.stack([table[axis + what] for axis in "ZYX"], axis=1) for what in ("pos", "disp"))
    away = HALF + 3
    inside = ((position >= away) & (position <= np.array(SHAPE) - 1 - away)).all(axis=1)
    good = table["returnStatus"] == 2
    return (found - field.displacement(position))[good & inside], (good & inside).sum() / inside.sum()


def main() -> None:
    """All cases with all programs."""
    texture = lattice_texture(21)
    names = ("case", "program", "converged", "error, rms (voxel)", "mean error (voxel)", "rms / bound")
    lines = [f"| {' | '.join(names)} |", "|--|--|--|--|--|--|"]
    for name, (field, noise, change) in CASES.items():
        centres = MIDDLE + np.random.default_rng(0).uniform(-25, 25, (12, 3))
        bound = np.sqrt((phi_std_bound(texture, centres, HALF, noise)[:, :, 3] ** 2).mean()) if noise else np.nan
        with tempfile.TemporaryDirectory() as folder:
            images = [Path(folder, f"im{i}.tif") for i in (1, 2)]
            for path, image in zip(
                images, pair(texture, SHAPE, field, Grey(noise=noise), Grey(noise=noise, **change)), strict=True
            ):
                tifffile.imwrite(path, image)
            for program, order in PROGRAMS:
                out = Path(folder, f"{program}-{order}")
                error, converged = errors(measured(program, order, *images, out), field)
                rms, mean = np.sqrt((error**2).mean()), np.abs(error.mean(axis=0)).max()
                ratio = f"{rms / bound:.2f}" if noise else ""
                lines.append(f"| {name} | {program} -o {order} | {converged:.0%} | {rms:.4f} | {mean:.4f} | {ratio} |")
                print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    head = (
        f"# Accuracy, {time.strftime('%Y-%m-%d')}\n\n"
        f"`python benchmarks/accuracy.py`: hws {HALF}, nodes every {SPACING} voxels, windows inside both images, spam "
        f"{peer.VERSION}. A texture with features of about 2.2 voxels; noise in both images, as part of its contrast. "
        "The bound is that of Cramér and Rao for windows of 2 hws + 1 voxels with affine displacement: it knows "
        "nothing of the curvature of the sine. Mean error: of the worst component.\n\n"
    )
    (RESULTS / "accuracy.md").write_text(head + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
