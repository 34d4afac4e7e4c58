"""hpcdvc-mmr: CPU per voxel and iteration beside spam's library, what it recovers of a known motion, and real images.

    python benchmarks/mmr.py                                  a few minutes
    python benchmarks/mmr.py --size 80 --rounds 1 --no-peer   a first look

The result goes to benchmarks/results/mmr-<date>-<machine>.md and .json. Both programs get arrays in memory and use one
thread. A voxel is one inside the margin of a tenth of each side. Two samples are measured where the shared data are
(HPCDVC_SHARED, or `shared` beside the repository).
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median

import peer
import reporting
from processes import ROOT, environment

# isort: split
import machine
import numpy as np
import targets
from modal_pairs import modal_pair
from synthetic import rotation
from tifffile import imread

from hpcdvc.multimodal.api import multimodal_registration
from hpcdvc.multimodal.auto import find_start
from hpcdvc.multimodal.greys import GreyRange
from hpcdvc.multimodal.pair import ModalPair
from hpcdvc.ranks.team import Team
from hpcdvc.registration.levels import Level

SIZE, BINS, MARGIN = 160, 64, 0.1
#: Rotations (degrees) under which passes over the images are measured: what lies side by side in im1 does not in im2.
ANGLES = (0, 2, 20)
ANGLE, SHIFT = 2.0, (0.6, -0.8, 0.4)
SAMPLES = Path(os.environ.get("HPCDVC_SHARED", ROOT.parent / "shared")) / "oracle" / "spam" / "_inputs"


class Flat:
    """A density that is the same everywhere: a pass over the images does not depend on which it is."""

    log_density, score, weight = np.zeros((253, 253)), np.ones((253, 253)), np.ones((253, 253))


def pair(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two uint16 images of two phases, and the (4, 4) Phi between them."""
    field = rotation(ANGLE, np.full(3, (size - 1) / 2), axis=(1, 2, 3), shift=SHIFT)
    phi = np.eye(4)
    phi[:3] = np.column_stack([field.F, field.displacement(np.full(3, (size - 1) / 2))])
    return *((30000 * image + 10000).clip(0, 65535).astype("u2") for image in modal_pair((size,) * 3, field, 5)), phi


def voxels(size: int) -> int:
    """How many lie inside the margin."""
    return (size - 2 * int(MARGIN * size)) ** 3


def passes(im1: np.ndarray, im2: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """CPU of one pass that sums up all that an iteration needs, ns per voxel."""
    size, found = len(im1), {}
    ranges = tuple(GreyRange(float(image.min()), float(image.max())) for image in (im1, im2))
    centre = np.full(3, (size - 1) / 2)
    images = ModalPair(Level.of(im1, im2), ranges, BINS, (int(MARGIN * size),) * 3, centre, Team())
    for angle in ANGLES:
        phi = np.column_stack([rotation(angle, np.zeros(3), axis=(1, 0.2, 0.1)).F, (0.3, 0.4, -0.2)])
        for _ in range(3 * rounds):
            began = time.process_time()
            images.sums(phi, Flat)
            found.setdefault(f"{angle} degrees", []).append((time.process_time() - began) / voxels(size) * 1e9)
    return found


def ours(im1: np.ndarray, im2: np.ndarray, phi: np.ndarray, rounds: int) -> dict:
    """The whole of a registration, phases included."""
    cpus = []
    for _ in range(rounds):
        began = time.process_time()
        result = multimodal_registration(im1, im2, bins=BINS)
        cpus.append(time.process_time() - began)
    return {"cpus": cpus, "iterations": int(result.iterations), **errors(result.phi, phi)}


def theirs(im1: np.ndarray, im2: np.ndarray, phi: np.ndarray) -> dict:
    """The same of spam's library; and CPU of one iteration, of two runs: what a run takes besides is not counted."""
    python, script = peer.install() / "python", Path(__file__).with_name("run_spam_mmr.py")
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("im1.npy", "im2.npy")]
        for path, image in zip(paths, (im1, im2), strict=True):
            np.save(path, image)
        words = [str(python), str(script), *paths, "2", str(int(MARGIN * len(im1)))]
        said = subprocess.run(
            words, env={**environment(), "PYTHONPATH": ""}, stdout=subprocess.PIPE, check=True, text=True
        )
    found = json.loads(said.stdout.splitlines()[-1])
    (few, n), (many, m) = found["runs"]
    whole = {"cpus": [found["phases"] + many], "iterations": m}
    return {**whole, "iteration": (many - few) / (m - n), **errors(np.array(found["Phi"]), phi)}


def errors(found: np.ndarray, phi: np.ndarray) -> dict:
    """Of displacement (voxel) and F, against the truth."""
    wrong = found - phi
    return {"t": float(np.linalg.norm(wrong[:3, 3])), "F": float(np.abs(wrong[:3, :3]).max())}


def samples() -> dict:
    """Three simulated phases; and real concrete, by x-rays and by neutrons, from a start that is searched."""
    images = {name: imread(SAMPLES / f"{name}.tif") for name in ("mm1", "mm2", "concrete-xr", "concrete-ne")}
    truth = np.array(json.loads((SAMPLES / "mm2.truth.json").read_text())["Phi"])
    simulated = multimodal_registration(images["mm1"], images["mm2"], n_phases=3, bins=BINS)
    found = {"simulated": {"status": int(simulated.return_status), **errors(simulated.phi, truth)}}
    one, two = images["concrete-xr"], images["concrete-ne"]
    start = find_start(Level.of(one, two), (np.array(one.shape) - 1) / 2, Team())
    for rigid in (True, False):
        result = multimodal_registration(one, two, phi_init=start, phi_rigid=rigid, bins=2 * BINS)
        start = result.phi
        name = "concrete, rigid" if rigid else "concrete, affine"
        found[name] = {"status": int(result.return_status), "explained": float(np.sqrt(result.explained))}
        found[name]["angle"] = float(np.linalg.norm(result.r))
    return found


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    im1, im2, phi = pair(o.size)
    results["voxels"], results["passes"] = voxels(o.size), passes(im1, im2, o.rounds)
    results["runs"] = {"hpcdvc": ours(im1, im2, phi, o.rounds)}
    if not o.no_peer:
        results["runs"]["spam"] = theirs(im1, im2, phi)
    results["samples"] = samples() if SAMPLES.is_dir() else {}
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o, n = results["options"], results["voxels"]
    intro = (
        f"Two phases in {o['size']}^3 uint16 voxels, contrast inverted, noise 3 %; rotation by {ANGLE} degrees and a "
        f"shift; a margin of {MARGIN:.0%} of each side, {BINS} bins, no start. spam interpolates linearly, hpcdvc by "
        f"the quadratic B-spline. {o['rounds']} round(s)."
    )
    passed = ["| Phi turned by | ns per voxel, median | least |", "|--|--|--|"]
    passed += [f"| {name} | {median(times):.1f} | {min(times):.1f} |" for name, times in results["passes"].items()]
    lines = ["| run | CPU s | iterations | ns per voxel and iteration, all in | error t, voxel | F |"]
    lines.append("|--|--|--|--|--|--|")
    for name, r in results["runs"].items():
        cpu = median(r["cpus"])
        each = f"{cpu / r['iterations'] / n * 1e9:.1f}"
        lines.append(f"| {name} | {cpu:.2f} | {r['iterations']} | {each} | {r['t']:.4f} | {r['F']:.1e} |")
    if "spam" in results["runs"]:
        more = results["runs"]["spam"]["iteration"] / n * 1e9
        lines.append(f"\nOne more iteration of spam, without its phases and start: {more:.0f} ns per voxel.")
        ours, theirs = (median(results["runs"][name]["cpus"]) for name in ("hpcdvc", "spam"))
        lines.append(f"The whole took spam, with as many iterations as it was let, {theirs / ours:.0f} times the CPU.")
        lines.append("That of hpcdvc holds fits of the phases, standard deviations, the verdict and both fields.")
    found = [f"* {name}: {json.dumps(values)}" for name, values in results["samples"].items()]
    sections = {
        "Goals": targets.table(targets.mmr(results)),
        "A pass over the images": "\n".join(passed),
        "Whole registrations": "\n".join(lines),
        "Samples": "\n".join(found) or "The shared data are not here.",
    }
    return reporting.document("hpcdvc-mmr", intro, results, sections)


if __name__ == "__main__":
    parser = reporting.common_parser(__doc__)
    parser.add_argument("--size", type=int, default=SIZE, help="voxels along an edge of the images, 64 or more")
    options = parser.parse_args()
    found = measure(options)
    reporting.write("mmr", found, report(found), options.size == SIZE and not options.no_peer)
