"""Cost of the sums of global DVC per voxel and iteration, and of the matrices, which are made once.

Process CPU time of `step_sums`, all in: reading both images, gradient of im1, spline coefficients of im2,
interpolation and sums. Cases are measured in turn, again and again; medians. The mesh is a box of cubes of six
tetrahedra each, with edges of the given length, its nodes moved at random, and displaced by a smooth field.

    python benchmarks/sums.py [--size 160] [--repeats 7] [--edges 8 16 32] [--isa v3]
"""

import argparse
import time

import numpy as np
from scipy.ndimage import gaussian_filter

from hpcdvc.fem.sums import matrix_sums, step_sums
from hpcdvc.kernels import select, selected

#: Corners of the six tetrahedra of a cube, by the order in which its axes are gone along.
PATHS = [[0, a, a + b, 7] for a, b in ((1, 2), (2, 1), (1, 4), (4, 1), (2, 4), (4, 2))]


def speckle(size: int, seed: int) -> np.ndarray:
    """(size, size, size) uint16 texture."""
    noise = np.random.default_rng(seed).normal(size=(size,) * 3).astype("f4")
    return (gaussian_filter(noise, 1.3) * 60000 + 30000).clip(0, 65535).astype("u2")


def box_mesh(size: int, edge: float) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and connectivity (k, 4) of a box a little smaller than the image."""
    n = max(int(size / edge), 1)
    grid = np.stack(np.meshgrid(*[np.arange(n + 1)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    inner = ((grid > 0) & (grid < n)).all(axis=1, keepdims=True)
    points = 2.3 + grid * (size - 6.0) / n
    points += inner * np.random.default_rng(0).uniform(-0.15, 0.15, points.shape) * edge
    corners = np.array([[c & 1, c >> 1 & 1, c >> 2] for c in range(8)]) @ [(n + 1) ** 2, n + 1, 1]
    first = (grid[(grid < n).all(axis=1)] @ [(n + 1) ** 2, n + 1, 1])[:, None, None]
    return points, (first + corners[PATHS]).reshape(-1, 4).astype(np.int64)


def cases(size: int, edges: list[float]) -> dict:
    """Name -> function that returns the number of voxels of the sums that it makes."""
    im1, im2 = speckle(size, 0), speckle(size, 1)
    result = {}
    for edge in edges:
        points, connectivity = box_mesh(size, edge)
        u = 1.7 + 0.01 * points[:, ::-1] + np.sin(points / size * 6)
        mesh = (points, connectivity)
        for order, gradient in ((1, "im1"), (3, "im1"), (3, "both"), (5, "im1")):
            name = f"edge {edge:g}, order {order}, gradient {gradient}"
            result[name] = lambda m=mesh, u=u, g=gradient, o=order: step_sums(im1, im2, *m, u, g, o).n.sum()
        result[f"edge {edge:g}, matrix"] = lambda m=mesh: matrix_sums(im1, *m)[1].sum()
    return result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=160, help="voxels along an edge of the images")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--edges", type=float, nargs="+", default=[8.0, 16.0, 32.0], help="of the elements, voxels")
    parser.add_argument("--isa", help="instruction set")
    options = parser.parse_args()
    if options.isa:
        select(options.isa)
    todo, times = cases(options.size, options.edges), {}
    for _ in range(options.repeats):
        for name, work in todo.items():
            began = time.process_time()
            voxels = work()
            times.setdefault(name, []).append((time.process_time() - began) / voxels * 1e9)
    print(f"CPU ns per voxel, median of {options.repeats} (least), {options.size}^3 voxels, {selected()}")
    for name, found in times.items():
        print(f"{name:38s} {np.median(found):7.1f} ({min(found):.1f})")


if __name__ == "__main__":
    main()
