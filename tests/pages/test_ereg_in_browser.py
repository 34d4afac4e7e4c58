"""The page of hpcdvc-ereg in a real browser: keys, mouse, boxes, pictures, a link that is cut, two that look."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile
from reg_cases import CENTRE, FIELD, FLAT_FIELD, SHAPE, pair_of
from running import BIN

from hpcdvc.output.tsv import read_tsv
from hpcdvc.pages.planes import as_bytes, grey_window

pytest.importorskip("tornado")

from served import Served, Talk  # noqa: E402
from tunnel import Tunnel  # noqa: E402

#: Set when the planes of all that was done are drawn, as they are.
DRAWN = "window.ereg?.picture && !ereg.actions.busy && !ereg.actions.queue.length && ereg.isExact"

#: Contrast of all texts and of edges of boxes: the colours behind are those of the next ancestor that has any.
CONTRASTS = """(() => {
  const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
  const light = (c) => { const v = c / 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = numbers(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0) return luminance(colour);
    }
    return 0;
  };
  const found = [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || e.matches(":disabled")) continue;
    const style = getComputedStyle(e), name = e.tagName + "#" + e.id;
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const text = own || e.matches("input, textarea");
    if (text) found.push({ name, ratio: ratio(luminance(numbers(style.color)), behind(e)), least: 4.5 });
    const hint = e.placeholder && !e.value && getComputedStyle(e, "::placeholder").color;
    if (hint) found.push({ name, ratio: ratio(luminance(numbers(hint)), behind(e)), least: 4.5 });
    if (e.matches("button, select, textarea, input[type=number]"))
      found.push({ name, ratio: ratio(luminance(numbers(style.borderColor)), behind(e.parentElement)), least: 3 });
  }
  return found;
})()"""


@pytest.fixture
def folder(tmp_path):
    save(tmp_path, "small")
    return tmp_path


def save(folder: Path, motion: str) -> None:
    """Write the images of a motion."""
    for name, image in zip(("im1.tif", "im2.tif"), pair_of(motion), strict=True):
        tifffile.imwrite(folder / name, image, photometric="minisblack")


def serve(folder: Path, *words: str) -> Served:
    """The command with its page."""
    line = [sys.executable, BIN / "hpcdvc-ereg", "im1.tif", "im2.tif", "-od", "out", "-pre", "P", "--no-browser"]
    return Served([*line, *words], env={"XDG_CACHE_HOME": str(folder / "cache")}, cwd=folder)


@pytest.fixture
def served(folder):
    with serve(folder) as found:
        yield found


@pytest.fixture
def shown(browser, served):
    tab = browser.open(served.url)
    browser.wait(DRAWN)
    yield browser
    browser.check_alone(served.host)
    browser.close_tab(tab)


def table(folder: Path, until=lambda phi: True) -> np.ndarray:
    """Phi of the table, (4, 4), as soon as it is what is waited for; it may be replaced while it is read."""
    end, phi = time.monotonic() + 60, None
    while True:
        if (folder / "out/P-PhiEye.tsv").exists():
            phi = read_tsv(folder / "out/P-PhiEye.tsv").phi[0]
            if until(phi):
                return phi
        assert time.monotonic() < end, phi
        time.sleep(0.02)


def test_keyboard_alone_leads_to_the_motion(shown, folder, tmp_path):
    """From near, as the eye brings it there, with `Enter` to the truth; Ctrl+Z goes back."""
    for key in ["1", *["ArrowDown"] * 2, *["ArrowUp"] * 4, "ArrowRight", "2", *["ArrowDown"] * 2]:
        shown.key(key)
    shown.wait(DRAWN)
    by_hand = table(folder, lambda phi: phi[:3, 3].tolist() == [2, -2, 1])
    assert np.abs(by_hand[:3, 3] - FIELD.shift).max() < 1
    correlation = float(shown.text("#figures").split()[1])
    shown.key("Enter")
    shown.wait_text("#said", "refined")
    found = table(folder, lambda phi: phi[0, 1] != 0)
    assert np.abs(found[:3] - FIELD.phi(CENTRE[None])[0]).max() < 1e-3
    shown.wait(DRAWN)
    assert correlation + 0.02 < float(shown.text("#figures").split()[1]) > 0.98
    shown.screenshot(tmp_path / "refined.png")
    shown.key("z", "Control")
    assert (table(folder, lambda phi: phi[0, 1] == 0) == by_hand).all()
    shown.wait("document.getElementById('said').textContent === ''")  # it is refined no more
    shown.key("y", "Control")
    assert (table(folder, lambda phi: phi[0, 1] != 0) == found).all()


def test_each_key_is_answered(shown):
    keys = [
        "M",
        "1",
        "2",
        "3",
        "[",
        "]",
        ",",
        ".",
        "m",
        "o",
        "r",
        "l",
        " ",
        " ",
        "?",
        "Escape",
        "+",
        "-",
        "0",
        "PageUp",
        "f",
    ]
    for key in keys:
        before = len([way for way, _ in shown.frames() if way == "received"])
        shown.key(key)
        shown.wait("!ereg.actions.busy && !ereg.actions.queue.length")
        assert len([way for way, _ in shown.frames() if way == "received"]) > before, key


def test_keys_act_as_soon_as_the_page_is_loaded(browser, folder):
    """Before it knows anything, and before the images are there."""
    with serve(folder) as served:
        tab = browser.open(served.url)
        for key in ("1", "ArrowRight", "ArrowRight", "ArrowDown", "Enter"):
            browser.key(key)
        browser.wait_text("#said", "refined")
        browser.wait(DRAWN)
        assert browser.evaluate("ereg.state.undo") == 4 and browser.errors == []
        browser.close_tab(tab)


def test_pixels_are_those_of_the_kernel(shown):
    shown.evaluate("(e => { e.value = 'im2'; e.dispatchEvent(new Event('input')); })(document.getElementById('mode'))")
    shown.wait(f"{DRAWN} && ereg.state.mode === 'im2'")
    window = grey_window([np.asarray(image, np.float32).ravel() for image in pair_of()])
    for view, axis in ((1, 0), (2, 1), (3, 2)):
        number = shown.evaluate(f"ereg.views.get({view}).slice")
        seen = shown.evaluate(
            f"(() => {{ const p = ereg.views.get({view}).layers[0].picture;"
            "return Array.from(p.getContext('2d').getImageData(0, 0, p.width, p.height).data); })()"
        )
        wanted = as_bytes(np.take(pair_of()[1], number, axis).astype(np.float32), window)
        assert seen[0::4] == seen[1::4] == wanted.ravel().tolist()


def test_modes_lay_the_images_over_each_other(shown):
    """im1 magenta, im2 green; in the difference white is none."""
    first = "Array.from(ereg.views.get(1).layers[0].picture.getContext('2d').getImageData(20, 20, 1, 1).data)"
    at = f"20 * {SHAPE[2]} + 20"
    one, two = (shown.evaluate(f"ereg.views.get(1).planes.{name}[{at}]") for name in ("im1", "im2"))
    assert shown.evaluate(first) == [one, two, one, 255]
    shown.key("o")
    shown.wait(f"{DRAWN} && ereg.state.swapped")
    assert shown.evaluate(first)[::2] == [one, two]
    for mode in ("blend", "checkerboard", "difference", "absolute"):
        shown.key("m")
        shown.wait(f"{DRAWN} && ereg.state.mode === '{mode}'")
    assert shown.evaluate(first)[:3] == [abs(two - one)] * 3


def test_mouse(shown, folder):
    scale = shown.evaluate("ereg.views.get(1).frame().scale")
    shown.drag(".view canvas", (30, 12))
    phi = table(folder, lambda phi: abs(phi[2, 3] - 30 / scale) < 1e-3)
    assert phi[1, 3] == pytest.approx(12 / scale, abs=1e-3) and phi[0, 3] == 0
    shown.drag(".view canvas", (0, 40), "Shift", start=(0.7, 0.5))
    phi = table(folder, lambda phi: phi[1, 2] > 0.1)
    assert phi[2, 1] == pytest.approx(-phi[1, 2])
    shown.key("z", "Control")
    shown.key("z", "Control")
    table(folder, lambda phi: (phi == np.eye(4)).all())
    shown.click(".view canvas", 0.4, 0.3)
    shown.wait(f"{DRAWN} && ereg.state.point[2] < {CENTRE[2]} && ereg.state.point[1] < {CENTRE[1]}")
    assert shown.evaluate("ereg.state.point[0]") == CENTRE[0]
    shown.wheel(".view canvas", 100)
    shown.wait(f"ereg.state.point[0] === {CENTRE[0] + 1}")
    shown.wheel(".view canvas", -100, "Control")
    assert shown.evaluate("ereg.views.get(1).zoom") > 1
    assert (table(folder) == np.eye(4)).all()


def test_a_drag_that_the_browser_takes_back(shown):
    """As it does on touch screens: the pointer moves nothing any more."""
    shown.evaluate(
        "(() => { const c = document.querySelector('.view canvas'); c.setPointerCapture = () => {};"
        " for (const [name, x] of [['down', 100], ['cancel', 100], ['move', 150], ['move', 200]])"
        " c.dispatchEvent(new PointerEvent('pointer' + name, {clientX: x, clientY: 100, button: 0})); })()"
    )
    shown.key("ArrowDown")
    shown.wait(f"{DRAWN} && ereg.state.phi[1][3] === 1")
    assert shown.evaluate("ereg.state.phi[2][3]") == 0


def test_boxes(shown, folder):
    """Keys are for the box while somebody types into it; what is typed is done."""
    box = "#parts .part input[type=number]"
    shown.click(box)
    shown.key("ArrowRight")
    shown.evaluate(f"document.querySelector('{box}').select()")
    shown.type("-2.5")
    shown.key("Enter")
    assert table(folder, lambda phi: phi[0, 3] == -2.5)[2, 3] == 0
    shown.evaluate(
        "document.activeElement.blur(); document.getElementById('phi').focus(); document.getElementById('phi').select()"
    )
    shown.type("1 0 0 4 0 1 0 5 0 0 1 6")
    shown.click("#take")
    table(folder, lambda phi: phi[:3, 3].tolist() == [4, 5, 6])
    shown.evaluate("document.getElementById('phi').focus(); document.getElementById('phi').select()")
    shown.type("nonsense")
    shown.click("#take")
    shown.wait_text("#said", "no line of a table")
    shown.key("ArrowDown")
    table(folder, lambda phi: phi[:3, 3].tolist() == [4, 6, 6])


def test_all_can_be_reached_by_tab_and_seen(shown):
    """With the focus on a slider its keys are its own, the others those of the page; Escape leaves it."""
    names, seen = "button:enabled, input:enabled, select, textarea, summary", []
    wanted = shown.evaluate(f"[...document.querySelectorAll('{names}')].filter((e) => e.checkVisibility()).length")
    for _ in range(wanted):
        shown.key("Tab")
        seen.append(
            shown.evaluate(
                "(e => { e.dataset.seen = 1; const s = getComputedStyle(e);"
                " return [e.tagName, s.outlineStyle, parseFloat(s.outlineWidth)]; })(document.activeElement)"
            )
        )
    assert shown.evaluate("document.querySelectorAll('[data-seen]').length") == wanted
    assert all(tag != "BODY" and style == "solid" and width >= 2 for tag, style, width in seen)
    shown.evaluate("document.querySelector('.view input').focus()")
    shown.key("ArrowRight")
    shown.wait(f"{DRAWN} && ereg.state.point[0] > {CENTRE[0]}")
    shown.key("m")
    shown.wait(f"{DRAWN} && ereg.state.mode === 'blend'")
    shown.key("Escape")
    shown.key("ArrowRight")
    shown.wait(f"{DRAWN} && ereg.state.phi[2][3] === 1")


def test_text_stands_out(shown):
    """At least 4.5 to 1 against what is behind it, edges of boxes 3 to 1 (WCAG 2.1)."""
    found = shown.evaluate(CONTRASTS)
    assert len(found) > 40
    assert [one for one in found if one["ratio"] < one["least"]] == []


def test_narrow_window(shown):
    """All is there, one below the other, as wide as the window."""
    with shown.sized(390):
        shown.wait("document.documentElement.scrollWidth <= 390")
        assert shown.least_width(".view canvas, #plot, #panel") > 300


def test_what_is_shown_to_be_copied_stays(shown):
    """The focus, and what is marked of a command line, outlive what comes from the server."""
    shown.evaluate("document.querySelector('details').open = true; document.querySelector('#commands button').focus()")
    shown.evaluate("getSelection().selectAllChildren(document.querySelector('#commands code'))")
    marked = shown.evaluate("String(getSelection())")
    shown.key("ArrowRight")
    shown.wait(f"{DRAWN} && ereg.state.phi[2][3] === 1")
    assert "hpcdvc" in marked and shown.evaluate("String(getSelection())") == marked
    assert shown.evaluate("document.activeElement.textContent") == "copy"


def test_landmarks_by_keys(shown, folder):
    """The cross-hair marks a point of im1, is moved by two slices, and marks it in im2."""
    for key in ["2", "p", ".", ".", "p", "f"]:
        shown.key(key)
    assert table(folder, lambda phi: phi[1, 3] == 2)[:3, 3].tolist() == [0, 2, 0]
    assert "left 0.00 voxel" in shown.wait_text("#landmarks", "remove")


def test_keys_held_down_settle_at_once(shown, folder):
    for _ in range(60):
        shown.key("ArrowRight")
    table(folder, lambda phi: phi[2, 3] == 60)
    shown.wait(DRAWN)
    shown.reload()
    shown.wait(DRAWN)
    assert shown.evaluate("ereg.state.phi[2][3]") == 60 and shown.evaluate("ereg.state.undo") == 60


def test_a_tunnel_that_is_cut(browser, served, folder):
    with Tunnel(served.port) as tunnel:
        tab = browser.open(f"http://localhost:{tunnel.port}/#{served.token}")
        browser.wait(DRAWN)
        browser.key("ArrowRight")
        browser.wait(DRAWN)
        tunnel.cut()
        for _ in range(4):
            browser.key("ArrowRight")
        browser.wait_text("#lost", "is tried again")
        browser.key("ArrowDown")
        assert table(folder)[:3, 3].tolist() == [0, 0, 1]
        tunnel.mend()
        browser.wait("document.getElementById('lost').textContent === ''")
        browser.wait(DRAWN)
        assert table(folder, lambda phi: phi[1, 3] == 1)[:3, 3].tolist() == [0, 1, 5]
        browser.close_tab(tab)


def test_a_second_page_looks_and_takes_over(shown, served, folder):
    with Talk(served.port, served.token) as other:
        assert other.hear("hello")["writer"] is False
        shown.key("ArrowRight")
        assert other.hear("state")["state"]["phi"][2][3] == 1
        refused = other.ask({"type": "act", "browser": "b", "n": 1, "actions": [{"key": "ArrowDown"}]})
        assert refused["type"] == "error" and other.ask({"type": "look"})["type"] == "drawn"
        other.ask({"type": "take over"})
        shown.wait("!document.getElementById('take-over').hidden")
        shown.key("ArrowRight")
        shown.wait_text("#said", "Take over")
        other.ask({"type": "act", "browser": "b", "n": 1, "actions": [{"key": "ArrowDown"}]})
        shown.wait("ereg.state.phi[1][3] === 1")
        shown.click("#take-over")
        shown.wait("document.getElementById('take-over').hidden")
        shown.key("ArrowRight")
        table(folder, lambda phi: phi[:3, 3].tolist() == [0, 1, 2])


def test_images_in_two_dimensions(browser, tmp_path):
    save(tmp_path, "flat")
    with serve(tmp_path, "--auto") as served:
        tab = browser.open(served.url)
        browser.wait_text("#said", "a start is found")
        browser.wait(DRAWN)
        assert browser.evaluate("ereg.views.size") == 1 and browser.errors == []
        phi = table(tmp_path, lambda phi: phi[1, 3] != 0)
        np.testing.assert_allclose(phi[1:3, 3], FLAT_FIELD.shift, atol=0.5)
        browser.close_tab(tab)
    assert os.listdir(tmp_path / "out")


def test_what_is_looked_at_closely_is_shown_as_the_images_have_it(browser, folder):
    with serve(folder, "--bin", "2") as served:
        tab = browser.open(served.url)
        browser.wait(f"{DRAWN} && ereg.whole")
        assert browser.evaluate("ereg.views.get(1).detail") is None
        for _ in range(8):
            browser.wheel(".view canvas", -100, "Control")
        browser.wait("ereg.views.get(1).detail")
        browser.evaluate(
            "(e => { e.value = 'im2'; e.dispatchEvent(new Event('input')); })(document.getElementById('mode'))"
        )
        browser.wait(f"{DRAWN} && ereg.state.mode === 'im2' && ereg.views.get(1).layers.length === 2")
        left, top, right, bottom = browser.evaluate(
            "(({ corner, shape }) => [corner[1], corner[0], corner[1] + shape[1], corner[0] + shape[0]])"
            "(ereg.views.get(1).detail)"
        )
        assert 0 < left < right < SHAPE[2] and 0 < top < bottom < SHAPE[1]
        seen = browser.evaluate(
            "(() => { const p = ereg.views.get(1).layers[1].picture;"
            "return Array.from(p.getContext('2d').getImageData(0, 0, p.width, p.height).data); })()"
        )
        (window, _) = browser.evaluate("ereg.greys.windows")
        plane = pair_of()[1][round(browser.evaluate("ereg.state.point[0]") + 0.1), top:bottom, left:right]
        assert seen[0::4] == as_bytes(plane.astype(np.float32), window).ravel().tolist()
        browser.evaluate(
            "(view => { const { detail } = view, key = String(ereg.picture), draw = ereg.draw.bind(ereg);"
            " window.old = false;"
            " ereg.draw = () => { window.old ||= String(ereg.picture) !== key && view.detail === detail; draw(); };"
            " window.isNew = () => view.detail && view.detail !== detail; })(ereg.views.get(1))"
        )
        browser.key("ArrowRight")
        browser.wait("isNew() && ereg.state.phi[2][3] === 1")
        assert browser.evaluate("old") is False and browser.errors == []
        browser.close_tab(tab)
