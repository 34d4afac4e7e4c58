"""hpcdvc-gdic beside spam-gdic: time, memory and errors of meshes from 100 to 3000 nodes; a regularised run of many.

    python benchmarks/gdic.py               some ten minutes, most of them of the other program
    python benchmarks/gdic.py --size 200    a first look

The result goes to benchmarks/results/gdic-<date>-<machine>.md and .json. spam-gdic inverts a dense matrix of 3 N x 3 N
on one process and has no regularisation. CPU is user + system time of all processes and hardly depends on what else
runs; wall times need an idle machine.
"""

import argparse
from pathlib import Path

import reporting
from processes import command  # what finds the package comes with it
from series import Case, interleaved, run, spread
from speckle import CACHE, speckle_pair, truth

# isort: split
import h5py
import machine
import numpy as np
import peer
import targets

from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.output.hdf5 import read_field

#: Nodes of the meshes that both programs measure on, and unknowns of the one that is regularised.
NODES, UNKNOWNS = (100, 1000, 3000), 300_000
#: Part of the images on each side of the meshes, and regularisation length in edges.
MARGIN, XI_IN_EDGES = 0.1, 3
MEMORY = {
    "anonymous, largest process": "anonymous_per_process",
    "anonymous, all": "anonymous",
    "images mapped (PSS)": "mapped",
}
PARAMETERS = "young: 1\npoisson: 0.25\nxiBulk: {xi:g}\ndirichlet:\n"
SIDES = [f"{axis}_{end}" for axis in "zyx" for end in ("start", "end")]


def mesh(size: int, nodes: int) -> tuple[Path, float]:
    """File of a box of about so many nodes, which both programs read, and its edge; made when not in the cache."""
    side = size * (1 - 2 * MARGIN)
    edge = 0.92 * (2 * side**3 / nodes) ** (1 / 3)
    path = CACHE / f"box{size}-{nodes}.h5"
    if not path.exists():
        points, connectivity = create_cuboid((side,) * 3, edge, (size * MARGIN,) * 3)
        with h5py.File(path, "w") as file:
            file["mesh-points"], file["mesh-connectivity"] = points.astype("f4"), connectivity.astype("u4")
    return path, edge


def parameters(edge: float) -> Path:
    """File of the regularisation: all faces are surfaces on which forces act."""
    path = CACHE / f"regular-{edge:.3g}.yaml"
    xi = XI_IN_EDGES * edge
    surfaces = "".join(f"  {side}:\n    dof: [0, 1, 2]\n    xi: {xi:g}\n" for side in SIDES)
    path.write_text(PARAMETERS.format(xi=xi) + surfaces)
    return path


def cases(o: argparse.Namespace) -> dict[str, Case]:
    """Whole runs."""
    images, found = speckle_pair(o.size), {}
    field = truth(o.size)

    def ours(file: Path, ranks: int, *more):
        return lambda folder: command(
            "gdic", *images, file, "--std", 0, "-od", folder, "-pre", "x", "-q", "-notsv", *more, ranks=ranks
        )

    def read(folder: Path) -> dict:
        result = read_field(folder / "x-GDIC.hdf")
        wrong = result.displacement - field.displacement(result.positions)
        return {"nodes": len(result), "iterations": int(result.iterations[0]), **errors(wrong)}

    def read_peer(folder: Path) -> dict:
        import meshio

        (path,) = folder.glob("*GDIC.vtk")
        found = meshio.read(path)
        name = next(name for name in found.point_data if name.startswith("displacement"))
        points, moved = found.points[:, ::-1], found.point_data[name][:, ::-1]
        return {"nodes": len(points), "iterations": 0, **errors(moved - field.displacement(points))}

    for nodes in NODES:
        file, _ = mesh(o.size, nodes)
        for ranks in (1, 2):
            found[f"hpcdvc, {nodes} nodes, {ranks} rank(s)"] = Case(f"hpcdvc {nodes} {ranks}", ours(file, ranks), read)
        if not o.no_peer:
            words = peer.script("gdic", *images, file, "-it", 25)
            found[f"spam, {nodes} nodes"] = Case(
                f"spam {nodes}", lambda folder, words=words: [*words, "-od", str(folder)], read_peer
            )
    file, edge = mesh(o.size, o.unknowns // 3)
    found["hpcdvc, regularised, 2 ranks"] = Case(
        "regularised", ours(file, 2, "-r", parameters(edge), "-solver", "pcg"), read
    )
    return found


def errors(wrong: np.ndarray) -> dict:
    """Of displacements (n, 3), in figures; voxel."""
    size = np.linalg.norm(wrong, axis=1)
    return {"median": float(np.median(size)), "worst": float(size.max())}


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    runs = cases(o)
    measured = interleaved(list(runs.values()), o.rounds)
    results["runs"] = {name: measured[case.name] for name, case in runs.items()}
    print("memory", flush=True)
    images = tuple(speckle_pair(o.size))
    results["memory"] = {name: run(case, images)[0].memory for name, case in runs.items() if "1 rank" not in name}
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o = results["options"]
    intro = (
        f"The speckle pair of {o['size']}^3 voxels, an affine field; boxes of tetrahedra without regularisation, and "
        f"one of {o['unknowns']} unknowns regularised over {XI_IN_EDGES} edges, -solver pcg. {o['rounds']} round(s), "
        "interleaved. Memory on 2 ranks; spam uses one process."
    )
    sections = {
        "Goals": targets.table(targets.gdic(results)),
        "Runs": _runs_table(results["runs"]),
        "Memory, MB at the peak": reporting.memory_table(results["memory"], MEMORY),
    }
    return reporting.document("hpcdvc-gdic", intro, results, sections)


def _runs_table(runs: dict) -> str:
    lines = [
        "| run | nodes | CPU s | wall s | iterations | median error, voxel | worst |",
        "|--|--|--|--|--|--|--|",
    ]
    for name, r in runs.items():
        times = f"{spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])}"
        lines.append(
            f"| {name} | {r['nodes']} | {times} | {r['iterations'] or ''} | {r['median']:.4f} | {r['worst']:.4f} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    words = reporting.parser(__doc__)
    words.add_argument("--unknowns", type=int, default=UNKNOWNS, help="of the regularised mesh")
    reporting.run("gdic", reporting.parse(words), measure, report)
