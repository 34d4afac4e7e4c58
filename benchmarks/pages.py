"""Pages: how soon they listen, from a key to its pixels in a browser, CPU and bytes of a nudge, memory.

    python benchmarks/pages.py                  some minutes; needs Chromium
    python benchmarks/pages.py --large 500      a first look

The result goes to benchmarks/results/pages-<date>-<machine>.md and .json. What is measured is hpcdvc-ereg, which sends
more than the other pages. Where only the header of an image matters its file is sparse. A key counts until the browser
has drawn what it does. CPU is that of the server; times need an idle machine.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import reporting
from processes import ROOT, Sampler  # what finds the package comes with it
from series import spread
from speckle import CACHE

# isort: split
import machine
import numpy as np
import targets
import tifffile
from browser import Browser
from scipy.ndimage import gaussian_filter
from served import Served, Talk
from tunnel import Tunnel

#: Voxels along the edges of images that are looked at, and of those of which only the header is read.
SMALL, MIDDLE, LARGE, SPARSE = 100, 500, 1000, 2000
#: A line to a cluster: seconds there and back, bytes per second.
LINE = {"round_trip": 0.04, "rate": 20e6 / 8}
NUDGES, PRESSES, BETWEEN = 30, 60, 0.04
DRAWN = "window.ereg?.picture && !ereg.actions.busy && !ereg.actions.queue.length"
#: Time from a key to the picture after it: of the frame in which the browser shows it.
WATCH = """(() => {
  const page = window.ereg, draw = page.draw.bind(page);
  Object.assign(window, { pressed: [], times: [] });
  document.addEventListener("keydown", () => pressed.push(performance.now()), true);
  page.draw = () => {
    draw();
    const since = pressed.splice(0);
    if (since.length) requestAnimationFrame(() => times.push(performance.now() - since[0]));
  };
})()"""


def texture(edge: int, dtype: str) -> Path:
    """An image of grains: of a block of 100^3 voxels, again and again; made when it is not in the cache."""
    path = CACHE / f"pages{edge}_{dtype}.tif"
    if path.exists():
        return path
    CACHE.mkdir(exist_ok=True)
    rng = np.random.default_rng(1)
    block = gaussian_filter(rng.standard_normal((100, 100, 100), dtype=np.float32), 2, mode="wrap")
    grey = (128 + 40 * block / block.std() + rng.normal(0, 2, block.shape)).clip(0, 255)
    grey = (grey * (200 if dtype == "u2" else 1)).astype(dtype)
    temporary = path.with_suffix(".tmp")
    image = tifffile.memmap(temporary, shape=(edge,) * 3, dtype=dtype, photometric="minisblack")
    plane = np.tile(grey, (1, -(-edge // 100), -(-edge // 100)))[:, :edge, :edge]
    for z in range(edge):
        image[z] = plane[z % 100]
    image.flush()
    return temporary.rename(path)


def sparse(path: Path, edge: int) -> Path:
    """An image of zeros that takes no room."""
    tifffile.memmap(path, shape=(edge,) * 3, dtype="u1", photometric="minisblack").flush()
    return path


def serve(folder: Path, *words: object) -> Served:
    """hpcdvc-ereg in a folder, without what earlier runs have kept of it."""
    line = [sys.executable, ROOT / "bin" / "hpcdvc-ereg", *words, "-od", folder / "out", "--force", "--no-browser"]
    return Served(line, env={"XDG_CACHE_HOME": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": ""}, cwd=folder)


def listening(folder: Path, image: Path, rounds: int) -> list[float]:
    """Seconds from the start of the command until its address is printed."""
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        with serve(folder, image, image):
            found.append(time.perf_counter() - began)
    return found


def first_picture(folder: Path, image: Path) -> dict[str, float]:
    """Seconds from the start until there is a first look, and until all has been read; peak of anonymous memory, bytes.

    And how much of that both levels may take (of images of bytes).
    """
    began = time.perf_counter()
    with serve(folder, image, image) as served:
        sampler = Sampler(served.process.pid, (image,))
        found = {}
        with Talk(served.port, served.token) as talk:
            talk.hear("hello")
            while "whole" not in found:
                answer = talk.ask({"type": "look"})
                if answer["planes"]:
                    found.setdefault("first", time.perf_counter() - began)
                    if answer["whole"]:
                        found["whole"] = time.perf_counter() - began
                time.sleep(0.05)
        found["anonymous"] = sampler.stop()["anonymous"]
    cells = [plane["shape"] for plane in answer["planes"] if plane["name"] in ("im2 1", "im2 2")]
    binned = max(answer["size"]) > 1  # else the files are mapped
    found["levels"] = 2 * binned * cells[0][0] * cells[0][1] * cells[1][0]
    return found


def nudged(folder: Path, *words: object) -> dict[str, float]:
    """CPU of the server and bytes of a nudge, while it moves."""
    with serve(folder, *words) as served, Talk(served.port, served.token) as talk:
        talk.hear("hello")
        while True:
            answer = talk.ask({"type": "look"})
            if answer["planes"] and answer["whole"] and not answer["state"]["loading"]:
                break
            time.sleep(0.1)
        have = {"key": None, "whole": True, "slices": {view: [n, True] for view, n in answer["slices"].items()}}
        keys = ["ArrowRight", "ArrowDown", "PageUp", "ArrowLeft", "ArrowUp", "PageDown"]
        sizes, began = [], cpu(served)
        for n in range(NUDGES):
            action = {"key": keys[n % len(keys)], "shift": n % 4 == 0}
            answer = talk.ask({"type": "act", "browser": "b", "n": n + 1, "actions": [action], "have": have})
            sizes.append(sum(plane["bytes"] for plane in answer["planes"]))
        shape = answer["planes"][0]["shape"]
        return {"cpu": (cpu(served) - began) / NUDGES, "bytes": float(np.mean(sizes)), "edge": max(shape)}


def cpu(served: Served) -> float:
    """Seconds that the command has worked."""
    fields = Path(f"/proc/{served.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def latencies(browser: Browser, served: Served, tunnel: Tunnel | None = None) -> dict[str, float]:
    """Milliseconds from a key to its pixels, and seconds after many keys held down."""
    tab = browser.open(f"http://127.0.0.1:{tunnel.port if tunnel else served.port}/#{served.token}")
    browser.wait(f"{DRAWN} && ereg.whole && ereg.isExact", 120)
    browser.evaluate(WATCH)
    for n in range(NUDGES):
        browser.key("ArrowRight" if n % 2 else "ArrowDown")
        browser.wait(f"times.length === {n + 1}", 60)
        time.sleep(0.1)
    times = browser.evaluate("times")
    browser.wait(f"{DRAWN} && ereg.isExact", 60)
    frames = len(browser.frames())
    for _ in range(PRESSES):
        browser.key("ArrowLeft")
        time.sleep(BETWEEN)
    began = time.perf_counter()
    browser.wait(DRAWN, 60)
    settled = time.perf_counter() - began
    renders = (len(browser.frames()) - frames) // 2
    browser.close_tab(tab)
    return {
        "median": float(np.median(times)), "p95": float(np.quantile(times, 0.95)), "settled": settled,
        "answers": renders,
    }  # fmt: skip


def measure(o: argparse.Namespace) -> dict:
    """All figures."""
    results = reporting.begin(o)
    small, middle, large = (texture(*one) for one in ((SMALL, "u2"), (MIDDLE, "u2"), (o.large, "u1")))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        huge = sparse(folder / f"sparse{SPARSE}.tif", SPARSE)
        images = {f"{SMALL}^3": small, f"{MIDDLE}^3": middle, f"{o.large}^3": large, f"{SPARSE}^3, sparse": huge}
        results["listening"] = {name: listening(folder, path, o.rounds) for name, path in images.items()}
        results["first picture"] = {name: first_picture(folder, path) for name, path in images.items()}
        results["nudge"] = {f"3 x {edge}^2": nudged(folder, image, image, "--bin", 1)
                            for edge, image in ((SMALL, small), (MIDDLE, middle), (o.large, large))}  # fmt: skip
        for name in (f"{o.large}^3", f"{SPARSE}^3, sparse"):
            results["nudge"][f"{name}, binned"] = nudged(folder, images[name], images[name])
        results["latency"] = {}
        with Browser() as browser:
            for name, image in ((f"{SMALL}^3", small), (f"{MIDDLE}^3", middle)):
                with serve(folder, image, image) as served, Tunnel(served.port, **LINE) as tunnel:
                    results["latency"][name] = latencies(browser, served)
                    results["latency"][f"{name}, slow line"] = latencies(browser, served, tunnel)
    results["load average at the end"] = machine.load()
    return results


def report(results: dict) -> str:
    """The results as Markdown."""
    intro = (
        f"hpcdvc-ereg, {NUDGES} keys one by one, {PRESSES} held down. Slow line: {LINE['round_trip'] * 1000:.0f} ms "
        f"there and back, {LINE['rate'] * 8 / 1e6:.0f} Mbit/s."
    )
    starts = [
        "| image | listening s | first picture s | whole s | anonymous MB | of that levels MB |",
        "|--|--|--|--|--|--|",
    ]
    for name, times in results["listening"].items():
        first = results["first picture"][name]
        seconds = f"{spread(times, float(np.median(times)))} | {first['first']:.1f} | {first['whole']:.1f}"
        starts.append(f"| {name} | {seconds} | {first['anonymous'] / 1e6:.0f} | {first['levels'] / 1e6:.0f} |")
    nudges = ["| views | CPU of the server ms | bytes kB |", "|--|--|--|"]
    nudges += [f"| {name} | {r['cpu'] * 1e3:.0f} | {r['bytes'] / 1e3:.0f} |" for name, r in results["nudge"].items()]
    lines = [
        "| image | key to pixels ms, median | 95 % | settled after many keys s | answers to them |",
        "|--|--|--|--|--|",
    ]
    for name, r in results["latency"].items():
        lines.append(f"| {name} | {r['median']:.0f} | {r['p95']:.0f} | {r['settled']:.2f} | {r['answers']} |")
    sections = {
        "Goals": targets.table(targets.pages(results)),
        "Start": "\n".join(starts),
        "A nudge": "\n".join(nudges),
        "In the browser": "\n".join(lines),
    }
    return reporting.document("Pages", intro, results, sections)


if __name__ == "__main__":
    parser = reporting.common_parser(__doc__)
    parser.add_argument(
        "--large", type=int, default=LARGE, help="voxels along the edges of the largest image of grains"
    )
    options = reporting.parse(parser)
    found = measure(options)
    reporting.write("pages", found, report(found), options.large == LARGE)
