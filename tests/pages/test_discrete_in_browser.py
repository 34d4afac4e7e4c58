"""The page of hpcdvc-ereg-discrete in a real browser: list, map, contours, labels repaired by keys, a kill."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
from discrete_cases import COUNT, SPOILED, save_scene, scene, spoiled, truth
from running import BIN
from test_ereg_in_browser import CONTRASTS

from hpcdvc.output.tsv import read_tsv

pytest.importorskip("tornado")

from served import Served  # noqa: E402

#: Set when all that was done is drawn, as it is, and the list is up to date.
DRAWN = (
    "window.ereg?.picture && !ereg.actions.busy && !ereg.actions.queue.length && ereg.isExact && !ereg.list.asked && "
    "ereg.list.revision === ereg.state.counts.revision && !ereg.state.job.running && ereg.map.labels && !ereg.link.busy"
)
BAD = spoiled()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("repair")
    save_scene(made)
    return made


def serve(folder: Path) -> Served:
    """The command with its page."""
    files = ["im1.tif", "lab.tif", "im2.tif", "-pf", "field.tsv", "-od", "out", "-pre", "P"]
    line = [sys.executable, BIN / "hpcdvc-ereg-discrete", *files, "--no-browser"]
    return Served(line, env={"XDG_CACHE_HOME": str(folder / "cache")}, cwd=folder)


@pytest.fixture(scope="module")
def served(folder):
    with serve(folder) as found:
        yield found


@pytest.fixture
def shown(browser, served):
    tab = browser.open(served.url)
    browser.wait(DRAWN)
    while not browser.evaluate("ereg.actions.writer"):  # the server does not yet know that the tab before is closed
        browser.reload()
        browser.wait(DRAWN)
    yield browser
    browser.check_alone(served.host)
    browser.close_tab(tab)


def listed(browser) -> list[int]:
    """Labels of the list, from the top."""
    return [
        int(text)
        for text in browser.evaluate("[...document.querySelectorAll('#rows td button')].map(b => b.textContent)")
    ]


def fill(browser, name: str, value: str) -> None:
    """Put a value into a box, as typing does."""
    browser.evaluate(
        f"(e => {{ e.value = '{value}'; e.dispatchEvent(new Event('input')); }})(document.getElementById('{name}'))"
    )


def number(browser) -> int:
    browser.wait(DRAWN)
    return browser.evaluate("ereg.state.label.number")


def test_list_is_sorted_and_filtered(shown):
    centres, _ = truth()
    assert listed(shown) == list(BAD) and number(shown) == BAD[0]
    shown.click("#rows th:nth-child(1) button")
    assert listed(shown) == list(BAD)[::-1]
    shown.click("#rows th:nth-child(1) button")
    fill(shown, "which", "all")
    assert len(listed(shown)) == COUNT
    status = shown.evaluate("[...ereg.list.rows.values()].find(row => row.bad).status")
    fill(shown, "which", str(status))
    assert 0 < len(listed(shown)) < SPOILED and set(listed(shown)) <= set(BAD)
    fill(shown, "which", "all")
    fill(shown, "box", "0 16 0 40 20 60")
    inside = ((centres >= (0, 0, 20)) & (centres <= (16, 40, 60))).all(axis=1)
    assert listed(shown) == (np.flatnonzero(inside) + 1).tolist()
    fill(shown, "least", "305")
    assert listed(shown) == [] and shown.text("#more") == "none of this kind"
    fill(shown, "least", "")
    label = listed(shown)[3]
    shown.click("#rows tbody tr:nth-child(4) button")
    assert number(shown) == label and f"label {label}" in shown.text("#label")


def test_a_click_on_the_map_chooses_a_grain(shown):
    """And one in a view sets the cross-hair of the label that is there."""
    shown.key("1")
    shown.wait(f"{DRAWN} && ereg.map.across === 0")
    for label in (200, 77):
        x, y = shown.evaluate(
            f"(() => {{ const at = ereg.map.screen({truth()[0][label - 1].tolist()}); const c = ereg.map.canvas;"
            " return [at[0] / c.width, at[1] / c.height]; })()"
        )
        shown.click(".map canvas", x, y)
        assert number(shown) == label
    shown.key("3")
    shown.wait(f"{DRAWN} && ereg.map.across === 2")
    axis_x = shown.evaluate("[...ereg.map.labels]")
    assert axis_x == np.take(scene()[2], round(truth()[0][76][2]), axis=2).ravel().tolist()
    shown.key("1")
    shown.wait(f"{DRAWN} && ereg.map.across === 0")
    turned = "(map => { map.look([2, 0, 1], 80); return map.labelAt([8, 8, 80]); })(ereg.map)"
    assert shown.evaluate(turned) == 0, "what is not there yet is nowhere"


def test_contour_mask_and_keys(shown, tmp_path):
    yellow = (
        "(() => { const c = ereg.views.get(1).canvas; let n = 0;"
        " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;"
        " for (let k = 0; k < d.length; k += 4) n += d[k] === 255 && d[k + 1] === 209 && d[k + 2] === 102;"
        " return n; })()"
    )
    shown.wait(DRAWN)
    assert shown.evaluate(yellow) > 200
    covered = "ereg.views.get(1).planes.inside.reduce((a, b) => a + b)"
    before = shown.evaluate(covered)
    shown.key("k")
    shown.wait(f"{DRAWN} && ereg.state.label.mask === 'label'")
    assert 20 < shown.evaluate(covered) < before / 2
    for key in ("k", "k", "g", "c", "u", "+", "0", "m", "ArrowRight", "?", "Escape"):
        frames = len([way for way, _ in shown.frames() if way == "received"])
        shown.key(key)
        shown.wait(DRAWN)
        assert len([way for way, _ in shown.frames() if way == "received"]) > frames, key
    shown.screenshot(tmp_path / "label.png")
    shown.click("#identity")
    shown.wait_text("#about", "Now: none.", 60)


def test_text_stands_out(shown):
    found = shown.evaluate(CONTRASTS)
    assert len(found) > 100
    assert [one for one in found if one["ratio"] < one["least"]] == []


@pytest.mark.parametrize("width", [390, 900])
def test_narrow_window(shown, width):
    """List, views and controls one below the other."""
    with shown.sized(width):
        shown.wait(f"document.documentElement.scrollWidth <= {width}")
        assert shown.least_width(".view canvas") > min(300, width / 3)
        assert shown.least_width("#labels, #panel") > 0.9 * width


def test_three_are_repaired_by_keys_and_outlive_a_kill(browser, folder, tmp_path):
    """Twice Enter; by eye and Enter, then n; by eye alone. In a folder of its own: the other tests know no decision."""
    for name in ("im1.tif", "lab.tif", "im2.tif", "field.tsv"):
        os.symlink(folder / name, tmp_path / name)
    with serve(tmp_path) as first:
        tab = browser.open(first.url)
        browser.wait(DRAWN)
        assert number(browser) == BAD[0]
        browser.key("Enter")
        browser.key("Enter")
        browser.wait(f"ereg.state.label.number === {BAD[1]}")
        for key in ("ArrowLeft", "2", "ArrowUp", "Enter"):
            browser.key(key)
        browser.wait("ereg.state.label.refined")
        browser.key("n")
        assert number(browser) == BAD[2]
        browser.key("ArrowDown")
        browser.key("n")
        assert number(browser) == BAD[3] and browser.errors == []
        browser.close_tab(tab)
        first.process.kill()
        first.process.wait(10)
    with serve(tmp_path) as again:
        tab = browser.open(again.url)
        browser.wait(DRAWN)
        assert browser.text("#said") == f"3 decided before, {SPOILED - 3} labels to be repaired"
        assert f"{SPOILED - 3} to be repaired, 3 accepted" in browser.text("#counts")
        assert number(browser) == BAD[3] and listed(browser) == list(BAD[3:])
        fill(browser, "which", "decided")
        assert listed(browser) == list(BAD[:3])
        browser.close_tab(tab)
        assert again.end() == (0, "")
    found = read_tsv(tmp_path / "out/P-ereg-discrete.tsv")
    rows = np.array(BAD) - 1
    assert found.extra["manual"][rows].tolist() == [3, 2, 1] + [0] * (SPOILED - 3)
    assert found.return_status[rows[:3]].tolist() == [2, 2, 3] and (found.return_status[rows[3:]] < 2).all()
    assert np.abs(found.phi[rows[:2], :3] - truth()[1][rows[:2]]).max() < 0.05
    assert sorted(os.listdir(tmp_path / "out")) == [f"P-ereg-discrete.{end}" for end in ("hdf", "jsonl", "tsv")]
