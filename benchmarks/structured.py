"""Errors of windows whose residual is more than white noise: shading, rings, blur, Poisson noise, outliers.

    python benchmarks/structured.py      a minute; writes benchmarks/results/structured.md

Affine displacement, known exactly; windows of 21 voxels in volumes and in images, in this process.
"""

import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

from structured import GREY, SCENES  # noqa: E402
from synthetic import Affine, lattice_texture, render, translation  # noqa: E402

from hpcdvc.fields.field import POINT  # noqa: E402
from hpcdvc.fields.status import Status  # noqa: E402
from hpcdvc.registration.settings import Gradient, Settings, Window  # noqa: E402
from hpcdvc.registration.windows import register_windows  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results"
HALF, EDGE = 10, 6
SIZES, SPACINGS = {3: 91, 2: 240}, {3: 14.0, 2: 16.0}
STRETCH = np.array([[0.010, 0.004, -0.003], [0.002, -0.008, 0.005], [-0.004, 0.003, 0.012]])
#: rings stay where they are: what they do to a window depends on how far the texture has moved
FIELDS = {
    "less than a voxel": lambda d: translation([0.3, 0.5, 0.2][3 - d :]),
    "1 to 3 voxels": lambda d: Affine(
        np.eye(d) + STRETCH[3 - d :, 3 - d :], np.array([1.3, -0.7, 2.4])[3 - d :], np.full(d, (SIZES[d] - 1) / 2)
    ),
}
#: name -> shape order, gradient
WAYS = {"default": ("auto", None), "-so 1": ("1", None), "-gm gaussian": ("auto", "gaussian")}


def measured(images, nodes: np.ndarray, field, order: str, gradient: str | None) -> str:
    """Error, error over standard deviation, part that converged, CPU time per window: cells of the table."""
    d = nodes.shape[1]
    points = np.zeros(len(nodes), POINT)
    points["position"][:, 3 - d :], points["Phi"] = nodes, field.phi(nodes)
    window = Window((HALF if d == 3 else 0, HALF, HALF), shape_order=order)
    flat = (im.reshape((1,) * (3 - d) + im.shape) for im in images)
    begin = time.process_time()
    rows = register_windows(*flat, points, Settings(window, d, gradient=Gradient(gradient)))
    cpu = (time.process_time() - begin) / len(nodes)
    good = rows["return_status"] == Status.CONVERGED
    error = (rows["Phi"][:, 3 - d :, 3] - field.displacement(nodes))[good]
    std = np.sqrt(rows["variance"].reshape(-1, 3, 4)[good][:, 3 - d :, 3])
    rms, ratio = (np.sqrt((values**2).mean()) for values in (error, error / std))
    return f"{rms:.4f} | {ratio:.1f} | {good.mean():.0%} | {1e3 * cpu:.2f}"


def main() -> None:
    """All scenes with all ways."""
    head = ["", *(cell for way in WAYS for cell in (f"{way}: error (voxel)", "/ std", "converged", "CPU (ms)"))]
    lines = [f"| {' | '.join(head)} |", "|--" * len(head) + "|"]
    for d, size in SIZES.items():
        texture = lattice_texture(11, dimensions=d)
        axis = np.arange(HALF + EDGE, size - HALF - EDGE, SPACINGS[d])
        nodes = np.stack(np.meshgrid(*[axis] * d, indexing="ij"), axis=-1).reshape(-1, d)
        reference = render(texture, (size,) * d, None, GREY)
        for moved, make in FIELDS.items():
            field = make(d)
            clean = reference, render(texture, (size,) * d, field, GREY)
            for name, scene in SCENES.items():
                images = scene(*clean, np.random.default_rng(1))
                cells = [measured(images, nodes, field, *way) for way in WAYS.values()]
                lines.append(f"| {d}-D, {name}, {moved} | {' | '.join(cells)} |")
                print(lines[-1], flush=True)
    RESULTS.mkdir(exist_ok=True)
    intro = (
        f"# Residuals with a structure, {time.strftime('%Y-%m-%d')}\n\n"
        f"`python benchmarks/structured.py`: hws {HALF}, a texture with features of about 2.2 voxels, 5 % noise in "
        "both images; what the scenes are: tests/support/structured.py. Error: root mean square of all components; "
        "then the same divided by the standard deviations that are reported.\n\n"
    )
    (RESULTS / "structured.md").write_text(intro + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
