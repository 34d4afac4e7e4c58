"""hpcdvc-convert measured: a table of many nodes to an .hdf file and back, on 1 and 2 processes.

    python benchmarks/tables.py                   a million nodes, about a minute
    python benchmarks/tables.py --rows 10000000   ten million, 5 GB on the disk

The result goes to benchmarks/results/tables-<date>-<machine>.md and .json. CPU is user + system time of all processes
and hardly depends on what else runs. Memory is the greatest resident set of a process, what the processes share counted
in each that has touched it.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import machine  # noqa: E402
import numpy as np  # noqa: E402
import reporting  # noqa: E402
from processes import Run, command, environment, timed  # noqa: E402

ROWS = 1_000_000
INTRO = (
    "A table of many nodes becomes an .hdf file, and this a table again, which is the same. CPU is user + system time; "
    "memory is the greatest resident set, what the processes share counted in each that has touched it."
)
#: Runs a command in this process and says what it took: seconds of CPU, peak memory in MB.
RANK = """
import os, resource, sys
from hpcdvc.cli import main

code = main("convert", sys.argv[2:])
used = resource.getrusage(resource.RUSAGE_SELF)
with open(f"{sys.argv[1]}.{os.getpid()}", "w") as file:
    file.write(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss / 1e3}")
raise SystemExit(code)
"""


def write_table(path: Path, rows: int) -> int:
    """A table of about so many nodes, as hpcdvc-ldic writes it; returns their number."""
    from hpcdvc.fields.grid import Grid
    from hpcdvc.output.schema import field_of_members
    from hpcdvc.output.tsv import write_tsv

    grid = Grid((10.0,) * 3, (10.0,) * 3, (round(rows ** (1 / 3)),) * 3)
    random = np.random.default_rng(0)
    phi = np.tile(np.eye(4), (grid.size, 1, 1))
    phi[:, :3] += random.normal(0, 0.01, (grid.size, 3, 4))
    some = {name: random.random(grid.size) for name in ("error", "delta_phi_norm", "zncc")}
    status = np.full(grid.size, 2)
    write_tsv(path, field_of_members({"Phi": phi, "return_status": status, **some}, grid))
    return grid.size


def converted(folder: Path, source: Path, target: Path, ranks: int) -> tuple[Run, list[list[float]]]:
    """A run, and CPU and memory of each of its ranks."""
    (folder / "rank.py").write_text(RANK)
    words = command("convert", folder / "used", source, target, "--force", "-q", ranks=ranks)
    place = next(k for k, word in enumerate(words) if word.endswith("hpcdvc-convert"))
    words[place] = str(folder / "rank.py")
    run = timed(words, env=environment())
    used = [[float(word) for word in path.read_text().split()] for path in folder.glob("used.*")]
    for path in folder.glob("used.*"):
        path.unlink()
    return run, used


def measure(rows: int) -> dict:
    """All runs, by what is converted and on how many processes."""
    found: dict = {"runs": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found["nodes"] = write_table(folder / "a.tsv", rows)
        found["table"] = (folder / "a.tsv").stat().st_size
        for source, target in (("a.tsv", "b.hdf"), ("b.hdf", "c.tsv")):
            for ranks in (1, 2):
                run, used = converted(folder, folder / source, folder / target, ranks)
                facts = {"wall": run.wall, "cpu": run.cpu, "memory": sorted(peak for _, peak in used)}
                found["runs"][f"{Path(source).suffix} to {Path(target).suffix}, {ranks}"] = facts
        if (folder / "a.tsv").read_bytes() != (folder / "c.tsv").read_bytes():
            raise SystemExit("the table has not come back as it was")
    return found


def report(results: dict) -> str:
    """The measurements as Markdown."""
    lines = ["| files, processes | wall, s | CPU of all, s | memory of each process, MB |", "|--|--|--|--|"]
    for name, facts in results["runs"].items():
        memory = ", ".join(f"{peak:.0f}" for peak in facts["memory"])
        lines.append(f"| {name} | {facts['wall']:.1f} | {facts['cpu']:.1f} | {memory} |")
    title = f"Tables of {results['nodes']} nodes, {results['table'] / 1e6:.0f} MB of text"
    return reporting.document(title, INTRO, results, {"hpcdvc-convert": "\n".join(lines)})


if __name__ == "__main__":
    words = reporting.common_parser(__doc__)
    words.add_argument("--rows", type=int, default=ROWS, help="nodes, about")
    options = words.parse_args()
    figures = reporting.begin(options) | measure(options.rows) | {"load average at the end": machine.load()}
    reporting.write("tables", figures, report(figures), options.rows >= ROWS)
