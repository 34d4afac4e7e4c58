"""hpcdvc-view measured: how soon a large field is on the page, and how soon another plane of it.

    python benchmarks/view.py                200 x 200 x 200 nodes over images of 400^3 voxels, half a minute
    python benchmarks/view.py --side 100     a quicker look

It needs `pip install .[gui]` and Chromium. The result goes to benchmarks/results/view-<date>-<machine>.md and .json.
Times are those of a page in a browser on the same machine: from the start of the command until the three views are
drawn, and from a key until the plane is drawn.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "support")]

import machine  # noqa: E402
import numpy as np  # noqa: E402
import reporting  # noqa: E402
import tifffile  # noqa: E402
from browser import Browser  # noqa: E402
from served import Served  # noqa: E402

SIDE = 200
INTRO = (
    "A field of hpcdvc-ldic as the page of hpcdvc-view shows it over its images, in headless Chromium on the same "
    "machine. Promised: on the page in 5 s, another plane in 100 ms."
)
#: What each view is moved by, and the fields that are chosen.
VIEWS, PLANES = ("1", "2", "3"), 12
DRAWN = "window.view?.told && !view.busy && !!document.body.dataset.drawn"


def write_field(path: Path, side: int) -> None:
    """A field of side^3 nodes with all columns, some of which are not measured."""
    from hpcdvc.fields.field import ROW
    from hpcdvc.fields.grid import Grid
    from hpcdvc.output.hdf5 import write_field

    grid = Grid((2.0,) * 3, (2.0,) * 3, (side,) * 3)
    random, rows = np.random.default_rng(0), np.zeros(grid.size, ROW)
    rows["index"] = np.arange(grid.size)
    rows["return_status"] = random.choice([2, 2, 2, 2, 1, -5, -9], grid.size)
    rows["Phi"][:, :, :3] = np.eye(3)
    rows["Phi"] += random.normal(0, 0.01, (grid.size, 3, 4))
    rows["error"], rows["variance"], rows["zncc"] = 0.1, 1e-4, 0.99
    write_field(path, rows, 0, grid, {"key": "0", "parameters": {"half_window_size": 8}, "provenance": {}})


def write_images(folder: Path, side: int) -> list[str]:
    """Two images of twice as many voxels."""
    random, names = np.random.default_rng(1), ["im1.tif", "im2.tif"]
    for name in names:
        tifffile.imwrite(folder / name, random.integers(0, 255, (2 * side + 2,) * 3, "u1"), photometric="minisblack")
    return names


def milliseconds(browser: Browser, key: str) -> float:
    """From a key until what it asks for is drawn, as the page itself measures it."""
    press = f"document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: {json.dumps(key)}, bubbles: true}}));"
    return browser.evaluate(
        "new Promise((done) => { const before = document.body.dataset.drawn, start = performance.now();"
        f"{press} const look = () => document.body.dataset.drawn !== before && !view.busy"
        " ? done(performance.now() - start) : setTimeout(look, 1); look(); })"
    )


def measure(side: int) -> dict:
    """Seconds until the field is drawn, and milliseconds of planes by view."""
    with tempfile.TemporaryDirectory() as name, Browser() as browser:
        folder = Path(name)
        write_field(folder / "big-ldic.hdf", side)
        images = write_images(folder, side)
        words = [sys.executable, str(HERE.parent / "bin" / "hpcdvc-view"), "big-ldic.hdf", "--images", *images]
        start = time.monotonic()
        with Served([*words, "--no-browser"], env={"XDG_CACHE_HOME": str(folder / "cache")}, cwd=folder) as served:
            listening = time.monotonic() - start
            browser.open(served.url)
            browser.wait(DRAWN, 60)
            opened = time.monotonic() - start
            browser.wait(f"{DRAWN} && view.told.levels.length === 2", 60)
            found: dict = {"listening, s": listening, "drawn, s": opened, "planes, ms": {}}
            for view in VIEWS:
                browser.key(view)
                found["planes, ms"][view] = [milliseconds(browser, ".") for _ in range(PLANES)]
            browser.key("f")
            browser.wait(DRAWN)
            found["field, ms"] = [milliseconds(browser, "f") for _ in range(6)]
            found["memory, MB"] = _memory(served.process.pid)
            assert browser.errors == [], browser.errors
    return found


def _memory(pid: int) -> float:
    """Greatest resident set of a process, what it has mapped counted in."""
    text = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in text.splitlines() if line.startswith("VmHWM")) / 1e3


def report(results: dict) -> str:
    """The text."""
    lines = [f"| listening | {results['listening, s']:.2f} s |", f"| drawn | {results['drawn, s']:.2f} s |"]
    for view, times in results["planes, ms"].items():
        lines.append(
            f"| plane across {'ZYX'[int(view) - 1]}, median (greatest) | {np.median(times):.0f} ({max(times):.0f}) ms |"
        )
    lines.append(f"| another field, median | {np.median(results['field, ms']):.0f} ms |")
    lines.append(f"| memory of the command | {results['memory, MB']:.0f} MB |")
    title = f"hpcdvc-view, {results['options']['side']}^3 nodes"
    return reporting.document(title, INTRO, results, {"Times": "\n".join(["| | |", "|--|--|", *lines])})


def main() -> None:
    """Measure and write."""
    words = reporting.common_parser(__doc__)
    words.add_argument("--side", type=int, default=SIDE, help="nodes along an edge")
    options = words.parse_args()
    results = reporting.begin(options) | measure(options.side)
    results["load average at the end"] = machine.load()
    reporting.write("view", results, report(results), options.side == SIDE)


if __name__ == "__main__":
    main()
