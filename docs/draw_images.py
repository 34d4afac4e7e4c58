"""Pictures of whole images: registered, deformed, and what is left of the difference to im2."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from draw_guide import cement_texture
from draw_theory import measure
from panels import ruled
from synthetic import Affine, DisplacementField, Grey, ShearBand, lattice_texture, pair, render

from hpcdvc import compute_phi, register_multiscale
from hpcdvc.deformation.images import Deformation
from hpcdvc.deformation.mappings import NeighbourMap, PhiMap
from hpcdvc.deformation.meshes import MeshMap
from hpcdvc.deformation.residual import norms, residual_of
from hpcdvc.fields.grid import make_grid
from hpcdvc.fields.status import Status
from hpcdvc.fields.triangulation import triangulate

SHAPE = (32, 120, 120)
MIDDLE = (np.array(SHAPE) - 1) / 2
GREY = Grey(mean=25000, contrast=4000, noise=0.05)


def cement_pair(field: DisplacementField) -> tuple[np.ndarray, np.ndarray]:
    """Two images of cement, im2 moved by the field, each with noise of its own."""
    texture, depth = cement_texture(), np.array([46.0, 0, 0])
    return pair(lambda points: texture(points + depth), SHAPE, field, GREY)


def show(axis, values: np.ndarray, title: str, middle: float = 0.0, reach: float = 2.5) -> None:
    """One slice, grey from `middle` by `reach` times the contrast to either side; hatched where it has no value."""
    axis.imshow(values, cmap="gray", vmin=middle - reach * GREY.contrast, vmax=middle + reach * GREY.contrast)
    axis.set_title(title)
    ruled(axis, outer=True)


def draw_registration(path: Path) -> None:
    """Slices of both images, their difference before, and after im1 is deformed by what was measured."""
    phi = compute_phi({"t": (1, -5, 6), "r": (7, 1, -1), "z": (1, 1.02, 0.99)})
    im1, im2 = cement_pair(Affine(phi[:3, :3], phi[:3, 3], MIDDLE))
    found = register_multiscale(im1, im2, bin_start=4)
    values, inside = Deformation(im1, PhiMap(found.phi, found.centre), order=3).planes(0, len(im1))
    residual, sums = residuals(im1, im2, values, inside)
    _, before, after = norms(sums)
    k = len(im1) // 2
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.5))
    for axis, image, title in zip(axes[0], (im1, im2), (f"im1, z = {k}", "im2"), strict=True):
        show(axis, image[k], title, GREY.mean)
    first = np.where(inside[k], im1[k] - im2[k].astype(float), np.nan)
    show(axes[1, 0], first, f"before: im1 - im2, rms {before:.0f}")
    show(axes[1, 1], residual[k], f"after: im1(Φ) - im2, rms {after:.0f}")
    for line in axes:
        figure.colorbar(line[1].images[0], ax=line, label="grey value", shrink=0.8)
    figure.savefig(path)


def residuals(
    im1: np.ndarray, im2: np.ndarray, deformed: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """im1(Phi) - im2 of a whole image, NaN where there is no value, and the sums of its norms."""
    parts = [residual_of(*planes) for planes in zip(deformed, inside, im1, im2, strict=True)]
    return np.array([part[0] for part in parts]), np.sum([part[1] for part in parts], axis=0)


def draw_residuals(path: Path) -> None:
    """A shear band: what is left by one Phi for all, and by a field in four ways."""
    field = ShearBand(np.array([0.0, 4.0, 2.4]), np.array([0.0, -1.2, 2.0]), MIDDLE, 6.0) + Affine(
        np.diag([1.002, 0.992, 1.003]), np.array([0.0, 0.4, 0.2]), MIDDLE
    )
    im1, im2 = cement_pair(field)
    whole = register_multiscale(im1, im2, bin_start=2)
    positions = make_grid(SHAPE, (8, 8, 8)).positions()
    rows = measure(im1, im2, positions, 8)
    good = rows["return_status"] == Status.CONVERGED
    nodes, phi = positions[good], np.tile(np.eye(4), (good.sum(), 1, 1))
    phi[:, :3] = rows["Phi"][good]
    t = phi[:, :3, 3]
    mappings = {
        "one Φ": PhiMap(whole.phi, whole.centre),
        "field": NeighbourMap(nodes, phi),
        "field, -disp": NeighbourMap(nodes, phi, displacement_only=True),
        "field, -tet": MeshMap(nodes, triangulate(nodes + t), t, partition=True),
        "field, -tet -a -1": MeshMap(nodes, triangulate(nodes + t, -1), t, partition=True),
    }
    made = {name: Deformation(im1, mapping, order=3).planes(0, len(im1)) for name, mapping in mappings.items()}
    common = np.minimum.reduce([inside for _, inside in made.values()])
    k = len(im1) // 2
    figure, axes = plt.subplots(2, 3, figsize=(10.4, 6.8))
    made = {"im1 - im2": (im1, np.ones_like(common)), **made}
    for axis, (name, (values, inside)) in zip(axes.ravel(), made.items(), strict=True):
        _, _, rms = norms(residuals(im1, im2, values, common)[1])
        show(axis, residuals(im1, im2, values, inside)[0][k], f"{name}: rms {rms:.0f}", reach=1)
    axes[0, 0].set_title(f"z = {k}; {axes[0, 0].get_title()}")
    figure.colorbar(axes[0, 0].images[0], ax=axes, label="grey value", shrink=0.7)
    figure.savefig(path)


def draw_alpha(path: Path) -> None:
    """A plate with a slit that opens, deformed by the triangles between its nodes: all of them, and what -a leaves."""
    shape = (72, 110)
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)

    def material(away: float) -> np.ndarray:
        return ((np.abs(x - 54.5) > 9 + away) | (y > 40 + away)) & (x >= 6 + away) & (x < 104 - away)

    plate = render(lattice_texture(3, 3.0, dimensions=2), shape, grey=GREY)
    resin = render(lattice_texture(4, 2.2, dimensions=2), shape, grey=Grey(mean=9000, contrast=2500))
    image = np.where(material(0), plate, resin)[None]
    nodes = np.argwhere(material(3)[4::6, 4::6]) * 6.0 + 4
    opening = 7 * np.clip(1 - nodes[:, 0] / 45, 0, 1) * np.sign(nodes[:, 1] - 54.5)
    t = np.stack([0 * opening, opening], axis=1)
    figure, axes = plt.subplots(1, 3, figsize=(10.2, 2.9))
    show(axes[0], image[0], "im1 and the nodes", 20000, 5)
    axes[0].plot(*nodes.T[::-1], ".", color="#ffb000", markersize=3)
    for axis, alpha in zip(axes[1:], (0, -1), strict=True):
        cells = triangulate(nodes + t, alpha)
        mesh = MeshMap(np.insert(nodes, 0, 0, axis=1), cells, np.insert(t, 0, 0, axis=1), partition=True)
        values, inside = Deformation(image, mesh).planes(0, 1)
        show(axis, np.where(inside[0], values[0], np.nan), f"-tet -a {alpha}: {len(cells)} triangles", 20000, 5)
        axis.triplot(*(nodes + t).T[::-1], cells, color="#ffb000", linewidth=0.5)
    figure.savefig(path)
