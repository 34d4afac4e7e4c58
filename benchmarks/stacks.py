"""Cost of dense maps of stacks beside algotom and UMPA: similarity, transmission and dark field at every pixel.

Process CPU time on one thread, the stacks in memory, in bands of rows as the commands take them; cases are measured in
turn, again and again; medians. The speckle is moved by a known field, whose error is told, too. Programs that take
minutes measure 128 x 128 pixels, and their time is given for the whole image by the pixels that both measure.

    OMP_NUM_THREADS=1 python benchmarks/stacks.py [--size 512] [--repeats 5] [--algotom PYTHON] [--umpa PYTHON]

PYTHON is one in which algotom, or UMPA of optimato, is installed.
"""

import argparse
import json
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from hpcdvc.kernels import select, selected
from hpcdvc.stacks.dense import DenseSettings, halo, measure_rows

SMALL, BAND, MEAN = 128, 128, 1000.0
HAMMING = tuple(np.hamming(7) / np.hamming(7).sum())
#: Name -> settings, and frames if fewer than all.
CASES = {
    "ncc": {},
    "ncc, poly": {"peak": "poly", "peak_size": 5},
    "ncc, frames lack pixels": {"partial": True},
    "ncc, every 8th pixel": {"step": 8},
    "ncc, 1 frame": {"frames": 1},
    "ncc, 1 frame, window 21": {"frames": 1, "half_window": 10},
    "ncc, 1 frame, window 41": {"frames": 1, "half_window": 20},
    "umpa": {"metric": "umpa", "taps": HAMMING},
    "umpa, dark field": {"metric": "umpa-dark", "taps": HAMMING},
    "umpa, dark field, local mean": {"metric": "umpa-dark", "taps": HAMMING, "local_mean": True},
}
#: What is run by the Python of another program: CPU seconds of each call, compiled before where it compiles.
START = """
import json, sys, time
import numpy as np
im1, im2, half, reach = np.load(sys.argv[1]), np.load(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
found = {}
def measure(name, call):
    began = time.process_time()
    call(im1, im2)
    found[name] = time.process_time() - began
"""
ALGOTOM = """
from algotom.util.correlation import find_local_shifts, find_local_shifts_umpa
words = {"win_size": 2 * half + 1, "margin": reach, "ncore": 1}
side = 2 * (half + reach) + 3
for name, call in {
    "algotom find_local_shifts, dim 2": lambda a, b: find_local_shifts(a, b, dim=2, **words),
    "algotom find_local_shifts_umpa": lambda a, b: find_local_shifts_umpa(a, b, gpu=False, **words),
    "algotom find_local_shifts_umpa, dark": lambda a, b: find_local_shifts_umpa(
        a, b, gpu=False, dark_signal=True, **words),
}.items():
    call(im1[:, :side, :side], im2[:, :side, :side])
    measure(name, call)
print(json.dumps(found))
"""
UMPA = """
from UMPA import model
for name, kind in {"UMPA": model.UMPAModelNoDF, "UMPA, dark field": model.UMPAModelDF}.items():
    measure(name, lambda a, b: kind(list(b), list(a), window_size=half, max_shift=reach).match())
print(json.dumps(found))
"""


def displacement(size: int) -> np.ndarray:
    """(2, size, size) y and x, up to 4 pixels."""
    y, x = np.mgrid[:size, :size] * (2 * np.pi / 512)
    return np.stack([2.2 + 1.5 * np.sin(x), -1.7 + 1.5 * np.cos(y)])


def stacks(frames: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Two (frames, size, size) float32 stacks of speckle of contrast 0.2; the second absorbs and scatters."""
    rng, margin = np.random.default_rng(27), 16
    wide = size + 2 * margin
    places = np.mgrid[:size, :size] + margin - displacement(size)
    im1, im2 = (np.empty((frames, size, size), "f4") for _ in range(2))
    for k in range(frames):
        texture = gaussian_filter(rng.standard_normal((wide, wide)), 1.5, mode="wrap")
        texture *= 0.2 / texture.std()
        im1[k] = MEAN * (1 + texture[margin:-margin, margin:-margin])
        im2[k] = 0.8 * MEAN * (1 + 0.7 * map_coordinates(texture, places, order=5, mode="grid-wrap"))
        im1[k] += rng.normal(0, 3, (size, size))
        im2[k] += rng.normal(0, 3, (size, size))
    return im1, im2


def run_case(im1: np.ndarray, im2: np.ndarray, half: int, reach: int, **words) -> np.ndarray:
    """Displacement (rows, columns, 2) at all pixels; NaN where there is none."""
    frames = words.pop("frames", len(im1))
    im1, im2, height = im1[:frames], im2[:frames], im1.shape[1]
    settings = DenseSettings(**{"half_window": half, "reach": (-reach, reach) * 2, "template": "im2"} | words)
    means, step, parts = np.array([MEAN, 0.8 * MEAN]), settings.step, []
    for start in range(0, height, BAND // step * step):
        rows = range(start, min(start + BAND // step * step, height), step)
        first, last = max(start - halo(settings), 0), min(rows[-1] + 1 + halo(settings), height)
        bands = (np.ascontiguousarray(im[:, first:last]) for im in (im1, im2))
        parts.append(measure_rows(*bands, first, rows, height, settings, means)["displacement"])
    return np.concatenate(parts)


def others(python: str, code: str, half: int, reach: int, images: tuple) -> dict[str, float]:
    """CPU seconds of the calls of another program."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder, f"im{i}.npy")) for i in (1, 2)]
        for path, image in zip(paths, images, strict=True):
            np.save(path, image)
        words = [python, "-c", START + code, *paths, str(half), str(reach)]
        return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def print_others(o: argparse.Namespace, images: tuple) -> None:
    """Measure the other programs, those that take minutes on a part of the image."""
    inner = 2 * (o.half_window + o.reach)
    part = tuple(np.ascontiguousarray(im[:, :SMALL, :SMALL]) for im in images)
    factor = ((o.size - inner) / (min(SMALL, o.size) - inner)) ** 2
    for python, code, seen, times in ((o.algotom, ALGOTOM, part, factor), (o.umpa, UMPA, images, 1.0)):
        if python:
            for name, seconds in others(python, code, o.half_window, o.reach, seen).items():
                how = f"{SMALL} x {SMALL} pixels took {seconds:.2f} s" if times != 1 else ""
                print(f"{name:40s} {seconds * times:8.2f}  {how}")


def main() -> None:
    """Measure and print."""
    words = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    words.add_argument("--size", type=int, default=512, help="pixels along an edge of the images")
    words.add_argument("--frames", type=int, default=20)
    words.add_argument("--half-window", type=int, default=3)
    words.add_argument("--reach", type=int, default=10, help="greatest displacement that is tried, pixels")
    words.add_argument("--repeats", type=int, default=5)
    words.add_argument("--isa", help="instruction set")
    words.add_argument("--algotom", metavar="PYTHON", help="one that has algotom")
    words.add_argument("--umpa", metavar="PYTHON", help="one that has UMPA")
    o = words.parse_args()
    if o.isa:
        select(o.isa)
    images, times, errors = stacks(o.frames, o.size), {}, {}
    for _ in range(o.repeats):
        for name, case in CASES.items():
            began = time.process_time()
            found = run_case(*images, **({"half": o.half_window, "reach": o.reach} | _words(case)))
            times.setdefault(name, []).append(time.process_time() - began)
            step = case.get("step", 1)
            wrong = found - np.moveaxis(displacement(o.size), 0, -1)[::step, ::step]
            errors[name] = np.sqrt(np.nanmean(wrong**2)), np.isfinite(wrong[..., 0]).mean()
    print(f"{o.frames} frames of {o.size} x {o.size}, windows of {2 * o.half_window + 1}, +-{o.reach}, {selected()}:")
    print(f"{'':40s}    CPU s   least  error (rms, pixel)  part measured")
    for name, found in times.items():
        rms, part = errors[name]
        print(f"{name:40s} {np.median(found):8.2f} {min(found):7.2f}  {rms:8.3f} {part:14.3f}")
    print_others(o, images)


def _words(case: dict) -> dict:
    """Settings of a case; a half window of its own replaces that of all."""
    return {"half" if name == "half_window" else name: value for name, value in case.items()}


if __name__ == "__main__":
    main()
