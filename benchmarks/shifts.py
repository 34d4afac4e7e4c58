"""hpcdvc-localShifts and hpcdvc-umpa on a whole stack: CPU, efficiency of two ranks, memory beyond the mapped files.

    python benchmarks/shifts.py               40 frames of 2160 x 2560 pixels, some minutes
    python benchmarks/shifts.py --rows 200    a first look

The result goes to benchmarks/results/shifts-<date>-<machine>.md and .json. Stacks are uint16 and read in place. CPU is
user + system time of all processes and hardly depends on what else runs; efficiency needs an idle machine.
"""

import argparse
from pathlib import Path

import reporting
from processes import command, memory_of_all  # what finds the package comes with it
from series import Case, efficiency, interleaved, run, spread
from speckle import CACHE

# isort: split
import machine
import numpy as np
import targets
from scipy.ndimage import gaussian_filter

FRAMES, ROWS, COLUMNS = 40, 2160, 2560
#: Whole pixels by which all has moved, y and x; grains, noise and contrast, grey values.
MOVED, GRAIN, NOISE, CONTRAST = (2, -3), 1.2, 300.0, 5000.0
LINES = {"localShifts": "-hws 3 -sr 10 -template im2", "umpa": "-hws 3 -sr 10 -df"}
MEMORY = {"anonymous, largest process": "anonymous_per_process", "anonymous, all": "anonymous", "shared": "shared"}


def stacks(rows: int) -> tuple[Path, Path]:
    """Paths of the two stacks, .npy; made when they are not in the cache."""
    paths = tuple(CACHE / f"shifts{rows}_{k}.npy" for k in (1, 2))
    if all(path.exists() for path in paths):
        return paths
    print("making the stacks, once", flush=True)
    CACHE.mkdir(exist_ok=True)
    files = [np.lib.format.open_memmap(p, "w+", np.uint16, (FRAMES, rows, COLUMNS)) for p in paths]
    rng = np.random.default_rng(5)
    for k in range(FRAMES):
        grains = gaussian_filter(rng.standard_normal((rows, COLUMNS), dtype=np.float32), GRAIN, mode="wrap")
        grains *= CONTRAST / grains.std()
        for file, moved in zip(files, ((0, 0), MOVED), strict=True):
            noise = rng.standard_normal(grains.shape, dtype=np.float32) * NOISE
            file[k] = np.clip(30000 + np.roll(grains, moved, (0, 1)) + noise, 0, 65000)
    return paths


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    images, results = stacks(o.rows), reporting.begin(o)
    cases = {}
    for name, line in LINES.items():
        for ranks in (1, 2):

            def words(folder, name=name, line=line, ranks=ranks):
                return command(name, *images, *line.split(), "-od", folder, "-pre", "x", "-q", ranks=ranks)

            cases[f"{name}, {ranks} rank(s)"] = Case(f"{name} {ranks}", words)
    measured = interleaved(list(cases.values()), o.rounds)
    results["runs"] = {name: measured[case.name] for name, case in cases.items()}
    results["efficiency"] = {name: efficiency(measured[f"{name} 1"], measured[f"{name} 2"]) for name in LINES}
    results["memory"] = {name: run(case, images)[0].memory for name, case in cases.items() if "2 rank" in name}
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o = results["options"]
    intro = (
        f"{FRAMES} frames of {o['rows']} x {COLUMNS} pixels, uint16, mapped; windows of 7 x 7 pixels, +-10. "
        f"{o['rounds']} round(s), interleaved."
    )
    lines = ["| run | CPU s | wall s |", "|--|--|--|"]
    for name, r in results["runs"].items():
        lines.append(f"| {name} | {spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])} |")
    sections = {
        "Goals": targets.table(targets.shifts(results, memory_of_all)),
        "Runs": "\n".join(lines),
        "Memory on 2 ranks beyond the mapped files, MB at the peak": reporting.memory_table(results["memory"], MEMORY),
    }
    return reporting.document("hpcdvc-localShifts and hpcdvc-umpa", intro, results, sections)


if __name__ == "__main__":
    parser = reporting.common_parser(__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows of the frames")
    options = reporting.parse(parser)
    found = measure(options)
    reporting.write("shifts", found, report(found), options.rows == ROWS)
