"""Pages: how soon they listen, from a key to its pixels in a browser, CPU and bytes of a nudge, memory.

    python benchmarks/pages.py                  some minutes; needs Chromium
    python benchmarks/pages.py --large 100      a first look

The result goes to benchmarks/results/pages-<date>-<machine>.md and .json. What is measured is hpcdvc-ereg, which sends more than the
other pages. Where only the header of an image matters its file is sparse. A key counts until the browser has drawn what it does.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

import reporting
from processes import ROOT, Sampler  # what finds the package comes with it

# isort: split
import sys

sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support")]

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


def texture(path: Path, edge: int, dtype: str = "u1") -> Path:
    """An image of grains: of a block of 100^3 voxels, again and again."""
    rng = np.random.default_rng(1)
    block = gaussian_filter(rng.standard_normal((100, 100, 100), dtype=np.float32), 2, mode="wrap")
    grey = (128 + 40 * block / block.std() + rng.normal(0, 2, block.shape)).clip(0, 255)
    grey = (grey * (200 if dtype == "u2" else 1)).astype(dtype)
    image = tifffile.memmap(path, shape=(edge,) * 3, dtype=dtype, photometric="minisblack")
    plane = np.tile(grey, (1, -(-edge // 100), -(-edge // 100)))[:, :edge, :edge]
    for z in range(edge):
        image[z] = plane[z % 100]
    image.flush()
    return path


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
    """Seconds from the start until there is a first look, and until all has been read; peak of anonymous memory."""
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
    with tempfile.TemporaryDirectory() as name, Browser() as browser:
        folder = Path(name)
        images = {edge: texture(folder / f"{edge}.tif", edge, "u2") for edge in (SMALL, o.middle)}
        images[o.large] = texture(folder / f"{o.large}.tif", o.large)
        huge = sparse(folder / f"{o.sparse}-sparse.tif", o.sparse)
        results["listening"] = {path.stem: listening(folder, path, o.rounds) for path in (*images.values(), huge)}
        print(results["listening"], flush=True)
        results["first picture"] = {path.stem: first_picture(folder, path) for path in (*images.values(), huge)}
        print(results["first picture"], flush=True)
        results["nudge"] = {
            **{str(edge): nudged(folder, path, path, "--bin", 1) for edge, path in images.items()},
            **{f"{path.stem}, binned": nudged(folder, path, path) for path in (images[o.large], huge)},
        }
        print(results["nudge"], flush=True)
        results["latency"] = {}
        for edge in (SMALL, o.middle):
            with serve(folder, images[edge], images[edge]) as served:
                results["latency"][f"{edge}, loopback"] = latencies(browser, served)
                with Tunnel(served.port, **LINE) as tunnel:
                    results["latency"][f"{edge}, 40 ms and 20 Mbit/s"] = latencies(browser, served, tunnel)
            print(results["latency"], flush=True)
    results["load average at the end"] = machine.load()
    return results
