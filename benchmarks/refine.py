"""Cost of the refinement of local shifts (-pm gn, gnaffine) per pixel of a window, frame and iteration.

All-in: process CPU time of `refine_rows` of whole images on one thread (spline, gradient, all iterations) over the sum
of iterations x pixels of the window x frames; and in microseconds for each pixel that is refined. Every instruction set
runs in its own process, as a run of a command does.

    python benchmarks/refine.py [--size 256] [--repeats 5]
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from processes import environment
from scipy.ndimage import fourier_shift, gaussian_filter

from hpcdvc.kernels import supported

SHIFT, NOISE = (0.3, -0.4), 0.05
#: (half window, frames)
CASES = ((3, 1), (3, 20), (5, 20), (7, 20))


def stacks(frames: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two stacks of speckle of unit contrast, the second moved, and noise in both."""
    rng = np.random.default_rng(0)
    first = np.stack([gaussian_filter(rng.normal(size=(size, size)), 1.5, mode="wrap") * 5.3 for _ in range(frames)])
    second = [np.fft.ifft2(fourier_shift(np.fft.fft2(frame), SHIFT)).real for frame in first]
    return tuple((5 + s + NOISE * rng.normal(size=first.shape)).astype("f4") for s in (first, np.stack(second)))


def measure(half: int, frames: int, kind: str, size: int, repeats: int) -> dict:
    """CPU time of one case, the least and the median of the repetitions."""
    from hpcdvc.stacks import refine
    from hpcdvc.stacks.dense import DenseSettings

    iterations, kernel = [], refine.refine

    def counted(*arrays, **settings):
        kernel(*arrays, **settings)
        iterations.append(arrays[5]["iterations"].copy())

    im1, im2 = stacks(frames, size)
    settings, inner = DenseSettings(half, (-2, 2, -2, 2), template="im2"), slice(half + 2, -half - 2)
    found = {"displacement": np.zeros((size, size, 2), "f4"), "score": np.ones((size, size), "f4")}
    found["displacement"][:] = np.add(SHIFT, (0.05, -0.05))  # as near as a Taylor series comes
    found["status"] = np.full((size, size), -6, "i1")
    found["status"][inner, inner] = 2
    times, refine.refine = [], counted
    for _ in range(repeats):
        began = time.process_time()
        result = refine.refine_rows(im1, im2, 0, range(size), size, found, settings, kind)
        times.append(time.process_time() - began)
    refine.refine = kernel
    pixels, samples = iterations[0].size, int(iterations[0].sum()) * (2 * half + 1) ** 2 * frames
    return {
        "half_window": half,
        "frames": frames,
        "kind": kind,
        "iterations": float(iterations[0].mean()),
        "converged": float((result["status"] == 2).sum() / pixels),
        "us_per_pixel": float(np.median(times)) / pixels * 1e6,
        "ns_min": min(times) / samples * 1e9,
        "ns_median": float(np.median(times)) / samples * 1e9,
    }


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    words.add_argument("--size", type=int, default=256, help="pixels along an edge of the images")
    words.add_argument("--repeats", type=int, default=5)
    words.add_argument("--one", action="store_true", help="this instruction set alone, as JSON")
    o = words.parse_args()
    if o.one:
        cases = [(*case, kind) for case in CASES for kind in ("gn", "gnaffine")]
        print(json.dumps([measure(*case, o.size, o.repeats) for case in cases]))
        return
    print("isa  window  frames  kind      iterations  converged  us/pixel  ns/sample/iteration (least)")
    for isa in supported():
        line = [sys.executable, __file__, "--one", "--size", str(o.size), "--repeats", str(o.repeats)]
        done = subprocess.run(line, env=environment({"HPCDVC_ISA": isa}), check=True, capture_output=True, text=True)
        for r in json.loads(done.stdout.splitlines()[-1]):
            print(
                f"{isa:4s} {2 * r['half_window'] + 1:6d} {r['frames']:7d}  {r['kind']:9s} {r['iterations']:10.2f} "
                f"{r['converged']:10.3f} {r['us_per_pixel']:9.2f} {r['ns_median']:12.2f} ({r['ns_min']:.2f})"
            )


if __name__ == "__main__":
    main()
