"""Picture of global correlation: a specimen with a soft layer, without and with regularisation of three lengths."""

import math
from functools import cache
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from panels import ruled
from synthetic import DisplacementField, Grey, lattice_texture, pair

from hpcdvc.fem.api import global_correlation
from hpcdvc.fem.iterates import Result
from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fem.regularisation import regularisation_matrix
from hpcdvc.fem.surfaces import surface_labels
from hpcdvc.fields.cells import cell_gradients

SHAPE, ORIGIN, LENGTHS, EDGE = (132, 44, 76), (8.0, 8.0, 8.0), (116.0, 28.0, 60.0), 7.0
#: Middle of the soft layer, its half width, and the strain in it and outside.
MIDDLE, WIDTH, SOFT, HARD = 66.0, 8.0, -0.03, -0.004
SIDES = [f"{axis}_{end}" for axis in "zyx" for end in ("start", "end")]
LENGTHS_OF_XI = (0, 8, 16, 32, 64, 128)


class SoftLayer(DisplacementField):
    """Axial compression, larger in a layer."""

    def displacement(self, points):
        z = points[..., 0] - MIDDLE
        u = np.zeros(points.shape)
        u[..., 0] = HARD * z + (SOFT - HARD) * WIDTH * np.tanh(z / WIDTH)
        return u

    def strain(self, z):
        """Along the axis."""
        return HARD + (SOFT - HARD) / np.cosh((z - MIDDLE) / WIDTH) ** 2


@cache
def measured() -> tuple[np.ndarray, np.ndarray, dict[int, Result]]:
    """Mesh, and what was measured with each length."""
    im1, im2 = pair(lattice_texture(4, 2.5), SHAPE, SoftLayer(), Grey(noise=0.2))
    points, connectivity = create_cuboid(LENGTHS, EDGE, ORIGIN)
    labels, found = surface_labels(points, SIDES), {}
    for xi in LENGTHS_OF_XI:
        how = {}
        if xi:
            dirichlet = [(k, [0, 1, 2], float(xi)) for k in range(1, 7)]
            how = dict(
                zip(
                    ("regularisation_matrix", "regularisation_field"),
                    regularisation_matrix(points, connectivity, xi_bulk=xi, dirichlet=dirichlet, labels=labels),
                    strict=True,
                )
            )
        found[xi] = global_correlation(
            im1, im2, points, connectivity, max_iterations=60, probes=32, return_result=True, **how
        )
    return points, connectivity, found


def show_slice(axis: Axes, points: np.ndarray, connectivity: np.ndarray, displacements: np.ndarray, title: str) -> None:
    """The axial strain of the tetrahedra that a slice through the middle meets."""
    strain = cell_gradients(points, connectivity, displacements)[0][:, 0, 0] - 1
    corners = points[connectivity]
    middle = ORIGIN[1] + LENGTHS[1] / 2 + EDGE / 7
    met = (corners[:, :, 1].min(axis=1) < middle) & (corners[:, :, 1].max(axis=1) > middle)
    middles = corners[met].mean(axis=1)
    axis.tripcolor(
        middles[:, 2], middles[:, 0], strain[met], cmap="viridis", vmin=SOFT * 1.5, vmax=0.015, shading="flat"
    )
    axis.set(title=title, aspect="equal")
    ruled(axis, along="xz", outer=True)


def draw_gdic(path: Path) -> None:
    """Strain in a slice, and error, standard deviation and residual over the regularisation length."""
    points, connectivity, found = measured()
    truth = SoftLayer().displacement(points)
    figure = plt.figure(figsize=(10, 3.9))
    *slices, curves = figure.subplots(1, 5, width_ratios=(1, 1, 1, 1, 2.2))
    chosen = {"truth": truth} | {
        ("no regularisation" if not xi else f"xi = {xi}"): found[xi].displacements for xi in (0, 16, 128)
    }
    for axis, (title, displacements) in zip(slices, chosen.items(), strict=True):
        show_slice(axis, points, connectivity, displacements, title)
    bar = plt.cm.ScalarMappable(plt.Normalize(SOFT * 1.5, 0.015), "viridis")
    figure.colorbar(bar, ax=slices, shrink=0.6, orientation="horizontal", label="axial strain, y = 36")
    lengths = np.array(LENGTHS_OF_XI, float)
    lengths[0] = 4
    error = [np.sqrt(((r.displacements - truth)[:, 0] ** 2).mean()) for r in found.values()]
    said = [math.sqrt((r.displacement_std[:, 0] ** 2).mean()) for r in found.values()]
    least = found[0].state.rms
    curves.loglog(lengths, error, "o-", label="error, rms")
    curves.loglog(lengths, said, "s--", label="standard deviation reported")
    growth = [r.state.rms / least - 1 if xi else np.nan for xi, r in found.items()]
    curves.loglog(lengths, growth, "x:", label="growth of the residual")
    curves.set(xlabel="xi, voxels", ylabel="voxels; residual: part of that without")
    curves.set_xticks(lengths, ["none", *LENGTHS_OF_XI[1:]])
    curves.minorticks_off()
    curves.legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)
