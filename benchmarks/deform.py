"""hpcdvc-deformImage measured beside spam-deformImage: by a field of 10^4 nodes, by a mesh and by one Phi.

    python benchmarks/deform.py                        500^3, some 3 minutes
    python benchmarks/deform.py --size 200 --rounds 1  a first look

The result goes to benchmarks/results/deform-<date>-<machine>.md and .json. spam takes most of a minute for a million
voxels, so it gets a crop of 100^3, with as many nodes as hpcdvc has in the whole image: both search among the same
number. CPU is user + system time of all processes; wall times need an idle machine.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import machine  # noqa: E402
import numpy as np  # noqa: E402
import peer  # noqa: E402
import reporting  # noqa: E402
import targets  # noqa: E402
import tifffile  # noqa: E402
from processes import command  # noqa: E402
from series import Case, efficiency, interleaved, spread  # noqa: E402
from speckle import CACHE, GREY, SEED, speckle_pair, truth  # noqa: E402
from synthetic import DisplacementField, Sine, lattice_texture  # noqa: E402

from hpcdvc.fields.field import Field  # noqa: E402
from hpcdvc.fields.grid import Grid
from hpcdvc.fields.status import Status  # noqa: E402
from hpcdvc.output.tsv import write_tsv  # noqa: E402

NODES = 22  # on each axis: 10648
CROP, TINY = 100, 10
#: what describes the deformation -> option, end of the name of the result
KINDS = {"field": ((), "def"), "mesh": (("-tet",), "tetMesh-def"), "Phi": ((), "reg-def")}


def motion(kind: str, edge: int) -> DisplacementField:
    """What deforms an image of `edge`^3 voxels: that of the speckle pair, or a wave of 2.5 % along each axis."""
    if kind == "Phi":
        return truth(edge)
    axes = zip(np.eye(3), np.roll(np.eye(3), 1, axis=1), strict=True)
    waves = [Sine(0.004 * edge * along, across / edge) for along, across in axes]
    return waves[0] + waves[1] + waves[2]


def nodes(kind: str, edge: int) -> Path:
    """TSV file of the motion at its nodes, as measured and converged."""
    count = 1 if kind == "Phi" else 2 if edge == TINY else NODES
    spacing = edge / count
    grid = Grid((spacing / 2 - 0.5,) * 3, (spacing,) * 3, (count,) * 3)
    phi = np.tile(np.eye(4), (grid.size, 1, 1))
    phi[:, :3] = motion(kind, edge).phi(grid.positions())
    status, zeros = np.full(grid.size, Status.CONVERGED, np.int32), np.zeros(grid.size)
    path = CACHE / f"{'Phi' if kind == 'Phi' else 'field'}-{edge}.tsv"
    write_tsv(path, Field(grid.positions(), phi, status, zeros, zeros.astype(np.int32), zeros, grid))
    return path


def image(size: int, edge: int) -> Path:
    """im1 of the pair, or a crop of `edge`^3 voxels from its middle."""
    whole = speckle_pair(size)[0]
    path = whole if edge == size else CACHE / f"crop{edge}-of-{size}.tif"
    if not path.exists():
        part = (slice(_corner(size, edge), _corner(size, edge) + edge),) * 3
        tifffile.imwrite(path, np.ascontiguousarray(tifffile.memmap(whole, mode="r")[part]))
    return path


def _corner(size: int, edge: int) -> int:
    return (size - edge) // 2


def residual(path: Path, kind: str, size: int, edge: int) -> float:
    """Rms of deformed image - texture at the source of the voxel, / contrast, at 20 000 voxels; noise is part of it."""
    deformed = tifffile.memmap(path, mode="r")
    at = np.random.default_rng(0).integers(edge // 10, edge - edge // 10, (20_000, 3))
    source = motion(kind, edge).reference(at.astype(float)) + _corner(size, edge)
    expected = GREY.mean + GREY.contrast * lattice_texture(SEED)(source)
    return float(np.sqrt(np.mean((deformed[tuple(at.T)] - expected) ** 2)) / GREY.contrast)


def case(program: str, kind: str, size: int, edge: int, ranks: int = 1, repeats: int = 1) -> Case:
    """One program with its defaults on one image."""
    options, ending = KINDS[kind]
    source, phi = image(size, edge), nodes(kind, edge)

    def words(folder: Path) -> list[str]:
        if program == "spam":
            return peer.deform(source, phi, folder, "x", *options)
        return command("deformImage", source, "-pf", phi, *options, "-od", folder, "-pre", "x", "-q", ranks=ranks)

    def read(folder: Path) -> dict:
        return {"voxels": edge**3, "residual": residual(folder / f"x-{ending}.tif", kind, size, edge)}

    return Case(name(program, kind, edge, ranks), words, read, repeats)


def name(program: str, kind: str, edge: int, ranks: int = 1) -> str:
    """Key in the results."""
    return f"{program}-deformImage, {kind}, {edge}^3, -np {ranks}"


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = {**reporting.begin(o), "nodes": NODES**3}
    cases = [case("hpcdvc", "field", o.size, o.size, ranks, 3) for ranks in (1, 2)]
    cases += [case("hpcdvc", kind, o.size, edge) for kind, edge in (("field", CROP), ("field", TINY))]
    cases += [case("hpcdvc", kind, o.size, o.size) for kind in ("mesh", "Phi")]
    results["runs"] = interleaved(cases, o.rounds)
    if not o.no_peer:  # once: it takes minutes, and a thousand times as much needs no median
        edges = {"field": CROP, "mesh": CROP, "Phi": o.size}
        others = [case("spam", kind, o.size, edge) for kind, edge in (*edges.items(), ("field", TINY))]
        results["runs"] |= interleaved(others, 1)
        per_voxel = {key: run["cpu"] / run["voxels"] for key, run in results["runs"].items()}
        results["per_voxel"] = {
            kind: {"peer": per_voxel[name("spam", kind, edge)], "ours": per_voxel[name("hpcdvc", kind, o.size)]}
            for kind, edge in edges.items()
        }
    one, two = (results["runs"][name("hpcdvc", "field", o.size, ranks)] for ranks in (1, 2))
    results["efficiency"] = efficiency(one, two)
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    o, e = results["options"], results["efficiency"]
    intro = (
        f"im1 of a speckle pair of {o['size']}^3 uint16 and a crop of it of {CROP}^3, deformed by a field of "
        f"{NODES**3} nodes (2.5 % strain; scaled with the image, also the distance of the nodes), as it is and as a "
        "mesh of tetrahedra, and by one Phi; defaults of both programs, trilinear. "
        f"{o['rounds']} round(s), interleaved; spam, last, in one. CPU = user + system time of all processes."
    )
    sections = {
        "Goals": targets.table(targets.deform(results)),
        "Runs": runs_table(results["runs"])
        + f"\n\nMedians, and the extremes. Images of {TINY}^3, with 8 nodes, show what starting costs; it is part of "
        "all figures. Residual: rms of the deformed image - the texture at the exact source of the voxel, as part of "
        "its contrast, at voxels farther than a tenth from the faces; noise of im1 and interpolation are part of it.",
        "Two ranks": f"Efficiency by a field: {e['best']:.2f} (best walls), {e['median']:.2f} (medians), "
        f"{e['cpu']:.2f} (CPU).",
    }
    return reporting.document("hpcdvc-deformImage", intro, results, sections)


def runs_table(runs: dict) -> str:
    """Markdown: one line per case."""
    lines = ["| run | CPU s | wall s | CPU ns per voxel | residual |", "|--|--|--|--|--|"]
    for key, r in runs.items():
        times = f"{spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])}"
        lines.append(f"| {key} | {times} | {1e9 * r['cpu'] / r['voxels']:.3g} | {r['residual']:.4f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    reporting.run("deform", reporting.parse(reporting.parser(__doc__)), measure, report)
