"""Memory that runs out, wherever that is, is an error: an allocator that fails at one call after the other."""

import os
import shutil
import subprocess
import sys
import sysconfig

import pytest

ALLOCATOR = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
long calls_until_failure = -1;
int posix_memalign(void **p, size_t alignment, size_t size)
{
    static int (*real)(void **, size_t, size_t);
    if (!real) real = (int (*)(void **, size_t, size_t))dlsym(RTLD_NEXT, "posix_memalign");
    if (calls_until_failure >= 0 && calls_until_failure-- == 0) return ENOMEM;
    return real(p, alignment, size);
}
"""

SCRIPT = """
import ctypes, sys
import numpy as np
from scipy.ndimage import gaussian_filter
from hpcdvc.deformation.images import Deformation
from hpcdvc.deformation.mappings import NeighbourMap
from hpcdvc.fem.sums import matrix_sums, step_sums
from hpcdvc.fields.field import POINT
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import Level, grey_values
from hpcdvc.registration.pair import Pair
from hpcdvc.registration.settings import Interpolation, Settings, Window
from hpcdvc.registration.windows import WindowRegistration
from hpcdvc.search.pixels import PixelSearch, search_points
from hpcdvc.search.settings import SearchSettings

left = ctypes.c_long.in_dll(ctypes.CDLL(None), "calls_until_failure")
rng = np.random.default_rng(0)
texture = gaussian_filter(rng.normal(size=(40, 40, 40)), 1.3) * 1000
z, y, x = np.indices(texture.shape)
one = (texture + rng.normal(0, 20, texture.shape)).astype("f4")
two = (np.roll(texture, 1, 2) + rng.normal(0, 20, texture.shape)).astype("f4")
two = np.where(x > 20, np.roll(two, 1, 1), two)  # the field is curved there
one[20, 20, 20] = two[18, 20, 22] = np.nan
points = np.zeros(2, POINT)
points["position"], points["Phi"][:, :, :3], points["Phi"][:, 2, 3] = [[20, 20, 20], [18, 18, 22]], np.eye(3), 1
windows = WindowRegistration(one, two, Settings(Window((8, 8, 8), min_valid=0.2), interpolation=Interpolation(1)))
team, whole = Team(), Settings(None, interpolation=Interpolation(3))
greys = [grey_values(image, team) for image in (one, two)]
search = PixelSearch(one, two, SearchSettings(min_valid=0.3))
places = np.array([[20.0, 20, 20], [10, 10, 10], [24, 20, 26]])
around = search_points(places, np.tile(np.eye(4), (3, 1, 1)), (4,) * 3, np.array([-2, 2] * 3))
turned = around.copy()
turned["Phi"][:, 1:3, 1:3] = [[0.9, -0.4], [0.4, 0.9]]  # windows are deformed
nodes = rng.uniform(0, 40, (30, 3))
corners = np.array([[-20.0, 3, 3], [90, 3, 3], [3, 120, 3], [3, 3, 120]])
element, u = np.array([[0, 1, 2, 3]]), np.full((4, 3), 0.3)
class Flat:  # a density that is the same everywhere
    low, high, log_density, score, weight = -5000.0, 5000.0, np.zeros((2, 2)), np.zeros((2, 2)), np.ones((2, 2))

modal = ModalPair(Level.of(one, two), (Flat, Flat), 16, (2, 2, 2), np.full(3, 20.0), team)
phi, diagram = np.eye(4)[:3], np.ones((16, 16))
sums, fields = (lambda phi: modal.sums(phi, Flat)), (lambda phi: modal.fields(phi, Flat, diagram, 0, 9))
jobs = {
    "modalities": lambda: [each(phi) for each in (modal.histogram, modal.moments, sums, fields)],
    "windows": lambda: windows(points),
    "whole": lambda: Pair(one, two, whole, *greys, None, (2, 2, 2), np.full(3, 20.0), team).totals(np.eye(4)[:3]),
    "search": lambda: [search(points) for points in (around, turned)],
    "elements": lambda: [matrix_sums(one, corners, element), step_sums(one, two, corners, element, u, "both")],
    "field": lambda: Deformation(one, NeighbourMap(nodes, np.tile(np.eye(4), (30, 1, 1))), 3).planes(0, 16),
}
job = jobs[sys.argv[1]]
job()
left.value = 10**6
job()
needed = 10**6 - left.value
assert needed > 3, needed
for n in range(needed):
    left.value = n
    try:
        job()
    except MemoryError:
        continue
    raise SystemExit(f"call {n} of {needed} failed, and nobody was told")
left.value = -1
job()
print(needed)
"""


@pytest.mark.parametrize("what", ["windows", "whole", "search", "elements", "field", "modalities"])
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="LD_PRELOAD is needed")
def test_no_failure_is_swallowed(tmp_path, what):
    compiler = os.environ.get("CC") or sysconfig.get_config_var("CC").split()[0]
    if not shutil.which(compiler):
        pytest.skip("no C compiler")
    (tmp_path / "failing.c").write_text(ALLOCATOR)
    library = tmp_path / "failing.so"
    words = [compiler, "-shared", "-fPIC", "-o", library, tmp_path / "failing.c", "-ldl"]
    subprocess.run(words, check=True, capture_output=True, timeout=60)
    env = {**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(sys.path)}
    words = [sys.executable, "-c", SCRIPT, what]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
