"""The kernels of tetrahedra refuse arrays that are not what they are taken for, and take little memory."""

import os
import subprocess
import sys

import numpy as np
import pytest
from hpcdvc.kernels.fem import LARGEST, sum_matrix, sum_step

from hpcdvc.kernels.records import dtype
from hpcdvc.kernels.volume import Volume
from hpcdvc.registration.filters import SplineFilter, prefilter_taps, spline_filter, spline_gradient

IMAGE = Volume(np.random.default_rng(0).integers(0, 255, (20, 20, 70), "u1"))
TAPS = prefilter_taps(3)
SPLINE = SplineFilter(3, len(TAPS) - 1, [], TAPS, np.zeros(16))


def pieces(**changes):
    result = np.zeros(2, dtype("piece"))
    result["brick"][1] = 0, 0, 1
    for name, value in changes.items():
        result[name][1] = value
    return result


def run(**other):
    mesh = {
        "points": np.array([[2.0, 2, 2], [15, 2, 2], [2, 15, 2], [2, 2, 66]]),
        "connectivity": np.array([[0, 1, 2, 3]]),
    }
    given = {**mesh, "displacements": np.zeros((4, 3)), "pieces": pieces(), "derivative": spline_gradient(3).derivative}
    given |= {"spline": SPLINE, "matrix": np.zeros(1, dtype("matrix_sums")), "step": np.zeros(1, dtype("step_sums"))}
    points, connectivity, displacements, parts, derivative, spline, matrix, step = (given | other).values()
    sum_matrix(IMAGE, points, connectivity, parts, derivative, matrix)
    sum_step(IMAGE, IMAGE, points, connectivity, displacements, parts, derivative, spline, False, 1.0, step)
    return matrix["voxels"], step["n"]


def test_what_fits():
    voxels, n = run()
    assert voxels == n > 1000


@pytest.mark.parametrize(
    "given",
    [
        {"points": np.zeros((4, 3), "f4")},
        {"points": np.zeros((4, 2))},
        {"points": np.full((4, 3), np.nan)},
        {"points": np.full((4, 3), 2 * LARGEST)},
        {"points": np.zeros((3, 3))},
        {"connectivity": np.array([[0, 1, 2, 3]], "i4")},
        {"connectivity": np.array([[0, 1, 2, 4]])},
        {"connectivity": np.array([[0, 1, 2, -1]])},
        {"connectivity": np.zeros((1, 3), "i8")},
        {"connectivity": np.zeros((0, 4), "i8")},
        {"displacements": np.zeros((3, 3))},
        {"displacements": np.full((4, 3), np.inf)},
        {"pieces": pieces(element=1)},
        {"pieces": pieces(element=-1)},
        {"pieces": pieces(brick=(1, 0, 0))},
        {"pieces": pieces(brick=(0, 0, -1))},
        {"pieces": np.zeros(2, "i8")},
        {"derivative": np.zeros(40)},
        {"derivative": np.zeros(0)},
        {"spline": None},
        {"spline": spline_filter(3)},
        {"matrix": np.zeros(2, dtype("matrix_sums"))},
        {"matrix": np.zeros(1, dtype("step_sums"))},
        {"step": np.zeros((1, 42))},
        {"step": np.frombuffer(bytes(dtype("step_sums").itemsize), dtype("step_sums"))},
    ],
)
def test_what_does_not_fit(given):
    with pytest.raises((TypeError, ValueError)):
        run(**given)


LITTLE = """
import resource
import numpy as np
from hpcdvc.fem.sums import matrix_sums, step_sums

image = np.memmap("zeros", np.uint8, "r", shape=(200, 400, 400))
points = np.array([[0.0, 0, 0], [600, 0, 0], [0, 1200, 0], [0, 0, 1200]])
cells = np.array([[0, 1, 2, 3]])
small = np.ascontiguousarray(image[:9, :9, :9])
step_sums(small, small, points, cells, np.zeros((4, 3)))
used = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
resource.setrlimit(resource.RLIMIT_DATA, (used + 24_000_000,) * 2)
assert matrix_sums(image, points, cells)[1] > 25_000_000
assert step_sums(image, image, points, cells, np.full((4, 3), 0.4)).n > 25_000_000
try:
    np.ones(image.size)
except MemoryError:
    print("limited")
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the limit of memory is that of Linux")
def test_memory_does_not_grow_with_the_image(tmp_path):
    """An element as large as an image of 32 million voxels, in less memory than one byte for each."""
    with open(tmp_path / "zeros", "wb") as file:
        file.truncate(200 * 400 * 400)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", LITTLE], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (0, "limited\n"), done.stderr
