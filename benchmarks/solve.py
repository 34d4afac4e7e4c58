"""Equations of a global correlation with regularisation: time, iterations and memory by the number of unknowns.

    python benchmarks/solve.py                                   an hour, 24 GB of memory
    python benchmarks/solve.py --unknowns 10000 30000 --rounds 1 a first look

The result goes to benchmarks/results/solve-<date>-<machine>.md and .json. The mesh is a cube of 6 tetrahedra in each of
its cells, two opposite faces are Dirichlet surfaces, and the elements hold random gradients. Each case is a run of its
own, in this file with --one. Wall times need an idle machine.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import permutations

import reporting
from processes import environment, mpiexec  # what finds the package comes with it

# isort: split
import machine
import numpy as np

from hpcdvc.fem.pattern import UPPER, Pattern
from hpcdvc.fem.regularisation import regularisation_matrix
from hpcdvc.fem.solve import Solver
from hpcdvc.fem.surfaces import surface_labels
from hpcdvc.fem.system import System
from hpcdvc.ranks.team import Team, connect

UNKNOWNS = (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000)
#: Unknowns up to which the direct solver is measured.
DIRECT = 10_000
#: Regularisation lengths, in sides of the cube, and tolerances.
SIDES, TOLERANCES = (0.1, 1.0), (1e-2, 1e-6)
EDGE, VOXELS, AT_ONCE = 10.0, 8, 100_000


def cube(unknowns: int) -> tuple[np.ndarray, np.ndarray]:
    """Points (n, 3) and connectivity (k, 4) of about so many unknowns."""
    n = round((unknowns / 3) ** (1 / 3))
    numbers = np.arange(n**3).reshape(n, n, n)
    points = np.stack(np.meshgrid(*[np.arange(n) * EDGE] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    cells = []
    for order in permutations(range(3)):
        corners = [np.zeros(3, int)]
        for axis in order:
            corners.append(corners[-1] + np.eye(3, dtype=int)[axis])
        nodes = [numbers[z : n - 1 + z, y : n - 1 + y, x : n - 1 + x].ravel() for z, y, x in corners]
        even = np.linalg.det(np.eye(3)[list(order)]) > 0
        cells.append(np.stack(nodes if even else [nodes[k] for k in (0, 2, 1, 3)], axis=1))
    return points, np.stack(cells, axis=1).reshape(-1, 4)


def sums(elements: int) -> np.ndarray:
    """(k, 78) of random voxels."""
    rng, found = np.random.default_rng(26), np.empty((elements, 78))
    for first in range(0, elements, AT_ONCE):
        count = min(AT_ONCE, elements - first)
        shape, gradients = rng.dirichlet(np.ones(4), (count, VOXELS)), rng.normal(size=(count, VOXELS, 3))
        voxels = (shape[..., None] * gradients[..., None, :]).reshape(count, VOXELS, 12)
        found[first : first + count] = (voxels.transpose(0, 2, 1) @ voxels)[:, UPPER[0], UPPER[1]]
    return found


def equations(unknowns: int, sides: float, seconds: dict) -> System:
    """On rank 0; how long the parts take goes into `seconds`."""
    points, connectivity = cube(unknowns)
    drawn, began = sums(len(connectivity)), time.perf_counter()
    matrix = Pattern(connectivity, len(points)).matrix(drawn)
    seconds["matrix"], began = time.perf_counter() - began, time.perf_counter()
    del drawn
    xi = sides * np.ptp(points)
    regularisation, field = regularisation_matrix(
        points,
        connectivity,
        xi_bulk=xi,
        dirichlet=[(1, [0, 1, 2], xi), (2, [0, 1, 2], xi)],
        labels=surface_labels(points, ["z_start", "z_end"]),
    )
    seconds["regularisation"] = time.perf_counter() - began
    return System(points, matrix, regularisation, float(field.ravel() @ (matrix @ field.ravel())))


def one(unknowns: int, sides: float, method: str, team: Team) -> dict | None:
    """Figures of one case, on rank 0."""
    seconds: dict[str, float] = {}
    system = team.on_root(lambda: equations(unknowns, sides, seconds))
    before, began = memory(team), time.perf_counter()
    solver = Solver(system, method, team)
    seconds["preconditioner"] = time.perf_counter() - began
    rhs = system and np.random.default_rng(1).normal(size=system.points.size)
    found = {}
    for tolerance in TOLERANCES:
        team.barrier()
        began = time.perf_counter()
        solution = solver.solve(rhs, tolerance)
        wall = time.perf_counter() - began
        if solution is not None:
            found[f"{tolerance:g}"] = {"iterations": solution.iterations, "seconds": wall}
    peak = memory(team)
    if system is None:
        return None
    return {"unknowns": system.points.size, "seconds": seconds, "solves": found, "before": before, "peak": peak}


def memory(team: Team) -> float:
    """Largest resident memory of rank 0 so far, bytes; that of the others is less, and partly the same."""
    return team.broadcast(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def measured(unknowns: int, sides: float, method: str, ranks: int, rounds: int) -> dict:
    """Of the run with the shortest solves."""
    words = [sys.executable, __file__, "--one", str(unknowns), str(sides), method]
    words = [mpiexec(), "-n", str(ranks), *words] if ranks > 1 else words
    runs = []
    for _ in range(rounds):
        done = subprocess.run(words, env=environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    best = min(runs, key=lambda run: sum(solve["seconds"] for solve in run["solves"].values()))
    print(unknowns, sides, method, ranks, best["solves"], flush=True)
    return {"sides": sides, "method": method, "ranks": ranks, **best}


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    cases = [(n, sides, "pcg", ranks) for n in o.unknowns for sides in SIDES for ranks in (1, 2)]
    cases += [(n, sides, "direct", 1) for n in o.unknowns if n <= DIRECT for sides in SIDES]
    results["cases"] = [measured(*case, o.rounds) for case in cases]
    results["load average at the end"] = machine.load()
    return results


def growth(cases: list[dict], figure) -> float:
    """Exponent of the unknowns that a figure grows with, between the smallest and the largest case."""
    least, most = cases[0], cases[-1]
    return float(np.log(figure(most) / figure(least)) / np.log(most["unknowns"] / least["unknowns"]))


def report(results: dict) -> str:
    """The results as Markdown."""
    intro = (
        "M_c + s M_reg on a cube of tetrahedra with edges of 10 voxels, two Dirichlet surfaces, lengths in sides of "
        f"the cube; walls, best of {results['options']['rounds']}. Memory is the peak of rank 0, with all before it."
    )
    return reporting.document("Solve", intro, results, {"Cases": _table(results["cases"]), "Growth": _growth(results)})


def _table(cases: list[dict]) -> str:
    heads = [f"iterations to {t:g} | s" for t in TOLERANCES]
    lines = [f"| unknowns | length | solver | ranks | matrix s | M_reg s | set-up s | {' | '.join(heads)} | GB |"]
    lines.append("|--" * (8 + 2 * len(TOLERANCES)) + "|")
    for case in cases:
        cells = [case["unknowns"], case["sides"], case["method"], case["ranks"]]
        cells += [f"{case['seconds'][name]:.2f}" for name in ("matrix", "regularisation", "preconditioner")]
        for solve in case["solves"].values():
            cells += [solve["iterations"], f"{solve['seconds']:.2f}"]
        lines.append(f"| {' | '.join(map(str, cells))} | {case['peak'] / 1e9:.2f} |")
    return "\n".join(lines)


def _growth(results: dict) -> str:
    lines = ["| length | memory grows as unknowns^ | time of an iteration as unknowns^ |", "|--|--|--|"]
    tight = f"{TOLERANCES[-1]:g}"
    for sides in SIDES:
        some = [c for c in results["cases"] if (c["sides"], c["method"], c["ranks"]) == (sides, "pcg", 1)]
        each = growth(some, lambda c: c["solves"][tight]["seconds"] / c["solves"][tight]["iterations"])
        lines.append(f"| {sides} | {growth(some, lambda c: c['peak']):.2f} | {each:.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    words = reporting.common_parser(__doc__)
    words.add_argument("--unknowns", type=int, nargs="+", default=UNKNOWNS)
    words.add_argument("--one", nargs=3, metavar=("UNKNOWNS", "SIDES", "SOLVER"), help=argparse.SUPPRESS)
    options = words.parse_args()
    if options.one:
        ranks = connect()
        case = one(int(options.one[0]), float(options.one[1]), options.one[2], ranks)
        if case:
            print(json.dumps(case), flush=True)
    else:
        figures = measure(options)
        reporting.write("solve", figures, report(figures), tuple(options.unknowns) == UNKNOWNS)
