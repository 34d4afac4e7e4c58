"""Cost of the registration kernel per voxel of a window and iteration, everything included.

All-in: process CPU time of whole registrations (reading windows, gradient, prefilter, all passes, solves, variances)
over the sum of iterations x voxels, with the default settings, so with the iteration counts of normal runs. Every
instruction set runs in its own process, as a run of a command does.

    python benchmarks/kernel.py [--size 500] [--repeats 7]
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
from processes import environment

from hpcdvc.kernels import supported

HALF_WINDOWS = (5, 8, 10, 15, 20)
ORDERS = (1, 3, 5)
#: HPCDVC_ISA -> name; "baseline" is SSE2 on x86-64
INSTRUCTION_SETS = {"v1": "baseline", "v3": "AVX2", "v4": "AVX-512"}
SECONDS = 0.15  # CPU time of one repetition


def grid_positions(size: int, half: int) -> np.ndarray:
    """Nodes (n, 3) of a run, in its order: windows that just touch, as the reading of neighbours depends on it."""
    line = np.arange(half + 5, size - half - 5, 2 * half + 4)
    return np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1).reshape(-1, 3)


def measure(im1, im2, half: int, order: int, repeats: int) -> dict:
    """Nanoseconds per voxel and iteration of one case: min and median over the repetitions."""
    from hpcdvc.fields.field import POINT
    from hpcdvc.registration.settings import Interpolation, Settings, Window
    from hpcdvc.registration.windows import WindowRegistration, seconds_per_window

    settings = Settings(Window((half,) * 3), interpolation=Interpolation(order))
    registration = WindowRegistration(im1, im2, settings)
    count = max(8, int(SECONDS / seconds_per_window(settings)))
    positions = grid_positions(im1.shape[0], half)
    first = len(positions) // 3  # where neither the displacement nor the image's border is special
    points = np.zeros(min(count, len(positions) - first), POINT)
    points["Phi"][:, :, :3] = np.eye(3)
    points["position"] = positions[first : first + len(points)]
    rows = registration(points)  # once, so that no repetition waits for the disk
    voxels = (2 * half + 1) ** 3 * int(rows["iterations"].sum())
    times = []
    for _ in range(repeats):
        began = time.process_time()
        registration(points)
        times.append((time.process_time() - began) / voxels * 1e9)
    return {
        "half_window": half,
        "order": order,
        "iterations": float(rows["iterations"].mean()),
        "converged": float((rows["return_status"] == 2).mean()),
        "ns_min": min(times),
        "ns_median": float(np.median(times)),
    }


def one_instruction_set(size: int, repeats: int) -> list[dict]:
    """All cases with the instruction set that HPCDVC_ISA asks for."""
    import tifffile
    from speckle import speckle_pair

    im1, im2 = (tifffile.memmap(path, mode="r") for path in speckle_pair(size))
    cases = [(h, o) for o in ORDERS for h in HALF_WINDOWS if 2 * h + 20 <= size]
    return [measure(im1, im2, half, order, repeats) for half, order in cases]


def all_instruction_sets(size: int, repeats: int) -> list[dict]:
    """All cases with every instruction set of this machine."""
    results = []
    for name in supported():
        words = [sys.executable, __file__, "--size", str(size), "--repeats", str(repeats), "--child"]
        out = subprocess.run(words, env=environment({"HPCDVC_ISA": name}), capture_output=True, text=True)
        if out.returncode:
            raise SystemExit(f"the kernel benchmark failed with HPCDVC_ISA={name}:\n{out.stderr}")
        answer = json.loads(out.stdout.splitlines()[-1])
        results += [{"isa": name, **case} for case in answer["cases"]]
    return results


def table(results: list[dict]) -> str:
    """Markdown: one line per half window, one column per order and instruction set, min / median."""
    columns = [(o, i) for o in ORDERS for i in INSTRUCTION_SETS]
    names = {1: "trilinear", 3: "cubic", 5: "quintic"}
    lines = [
        "| hws | " + " | ".join(f"{names[o]} {INSTRUCTION_SETS[i]}" for o, i in columns) + " |",
        "|--" * (len(columns) + 1) + "|",
    ]
    found = {(r["half_window"], r["order"], r["isa"]): r for r in results}
    for half in HALF_WINDOWS:
        cells = [found.get((half, o, i)) for o, i in columns]
        if any(cells):
            text = [f"{c['ns_min']:.1f} / {c['ns_median']:.1f}" if c else "-" for c in cells]
            lines.append(f"| {half} | " + " | ".join(text) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--size", type=int, default=500, help="voxels along an edge of the pair")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps({"cases": one_instruction_set(options.size, options.repeats)}))
    else:
        print(table(all_instruction_sets(options.size, options.repeats)))


if __name__ == "__main__":
    main()
