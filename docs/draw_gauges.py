"""Pictures of gauges: where they lie, what they read in a series, and how certain they are."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from draw_theory import measure
from matplotlib.axes import Axes
from synthetic import Affine, Grey, lattice_texture, pair

from hpcdvc.fields.gauged import Gauged
from hpcdvc.fields.grid import Grid, make_grid
from hpcdvc.fields.lines import elongation
from hpcdvc.fields.overlap import WindowOverlap
from hpcdvc.fields.planes import two_planes
from hpcdvc.fields.regions import means
from hpcdvc.fields.sums import Errors

SHAPE, HALF, SPACING, STEPS, AGAIN = (150, 110), 10, 8, 7, 60
#: Strain of a step along y, and across.
STRAIN = np.diag([8e-4, -3e-4])
ENDS = np.array([[0, 40.0, 30], [0, 110, 30]])
PLANES, BOX, DISC = (24.0, 128.0), ((48, 104), (56, 96)), ((75.0, 74.0), 25.0)


def gauged(step: int, seed: int) -> Gauged:
    """What is measured between the first image and that of a step, with noise of its own."""
    field = Affine(np.eye(2) + step * STRAIN, step * np.array([0.15, -0.1]), (np.array(SHAPE) - 1) / 2)
    texture = lattice_texture(4, dimensions=2)
    im1, im2 = (image[None] for image in pair(texture, SHAPE, field, Grey(noise=0.1), seed=seed))
    whole = make_grid((1, *SHAPE), (1, SPACING, SPACING))
    grid = Grid((0.0, 16.0, 16.0), whole.spacing, (1, whole.shape[1] - 2, whole.shape[2] - 2))
    rows = measure(im1, im2, grid.positions(), HALF)
    variance = rows["variance"].reshape(-1, 3, 4)
    variance[:, 0] = 0
    errors = Errors(grid.positions(), variance[:, :, 3], WindowOverlap((0, HALF, HALF)), grid)
    measured = rows["return_status"] == 2
    moved = np.where(measured[:, None], rows["Phi"][:, :, 3], 0)
    f = np.where(measured[:, None, None], rows["Phi"][:, :, :3], np.eye(3))
    return Gauged(grid.positions(), moved, f, measured, grid, None, True, errors, variance[:, :, :3])


def read(field: Gauged) -> dict[str, tuple[float, float]]:
    """Strain along y of each gauge, and its standard deviation."""
    _, y, x = field.positions.T
    box = (y >= BOX[0][0]) & (y < BOX[0][1]) & (x >= BOX[1][0]) & (x < BOX[1][1])
    disc = np.hypot(y - DISC[0][0], x - DISC[0][1]) < DISC[1]
    found = {"line": elongation(field, ENDS), "planes": two_planes(field, 1, PLANES)}
    read = {name: (values["strain"], values["strain_std"]) for name, values in found.items()}
    for name, inside in (("box", box), ("mask", disc)):
        values = means(field, np.flatnonzero(inside & field.measured))
        read[name] = values["eyy"], values["eyy_std"]
    return read


COLOURS = {"line": "tab:red", "planes": "tab:green", "box": "tab:blue", "mask": "tab:purple"}


def draw_gauges(path: Path) -> None:
    """Gauges on the displacement of the last step, their strains over the steps, and their errors, said and found."""
    series = [gauged(step, step) for step in range(STEPS)]
    figure, (where, curves, errors) = plt.subplots(1, 3, figsize=(11, 3.7), width_ratios=(1, 1.5, 1.1))
    _draw_where(where, series[-1])
    figure.colorbar(where.images[0], ax=where, shrink=0.8, label="displacement along y, pixel")
    readings = [read(field) for field in series]
    steps = np.arange(STEPS)
    curves.plot(steps, 100 * STRAIN[0, 0] * steps, "k:", label="truth")
    for name, colour in COLOURS.items():
        values, deviations = 100 * np.array([one[name] for one in readings]).T
        curves.plot(steps, values, ".-", color=colour, label=name)
        curves.fill_between(steps, values - deviations, values + deviations, color=colour, alpha=0.2, linewidth=0)
    curves.set(xlabel="step", ylabel="strain along y, %", title="curves and bands of one standard deviation")
    curves.legend()
    again = [read(gauged(1, 100 + seed)) for seed in range(AGAIN)]
    places = np.arange(len(COLOURS))
    found = [np.std([one[name][0] for one in again], ddof=1) for name in COLOURS]
    said = [np.sqrt(np.mean([one[name][1] ** 2 for one in again])) for name in COLOURS]
    errors.bar(places - 0.2, 1e6 * np.array(said), 0.4, color=list(COLOURS.values()), label="reported")
    errors.bar(places + 0.2, 1e6 * np.array(found), 0.4, color="0.7", label=f"scatter over {AGAIN} pairs")
    errors.set_xticks(places, list(COLOURS))
    errors.set(ylabel="standard deviation of the strain, 10$^{-6}$", title="said (colour) and found (grey)")
    figure.savefig(path)


def _draw_where(axis: Axes, field: Gauged) -> None:
    """The gauges on a displacement field."""
    _, rows, columns = field.grid.shape
    low, high = field.positions[0, 1:] - SPACING / 2, field.positions[-1, 1:] + SPACING / 2
    shown = field.displacement[:, 1].reshape(rows, columns)
    axis.imshow(shown, extent=(low[1], high[1], high[0], low[0]), cmap="Greys_r", alpha=0.7)
    axis.plot(ENDS[:, 2], ENDS[:, 1], "o-", color=COLOURS["line"], linewidth=2)
    for place in PLANES:
        axis.axhline(place, color=COLOURS["planes"], linewidth=2)
    (y0, y1), (x0, x1) = BOX
    axis.add_patch(plt.Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, color=COLOURS["box"], linewidth=2))
    axis.add_patch(plt.Circle(DISC[0][::-1], DISC[1], fill=False, color=COLOURS["mask"], linewidth=2))
    axis.set(xlabel="x, pixel", ylabel="y, pixel", title="four gauges")
