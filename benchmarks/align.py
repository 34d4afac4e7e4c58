"""hpcdvc-align: CPU of its projector and of an iteration, beside mumott's; efficiency of two ranks; what it recovers.

    python benchmarks/align.py                    some minutes
    python benchmarks/align.py --pixels 48 --views 30 --no-peer      a first look

The result goes to benchmarks/results/align-<date>-<machine>.md and .json. Scans are simulated: Gaussian blobs, whose
views are known exactly, each view 3 pixels out of its place at most. CPU is user + system time of all processes.
"""

import argparse
import json
import os
import subprocess
import time
from pathlib import Path

import environments
import reporting
from processes import command, environment
from series import Case, efficiency, interleaved, run, spread
from speckle import CACHE

# isort: split
import machine
import numpy as np
import targets
from recorded import SCANS, Recorded
from scans import Simulated

from hpcdvc.ranks.team import Team
from hpcdvc.tomography.geometry import Geometry
from hpcdvc.tomography.projector import make_projector

SIZE, VIEWS = 128, 90
#: Views of as many pixels as in the published comparison of the methods.
SMALL = {"single axis": Simulated(31, 36, 40), "dual tilt": Simulated(24, 36, 40, tilted=True, moved=2.0)}
#: Both modes, and iterations enough for half a minute of a core, beside which the start is nothing.
MODES = {"slab": '-maxiter 3 -recKwargs {"maxiter":40}', "replicated": '-maxiter 1 -recKwargs {"maxiter":10}'}
MUMOTT = ("mumott", "2.3", ("numpy<2", "matplotlib==3.8.4", "mumott==2.3"))


def projector_times(scan: Simulated, mode: str, rounds: int) -> dict[str, list[float]]:
    """CPU of forward and adjoint, s."""
    rotations, unknown = scan.rotations, np.full(scan.views, np.nan)
    volume = (scan.width, scan.width, scan.height)
    axes = (rotations[:, 1], rotations[:, 0], rotations[:, 2])
    geometry = Geometry(*axes, (scan.width, scan.height), volume, unknown, unknown)
    projector = make_projector(geometry, Team(), mode).moved(*scan.offsets)
    part = np.random.default_rng(0).random(volume, dtype=np.float32)
    found = {"forward": [], "adjoint": []}
    for _ in range(rounds + 1):
        began = time.process_time()
        measured = projector.forward(part)
        between = time.process_time()
        projector.adjoint(measured)
        found["forward"].append(between - began)
        found["adjoint"].append(time.process_time() - between)
    return {name: times[1:] for name, times in found.items()}  # the first has met pages of memory for the first time


def found_in(folder: Path) -> dict:
    """Offsets, and what the history says."""
    rows = np.genfromtxt(folder / "x-align.tsv", names=True)
    history = np.genfromtxt(folder / "x-align-history.tsv", names=True)
    return {
        "offsets": np.array([rows["j_offset"], rows["k_offset"]]),
        "iterations": len(np.unique(history["iteration"])),
        "residual": (float(history["residual"][0]), float(history["residual"][-1])),
    }


def alignment(name: str, scan: Simulated, ranks: int, more: str = "", repeats: int = 1) -> Case:
    """A run of the command, and the error of what it finds."""
    path = scan.write(CACHE / f"align-{scan.views}-{scan.width}-{int(scan.tilted)}.h5")

    def read(folder: Path) -> dict:
        found = found_in(folder)
        found["rms"] = scan.error(*found.pop("offsets"))
        return found

    def words(folder: Path) -> list[str]:
        return command("align", path, "-od", folder, "-pre", "x", "-q", *more.split(), ranks=ranks)

    return Case(name, words, read, repeats)


def recorded(name: str, scan: Recorded, seeds: int) -> dict[str, dict]:
    """A scan as it is, and with offsets added, by the command; what it recovers of them."""
    results, before = {}, None
    for seed in (None, *range(seeds)):
        if seed is None:
            words = scan.words
        else:
            short = Path(scan.file).stem
            words = scan.words_of(scan.write(CACHE / f"align-{short}-{seed}.h5", seed))
        done, found = run(
            Case(name, lambda folder, w=words: command("align", *w, "-od", folder, "-pre", "x", "-q"), found_in)
        )
        offsets = found.pop("offsets")
        if seed is None:
            before, entry = offsets, f"{name}, as it is"
        else:
            found["rms"], entry = scan.error(offsets, before, seed), f"{name}, moved, seed {seed}"
        results[entry] = {**found, "cpu": done.cpu, "wall": done.wall}
        print(f"{entry}: {results[entry]}", flush=True)
    return results


def mumott(scan: Simulated, *only: str) -> dict[str, float]:
    """CPU of its projector and, but for `only` that, of an iteration, s."""
    python = environments.install(*MUMOTT) / "python"
    path = scan.write(CACHE / f"align-{scan.views}-{scan.width}-{int(scan.tilted)}.h5")
    words = [str(python), str(Path(__file__).with_name("run_mumott.py")), str(path), *only]
    its_own = {"PYTHONPATH": "", "NUMBA_NUM_THREADS": str(os.cpu_count())}  # it asks for all cores, or does not start
    said = subprocess.run(words, env={**environment(), **its_own}, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(said.stdout.splitlines()[-1])


def iteration(runs: dict, few: int, many: int) -> float:
    """CPU of one iteration, of two runs of different numbers: what a run takes besides is not counted."""
    return (min(runs[f"{many} iterations"]["cpus"]) - min(runs[f"{few} iterations"]["cpus"])) / (many - few)


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    large = {tilted: Simulated(o.views, o.pixels, o.pixels, tilted) for tilted in (False, True)}
    results["projector"] = {
        "single axis, slab": projector_times(large[False], "slab", o.rounds),
        "single axis, replicated": projector_times(large[False], "replicated", o.rounds),
        "dual tilt, replicated": projector_times(large[True], "replicated", o.rounds),
    }
    same = '-met gn -bin 1 -tol 1e-12 -recKwargs {"maxiter":20} -maxiter'
    single = SMALL["single axis"]
    cases = [alignment(name, scan, 1) for name, scan in SMALL.items()]
    cases += [alignment(f"{n} iterations", single, 1, f"{same} {n}", 2) for n in (2, 22)]
    cases += [
        alignment(f"{mode}, {n} rank(s)", large[False], n, f"-met gn -bin 1 -tol 1e-12 -mode {mode} {work}")
        for mode, work in MODES.items()
        for n in (1, 2)
    ]
    results["runs"] = interleaved(cases, o.rounds)
    results["efficiency"] = {
        mode: efficiency(*(results["runs"][f"{mode}, {n} rank(s)"] for n in (1, 2))) for mode in MODES
    }
    results["iteration"] = {"ours": iteration(results["runs"], 2, 22)}
    there = {name: scan for name, scan in SCANS.items() if scan.path.exists()}
    results["recorded"] = {
        key: entry for name, scan in there.items() for key, entry in recorded(name, scan, o.seeds).items()
    }
    if not o.no_peer:
        peer = mumott(single)
        results["iteration"]["mumott"] = peer["iteration"]
        results["projector"]["single axis, mumott"] = {
            name: [seconds] for name, seconds in mumott(large[False], "projector").items()
        }
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o = results["options"]
    intro = (
        f"Projector and efficiency: {o['views']} views of {o['pixels']} x {o['pixels']} pixels, a volume of as many. "
        f"Accuracy and an iteration: 31 and 24 views of 36 x 40 pixels. {o['rounds']} round(s), interleaved."
    )
    pairs = ["| | forward s | adjoint s |", "|--|--|--|"]
    for name, times in results["projector"].items():
        cells = (spread(times[way], float(np.median(times[way]))) for way in ("forward", "adjoint"))
        pairs.append(f"| {name} | {' | '.join(cells)} |")
    lines = ["| run | CPU s | wall s | iterations | rms j, k pixel |", "|--|--|--|--|--|"]
    for name, r in results["runs"].items():
        times = f"{spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])}"
        lines.append(f"| {name} | {times} | {r['iterations']} | {r['rms'][0]:.4f}, {r['rms'][1]:.4f} |")
    real = ["| scan | CPU s | wall s | iterations | residual before, after | rms j, k pixel |", "|--|--|--|--|--|--|"]
    for name, r in results["recorded"].items():
        rms = ", ".join(f"{value:.3f}" for value in r.get("rms", ()))
        residual = "{:.5f}, {:.5f}".format(*r["residual"])
        real.append(f"| {name} | {r['cpu']:.0f} | {r['wall']:.0f} | {r['iterations']} | {residual} | {rms} |")
    sections = {
        "Goals": targets.table(targets.align(results)),
        "CPU of the projector": "\n".join(pairs),
        "Runs": "\n".join(lines),
        "Recorded scans, at full size, offsets of 3 pixels at most added": "\n".join(real),
    }
    return reporting.document("hpcdvc-align", intro, results, sections)


if __name__ == "__main__":
    parser = reporting.common_parser(__doc__)
    parser.add_argument("--pixels", type=int, default=SIZE, help="pixels along the edges of views")
    parser.add_argument("--views", type=int, default=VIEWS)
    parser.add_argument("--seeds", type=int, default=2, help="of offsets that are added to recorded scans")
    options = reporting.parse(parser)
    found = measure(options)
    whole = (options.pixels, options.views) == (SIZE, VIEWS) and not options.no_peer
    reporting.write("align", found, report(found), whole)
