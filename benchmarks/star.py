"""hpcdvc-ldic and pyvale on the star of the DIC Challenge 2.0: CPU time, noise, and the waves that windows lose.

    python benchmarks/star.py                          windows of 15, 21 and 31 pixels, some 10 minutes
    python benchmarks/star.py --rounds 1 --windows 15  a first look

The images are not part of the repository: folder data/dic2d_challenge2_star in $HPCDVC_SHARED, or in `shared` beside
the repository; without them nothing is measured. What the figures are: starpattern.py. The result goes to
benchmarks/results/star-<date>-<machine>.md and .json, the measured fields to benchmarks/.cache/, from where
docs/draw_star.py takes them.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import machine  # noqa: E402
import numpy as np  # noqa: E402
import peer  # noqa: E402
import pyvale2d  # noqa: E402
import reporting  # noqa: E402
import starpattern  # noqa: E402
from processes import command  # noqa: E402
from series import Case, interleaved, spread  # noqa: E402
from speckle import CACHE  # noqa: E402

WINDOWS = (15, 21, 31)
#: those with what can follow the same field stand side by side
OURS = {"affine": "1", "curved": "auto"}
PYVALE = {"affine": "AFFINE", "curved": "QUAD"}
IMPORT = "pyvale, import alone"


def options() -> argparse.Namespace:
    """The command line."""
    parser = reporting.common_parser(__doc__)
    parser.add_argument("--windows", type=int, nargs="+", choices=WINDOWS, default=WINDOWS, help="pixels")
    return reporting.parse(parser)


def our_name(shape: str, window: int) -> str:
    """Key in the results."""
    return f"hpcdvc-ldic -so {OURS[shape]}, {window} pixels"


def pyvale_name(shape: str, window: int, filtered: bool = False) -> str:
    """Key in the results."""
    return f"pyvale {PYVALE[shape]}{', filtered' * filtered}, {window} pixels"


def field_path(name: str) -> Path:
    """Where a measured field is kept for the picture."""
    return CACHE / f"star {name}.npy"


def figures(name: str, field: np.ndarray, nodes: int) -> dict:
    """Keep a field, and judge it."""
    np.save(field_path(name), field.astype(np.float32))
    return {"nodes": nodes, "converged": len(field), **starpattern.figures(field)}


def our_case(shape: str, window: int) -> Case:
    """hpcdvc-ldic on one process."""
    name = our_name(shape, window)

    def words(folder: Path) -> list[str]:
        grid = ["-ns", pyvale2d.SPACING, "-hws", window // 2]
        return command("ldic", *starpattern.IMAGES, *grid, "-so", OURS[shape], "-od", folder, "-pre", "x", "-q")

    def read(folder: Path) -> dict:
        table = peer.read_table(folder / "x-ldic.tsv")
        field = np.stack([table[key] for key in ("Ypos", "Xpos", "Ydisp", "Xdisp")], axis=1)
        return figures(name, field[table["returnStatus"] == 2], len(field))

    return Case(name, words, read)


def pyvale_case(shape: str, window: int, filtered: bool = False) -> Case:
    """pyvale on one thread."""
    name, half = pyvale_name(shape, window, filtered), window // 2

    def words(folder: Path) -> list[str]:
        return pyvale2d.words(*starpattern.IMAGES, folder, half, PYVALE[shape], filtered)

    return Case(name, words, lambda folder: figures(name, *pyvale2d.read(folder, half)))


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    pairs = [(shape, window) for window in o.windows for shape in OURS]
    cases = [our_case(*pair) for pair in pairs]
    if not o.no_peer:
        others = [pyvale_case(*pair) for pair in pairs]
        cases = [case for both in zip(cases, others, strict=True) for case in both]
        cases.append(Case(IMPORT, pyvale2d.import_words))
    results["runs"] = interleaved(cases, o.rounds)
    if not o.no_peer:  # once, with one window: it says what the default filter does
        window = o.windows[len(o.windows) // 2]
        results["runs"] |= interleaved([pyvale_case(shape, window, filtered=True) for shape in PYVALE], 1)
        results["ratios"] = [ratio(results["runs"], *pair) for pair in pairs]
    results["load average at the end"] = machine.load()
    return results


def ratio(runs: dict, shape: str, window: int) -> dict:
    """pyvale over hpcdvc: CPU per node, and the product of noise and wavelength."""
    ours, other = runs[our_name(shape, window)], runs[pyvale_name(shape, window)]
    per_node = [run["cpu"] / run["nodes"] for run in (other, ours)]
    return {
        "shape": shape,
        "window": window,
        "pyvale": other,
        "ours": ours,
        "cpu_ratio": per_node[0] / per_node[1],
        "product_ratio": other["product"] / ours["product"],
    }


def report(results: dict) -> str:
    """The results as Markdown."""
    o = results["options"]
    intro = (
        "Star of the DIC Challenge 2.0, 501 x 4000 pixels, 8 bits, with noise (doi 10.1007/s11340-021-00806-6): "
        f"vertical wave of {starpattern.AMPLITUDE} pixel, {starpattern.SHORTEST:.0f} to {starpattern.LONGEST:.0f} "
        f"pixels long; ns {pyvale2d.SPACING}. {o['rounds']} round(s), interleaved; medians; one process or thread. "
        "CPU = user + system time of all processes."
    )
    sections = {"Runs": runs_table(results["runs"]) + "\n\n" + _explanation()}
    if "ratios" in results:
        sections["pyvale / hpcdvc"] = ratios_table(results["ratios"])
    return reporting.document("Images: the star", intro, results, sections)


def _explanation() -> str:
    return (
        "Noise: standard deviation of the horizontal displacement, which is zero in truth, over all nodes farther than "
        f"{starpattern.MARGIN} pixels from the edges; and over those in the right half, where the wave is too long to "
        "disturb. Wavelength: from this one on the middle row keeps at least 90 % of the amplitude; the row is "
        f"smoothed with triangular weights of +-{starpattern.SMOOTHING:.0%} of the wavelength. In brackets "
        "those of 11 % and 9 %: the smoothed row is good to about 1 %. Long waves: mean loss on the middle row of "
        f"waves of {starpattern.LONG[0]:.0f} to {starpattern.LONG[1]:.0f} pixels. Filtered: images smoothed first, the "
        "default of pyvale; one round."
    )


def runs_table(runs: dict) -> str:
    """Markdown: one line per case."""
    head = ["run", "nodes", "converged", "CPU s", "wall s"]
    head += ["noise", "right half", "wavelength", "noise x wavelength", "long waves"]
    lines = [f"| {' | '.join(head)} |", "|--" * len(head) + "|"]
    for name, r in runs.items():
        times = f"{spread(r['cpus'], r['cpu'])} | {spread(r['walls'], r['wall'])}"
        if "nodes" in r:
            sure = f"{r['wavelength']:.1f} ({r['at_11_percent']:.1f} to {r['at_9_percent']:.1f})"
            quality = f"{r['noise']:.4f} | {r['noise_right']:.4f} | {sure} | {r['product']:.3f} | {r['lost_long']:.1%}"
            lines.append(f"| {name} | {r['nodes']} | {r['converged'] / r['nodes']:.1%} | {times} | {quality} |")
        else:
            lines.append(f"| {name} | | | {times} | | | | | |")
    return "\n".join(lines)


def ratios_table(ratios: list[dict]) -> str:
    """Markdown: one line per window and shape."""
    lines = ["| window, shape | CPU per node | noise x wavelength |", "|--|--|--|"]
    for r in ratios:
        lines.append(f"| {r['window']} pixels, {r['shape']} | {r['cpu_ratio']:.1f} | {r['product_ratio']:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print, write."""
    o = options()
    if not all(path.exists() for path in starpattern.IMAGES):
        print(f"no star measured: its images are not in {starpattern.DATA}; HPCDVC_SHARED names the folder above data/")
        return
    CACHE.mkdir(exist_ok=True)
    if not o.no_peer:
        pyvale2d.install()
    results = measure(o)
    reporting.write("star", results, report(results), tuple(o.windows) == WINDOWS and not o.no_peer)


if __name__ == "__main__":
    main()
