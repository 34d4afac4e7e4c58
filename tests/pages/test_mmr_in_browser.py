"""The page of hpcdvc-mmr-graphical in a real browser: what it finds the batch command finds, to the bit."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import tifffile
from mmr_cases import FIELD, MIDDLE, images
from reg_ends import play_command
from running import BIN
from test_ereg_in_browser import CONTRASTS

from hpcdvc.cli import main
from hpcdvc.output.hdf5 import read_field

pytest.importorskip("tornado")

from served import LIMIT, Served  # noqa: E402

#: Set when all that was done is drawn.
DONE = (
    "window.mmr?.picture && !mmr.actions.busy && !mmr.actions.queue.length && !mmr.state.job.running && "
    "!mmr.state.loading && !mmr.busy"
)
PLANE = "#peaks .plane canvas"


def serve(folder: Path, *words: str) -> Served:
    line = [sys.executable, BIN / "hpcdvc-mmr-graphical", "im1.tif", "im2.tif", "-od", "out", "-pre", "P"]
    return Served([*line, "--no-browser", *words], env={"XDG_CACHE_HOME": str(folder / "cache")}, cwd=folder)


class Shown:
    """The page, and what it keeps."""

    def __init__(self, browser, folder: Path):
        self.browser, self.folder = browser, folder
        browser.wait(DONE, LIMIT)

    def open(self, tab: str) -> None:
        """Go to a tab by its button; what stands there stands out."""
        self.browser.click(f"#tab-{tab}")
        self.browser.wait(f"document.body.dataset.tab === '{tab}' && {DONE}", LIMIT)
        if tab in ("peaks", "phases", "result"):
            self.browser.wait("mmr.joint?.fresh && mmr.joint.phases.length", LIMIT)
        found = self.browser.evaluate(CONTRASTS)
        assert len(found) > 15 and [one for one in found if one["ratio"] < one["least"]] == []

    def keys(self, *names: str) -> None:
        for name in names:
            *modifiers, key = name.split("+")
            self.browser.key(key, *modifiers)
        self.browser.wait(DONE, LIMIT)

    def picked(self) -> dict:
        self.browser.wait(DONE, LIMIT)
        return self.browser.evaluate("mmr.state.picked")

    def peaks(self) -> list:
        self.browser.wait(DONE, LIMIT)
        return self.browser.evaluate("mmr.joint.peaks")

    def place(self, f: float, g: float) -> tuple[float, float]:
        """Share of the canvas of the joint histogram where a pair of bins lies."""
        x, y, width, height = self.browser.evaluate(
            f"[...mmr.planes.peaks.screen([{f}, {g}]), mmr.planes.peaks.canvas.width, mmr.planes.peaks.canvas.height]"
        )
        return x / width, y / height

    def run(self) -> dict:
        """Register, by the key; what was found."""
        self.browser.key("Enter")
        self.browser.wait("mmr.state.found?.now && !mmr.state.job.running", LIMIT)
        found, end = self.browser.evaluate("mmr.state.found"), time.monotonic() + LIMIT
        kept = {name: value for name, value in found.items() if name != "now"}
        while self.kept().get("page", {}).get("found") != kept:
            assert time.monotonic() < end
            time.sleep(0.02)
        return found

    def kept(self) -> dict:
        """What is in the file; nothing where it is not there yet."""
        path = self.folder / "out/P-phases.json"
        return json.loads(path.read_text()) if path.exists() else {}


@pytest.fixture
def folder(tmp_path):
    for name, image in zip(("im1.tif", "im2.tif"), images(), strict=True):
        tifffile.imwrite(tmp_path / name, image, photometric="minisblack")
    return tmp_path


@contextmanager
def opened(browser, folder: Path, *words: str) -> Iterator[Shown]:
    """The command, and its page: no errors, and no word to anybody else."""
    with serve(folder, *words) as served:
        tab = browser.open(served.url)
        yield Shown(browser, folder)
        browser.check_alone(served.host)
        browser.close_tab(tab)


@pytest.fixture
def shown(browser, folder):
    with opened(browser, folder, "-jhb", "64") as found:
        yield found


def batch(folder: Path, monkeypatch) -> np.ndarray:
    """Phi of `hpcdvc-mmr --phases` with the file that the page has kept."""
    monkeypatch.chdir(folder)
    play_command(monkeypatch, "mmr")
    assert main("mmr", ["im1.tif", "im2.tif", "--phases", "out/P-phases.json", "-od", "batch", "-pre", "B", "-q"]) == 0
    return read_field("batch/B-mmr.hdf").phi[0]


def test_clicks_lead_to_what_the_command_finds(shown, folder, monkeypatch, tmp_path):
    """im1 is dragged, the box too; peaks are clicked, dragged and removed; rings, coverage; run."""
    browser = shown.browser
    browser.click("#rigid")
    browser.drag("#views .view canvas", (12, 0))
    shown.open("crop")
    before = shown.picked()["box"]
    left, bottom = browser.evaluate(
        "(() => { const v = mmr.slices.crop.views.get(1); const [l, t, r, b] = v.edges();"
        " return [l / v.canvas.width, (t + b) / 2 / v.canvas.height]; })()"
    )
    browser.drag("#crop .view canvas", (24, 0), start=(left, bottom))
    box = shown.picked()["box"]
    assert box[:2] == before[:2] and box[2][1] == before[2][1] and box[2][0] > before[2][0] + 1
    browser.drag("#crop .view canvas", (0, -12), start=(left + 0.2, bottom))
    assert shown.picked()["box"][1] != box[1] and shown.picked()["box"][2] == box[2]
    shown.open("peaks")
    found = shown.peaks()
    assert len(found) == 2 and shown.picked()["peaks"] is None
    browser.click(PLANE, *shown.place(32, 32))
    assert len(shown.peaks()) == 3 and browser.evaluate("mmr.chosen") == 2
    browser.click("#remove")
    assert len(shown.peaks()) == 2
    f, g, reach = shown.peaks()[0]
    browser.drag(PLANE, (15, 0), start=shown.place(f, g))
    moved = shown.peaks()[0]
    assert moved[0] > f + 1 and abs(moved[1] - g) < 0.2 and browser.evaluate("mmr.chosen") == 0
    browser.click("#reach")
    browser.evaluate("document.getElementById('reach').select()")
    browser.type("20")
    browser.key("Enter")
    browser.wait("Math.abs(mmr.joint.peaks[0][2] - 20) < 1e-9", LIMIT)
    browser.evaluate("document.activeElement.blur()")
    browser.drag(PLANE, (-40, 0), start=shown.place(moved[0] + 20, moved[1]))
    assert 8 < shown.peaks()[0][2] < 19
    assert len(browser.evaluate("[...document.querySelectorAll('#fits tbody tr')].map((row) => row.textContent)")) == 2
    shown.open("phases")
    browser.evaluate("document.getElementById('coverage').value = 0.8")
    browser.evaluate("document.getElementById('coverage').dispatchEvent(new Event('input'))")
    assert shown.picked()["coverage"] == 0.8
    shown.open("result")
    browser.wait("mmr.slices.result.views.get(1).planes.phase", LIMIT)
    assert {0, 1, 2} >= set(browser.evaluate("[...new Set(mmr.slices.result.views.get(1).planes.phase)]")) >= {1, 2}
    assert browser.text("#line") == "hpcdvc-mmr im1.tif im2.tif --phases out/P-phases.json"
    words = "[...document.querySelectorAll('#line .word')].map((word) => word.getClientRects().length)"
    assert browser.evaluate(words) == [1] * 5  # each on one line
    told = shown.run()
    assert told["return_status"] == 2 and "converged" in browser.text("#found")
    browser.screenshot(tmp_path / "result.png")
    assert np.abs(np.array(told["Phi"])[:3] - FIELD.phi(MIDDLE[None])[0]).max() < 0.05
    phi = np.array(shown.kept()["Phi"])
    assert phi[2, 3] > 0.5  # as it was dragged: where the registration begins
    assert (batch(folder, monkeypatch) == np.array(told["Phi"])).all()


def test_keyboard_alone(browser, folder):
    """All tabs by keys, and back by undo; the same command again goes on where it was."""
    with opened(browser, folder, "-jhb", "64") as shown:
        shown.keys("ArrowRight", "n", "Shift+ArrowLeft", "Alt+ArrowDown", "PageUp", "2", "]", "ArrowLeft")
        assert browser.evaluate("document.body.dataset.tab") == "crop"
        assert shown.picked()["box"] == [[5, 37], [5, 40], [0, 33]]
        shown.keys("n")
        browser.wait("mmr.joint?.fresh && mmr.joint.phases.length === 2", LIMIT)
        before = shown.peaks()
        shown.keys(".", "ArrowUp", "ArrowUp", "PageDown")
        assert shown.peaks()[1] == pytest.approx([before[1][0], before[1][1] + 2, 31])
        shown.keys("p")
        browser.wait("mmr.joint.peaks.length === 3 && mmr.chosen === 2", LIMIT)
        shown.keys("Delete")
        browser.wait("mmr.joint.peaks.length === 2", LIMIT)
        shown.keys("n", "ArrowLeft", "Shift+ArrowDown")
        assert shown.picked()["coverage"] == pytest.approx(0.89)
        shown.keys("n", "m", ",", "v")
        found, picked = shown.run(), shown.picked()
        focus = "getComputedStyle(document.querySelector('[role=tab]:focus-visible')).outlineStyle"
        browser.evaluate("document.getElementById('tab-result').focus()")
        browser.key("ArrowRight")
        browser.wait("document.activeElement.id === 'tab-align' && document.body.dataset.tab === 'align'", LIMIT)
        assert browser.evaluate(focus) == "solid"
    with opened(browser, folder) as shown:
        assert shown.picked() == picked and browser.evaluate("mmr.state.found") == found and found["now"]
        assert browser.evaluate("mmr.state.phi[2][3]") == 1
        shown.open("peaks")
        assert browser.evaluate("mmr.state.found.now")
        shown.keys("a")
        browser.wait("mmr.state.picked.peaks === null && !mmr.state.found.now", LIMIT)
        shown.keys("Control+z")
        browser.wait("mmr.state.picked.peaks !== null && mmr.joint.fresh", LIMIT)


def test_narrow_window(shown):
    """All is there, one below the other, as wide as the window."""
    browser = shown.browser
    with browser.sized(390):
        for tab in ("align", "crop", "peaks", "phases", "result"):
            browser.click(f"#tab-{tab}")
            browser.wait(f"document.body.dataset.tab === '{tab}' && document.documentElement.scrollWidth <= 390")
            assert browser.least_width(f"#{tab} canvas") > 300


def test_real_pair(browser, shared, tmp_path, monkeypatch):
    """x-rays and neutrons of concrete, picked by clicks."""
    for name, image in (("im1", "concrete-xr"), ("im2", "concrete-ne")):
        (tmp_path / f"{name}.tif").symlink_to(shared / f"oracle/spam/_inputs/{image}.tif")
    with opened(browser, tmp_path, "-box", "35", "65", "20", "80", "20", "80", "-rig") as shown:
        turn = {"do": "r", "values": [-20.0, 0, 0]}
        browser.evaluate(f"mmr.push({json.dumps(turn)})")
        shown.open("peaks")
        for f, g in ((108, 80), (14, 8)):
            browser.click(PLANE, *shown.place(f, g))
            browser.wait(DONE, LIMIT)
        shown.open("result")
        found = shown.run()
    monkeypatch.chdir(tmp_path)
    play_command(monkeypatch, "mmr")
    main("mmr", ["im1.tif", "im2.tif", "--phases", "out/P-phases.json", "-od", "batch", "-pre", "B", "-q"])
    field = read_field("batch/B-mmr.hdf")
    assert (field.phi[0] == np.array(found["Phi"])).all() and field.return_status[0] == found["return_status"]
