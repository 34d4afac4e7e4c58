"""Cost and error of the shift between two whole images, beside scikit-image and image_registration.

Process CPU time of one call on one thread, the images in memory: a texture that goes round, moved by a known part of a
pixel, with noise in im2. Cases are measured in turn, again and again; medians.

    OMP_NUM_THREADS=1 python benchmarks/shift.py [--size 2048] [--repeats 5] [--peer PYTHON]

PYTHON is one in which image_registration is installed.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter
from skimage.registration import phase_cross_correlation

from hpcdvc import chi2_shift, fourier, measure_shift, register_images
from hpcdvc.stacks.settings import ShiftSettings

SHIFT, NOISE = (7.31, -4.62), 0.3
#: What is run by the Python of the other program: three calls, CPU seconds and (dx, dy) of each.
PEER = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
from image_registration import chi2_shift, register_images
im1, im2 = np.load(sys.argv[1]), np.load(sys.argv[2])
err, found = float(sys.argv[3]), {}
for name, call in {
    "chi2_shift": lambda: chi2_shift(im1, im2, err),
    "chi2_shift, noise of each pixel": lambda: chi2_shift(im1, im2, np.full(im2.shape, err)),
    "register_images, 1/100": lambda: register_images(im1, im2, 100),
}.items():
    began = time.process_time()
    dx, dy = call()[:2]
    found["image_registration " + name] = time.process_time() - began, (float(dy), float(dx))
print(json.dumps(found))
"""


def images(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two (size, size) float64 images of unit variance."""
    rng = np.random.default_rng(27)
    im1 = gaussian_filter(rng.standard_normal((size, size)), 1.5, mode="wrap")
    im1 /= im1.std()
    return im1, fourier.shift(im1, SHIFT) + NOISE * rng.standard_normal(im1.shape)


def cases(im1: np.ndarray, im2: np.ndarray) -> dict:
    """Name -> function that returns the shift, y and x."""

    def by(**settings):
        return lambda: measure_shift(im1, im2, ShiftSettings(**settings)).displacement[1:]

    return {
        "chi2_shift": lambda: chi2_shift(im1, im2, NOISE)[1::-1],
        "chi2_shift, noise not known": lambda: chi2_shift(im1, im2)[1::-1],
        "chi2_shift, noise of each pixel": lambda: chi2_shift(im1, im2, np.full(im2.shape, NOISE))[1::-1],
        "register_images, 1/100": lambda: register_images(im1, im2, 100)[1::-1],
        "phase": by(method="phase"),
        "overlap": by(boundary="overlap"),
        "scikit-image phase_cross_correlation, 1/100": lambda: (
            -phase_cross_correlation(im1, im2, upsample_factor=100)[0]
        ),
    }


def peer(python: str, im1: np.ndarray, im2: np.ndarray) -> dict:
    """The same of another program."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("im1.npy", "im2.npy")]
        for path, image in zip(paths, (im1, im2), strict=True):
            np.save(path, image)
        done = subprocess.run([python, "-c", PEER, *paths, str(NOISE)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=2048, help="pixels along an edge of the images")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer", help="Python in which image_registration is installed")
    options = parser.parse_args()
    im1, im2 = images(options.size)
    times, shifts = {}, {}
    for _ in range(options.repeats):
        for name, work in cases(im1, im2).items():
            began = time.process_time()
            shifts[name] = work()
            times.setdefault(name, []).append(time.process_time() - began)
    if options.peer:
        for name, (seconds, shift) in peer(options.peer, im1, im2).items():
            times[name], shifts[name] = [seconds], shift
    print(f"CPU s, median of {options.repeats} (least), and error, pixels y x; {options.size}^2 pixels, noise {NOISE}")
    for name, found in times.items():
        error = np.subtract(shifts[name], SHIFT)
        print(f"{name:44s} {np.median(found):7.3f} ({min(found):.3f})   {error[0]:+.4f} {error[1]:+.4f}")


if __name__ == "__main__":
    main()
