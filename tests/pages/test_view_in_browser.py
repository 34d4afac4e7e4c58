"""The page of hpcdvc-view in a real browser: legends, planes, points, keys and mouse, results of each kind."""

import stat
import sys

import numpy as np
import pytest
import view_cases as cases
from running import BIN
from view_cases import CODES, GRID, RESULTS

from hpcdvc.fields.status import reason_of
from hpcdvc.output import hdf5

pytest.importorskip("tornado")

from served import Served  # noqa: E402

#: Set when all that is wanted is drawn.
DRAWN = "window.view?.told && !view.busy && !!document.body.dataset.drawn"
#: The steps of the page.
STEPS = {**RESULTS, "running": "r-ldic.hdf"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All kinds of results, and a run that goes on; nobody may write there."""
    found = tmp_path_factory.mktemp("view")
    cases.save_images(found)
    cases.save_results(found)
    cases.add_rows(cases.shards_of(found), cases.rows_at(GRID.positions(), cases.FIELD)[:60])
    found.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield found
    found.chmod(stat.S_IRWXU)


@pytest.fixture(scope="module")
def served(folder, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")
    paths = [str(folder / name) for name in STEPS.values()]
    before = {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))}
    with Served(
        [sys.executable, BIN / "hpcdvc-view", *paths, "--no-browser"], env={"XDG_CACHE_HOME": str(cache)}
    ) as found:
        yield found
        code, said = found.end()
        assert code == 0 and said == ""
    assert {path: path.stat().st_mtime_ns for path in (folder, *folder.rglob("*"))} == before


@pytest.fixture(scope="module")
def tab(browser, served):
    """One tab for all tests, which must not complain and ask for nothing elsewhere."""
    found = browser.open(served.url)
    browser.wait(DRAWN)
    yield found
    browser.close_tab(found)


@pytest.fixture
def shown(browser, served, tab):
    browser.attach(tab)
    browser.reload()
    browser.wait(f"{DRAWN} && view.told.levels.length === 2")
    yield browser
    browser.check_alone(served.host)


def press(shown, *keys: str) -> None:
    for key in keys:
        shown.key(key)
        shown.wait(DRAWN)


def to(shown, kind: str) -> None:
    """Look at the result of a kind."""
    number, images = list(STEPS).index(kind), 3 if kind == "labels" else 2
    shown.evaluate(f"view.toStep({number})")
    shown.wait(f"{DRAWN} && view.keys.step.endsWith(' {number}') && view.told.levels.length === {images}")


def choose(shown, name: str, value: str) -> None:
    shown.evaluate(
        f"(e => {{ e.value = {value!r}; e.dispatchEvent(new Event('change')); }})(document.getElementById('{name}'))"
    )
    shown.wait(DRAWN)


def legend(shown) -> dict[int, tuple[int, str]]:
    """Counts and words by code, as the page writes them."""
    rows = shown.evaluate(
        "[...document.querySelectorAll('#legend tr')]"
        ".map(r => [r.dataset.code, r.children[2].innerText, r.children[4].innerText])"
    )
    return {int(code): (int(count), words) for code, count, words in rows}


def pixels(shown, view: int = 1) -> list[list[int]]:
    """Colours of the picture of the field of a view, pixel by pixel."""
    flat = shown.evaluate(
        f"(() => {{ const p = view.views.get({view}).picture;"
        "return Array.from(p.getContext('2d').getImageData(0, 0, p.width, p.height).data); })()"
    )
    return np.array(flat).reshape(-1, 4)


@pytest.mark.parametrize("kind", RESULTS)
def test_each_status_is_told(shown, folder, kind):
    """The legend is text: code, count as in the file, plain words."""
    to(shown, kind)
    found = legend(shown)
    assert {code: count for code, (count, _) in found.items()} == cases.counts_of(folder / RESULTS[kind])
    for code in CODES.tolist():
        assert found[code][1].startswith(reason_of(code))
        assert reason_of(code) in shown.text("#legend")
    if kind == "grid":
        assert "try: larger -hws" in found[-1][1] and "try: " in found[-9][1]


def test_a_run_that_goes_on(shown):
    to(shown, "running")
    found = legend(shown)
    assert found[-128][0] == GRID.size - 60 and "not measured yet" in found[-128][1]
    assert sum(count for count, _ in found.values()) == GRID.size
    assert "has stopped: 60 of 150 points" in shown.text("#progress"), "no lock says who works on it"
    assert "not measured" in shown.evaluate("view.words(view.views.get(1).raster, 0).join(' ')")


def test_planes_in_the_colours_of_the_map(shown, folder):
    """Each node has the colour of its value; what was not measured has none, and is hatched."""
    press(shown, "f", "f")
    assert shown.evaluate("view.field") == "displacement y"
    field = hdf5.read_field(folder / RESULTS["grid"])
    code = field.return_status.reshape(GRID.shape)
    values = field.displacement[:, 1].reshape(GRID.shape)
    number = round((shown.evaluate("view.point[0]") - GRID.origin[0]) / GRID.spacing[0])
    low, high = shown.evaluate("view.range()")
    place = np.clip((values[number] - low) / (high - low), 0, 1)
    found = pixels(shown).reshape(*GRID.shape[1:], 4)
    measured = code[number] >= 2
    assert (found[~measured][:, 3] == 0).all() and (found[measured][:, 3] == 255).all()
    table = np.array(shown.evaluate("import('./colours.js').then(m => Array.from(m.MAPS.viridis))")).reshape(-1, 3)
    assert np.abs(found[measured][:, :3] - table[np.rint(255 * place[measured]).astype(int)]).max() <= 6
    lost = shown.evaluate(
        "(() => { const p = view.views.get(1).lost; return Array.from(p.getContext('2d').getImageData(0, 0, p.width,"
        " p.height).data); })()"
    )
    assert (np.array(lost)[3::4].reshape(GRID.shape[1:]) == np.where(measured, 0, 255)).all()


def test_status_map_and_mask(shown, folder):
    """`s` shows how the points ended, in the colours of the legend; an unticked status is not shown."""
    press(shown, "s")
    code = hdf5.read_field(folder / RESULTS["grid"]).return_status.reshape(GRID.shape)
    number = round((shown.evaluate("view.point[0]") - GRID.origin[0]) / GRID.spacing[0])
    colours = {one["code"]: one["colour"] for one in shown.evaluate("view.told.statuses")}
    wanted = [[int(colours[c][k : k + 2], 16) for k in (1, 3, 5)] for c in code[number].ravel().tolist()]
    assert pixels(shown)[:, :3].tolist() == wanted
    shown.evaluate("document.querySelector(\"#legend tr[data-code='2'] input\").click()")
    shown.wait(DRAWN)
    assert (pixels(shown)[:, 3] == np.where(code[number].ravel() == 2, 0, 255)).all()
    press(shown, "s")
    assert shown.evaluate("view.field") == "displacement norm"


@pytest.mark.parametrize("kind", RESULTS)
def test_a_click_writes_the_point(shown, folder, kind):
    """Values of the nearest row as text, its neighbours, its windows."""
    to(shown, kind)
    field = hdf5.read_field(folder / RESULTS[kind])
    shown.click(".view canvas", 0.45, 0.55)
    text = shown.wait_text("#point", "Neighbours")
    assert "(1, voxel)" in text and " 1, voxel" not in text  # a unit is no number
    row = int(text.split()[1])
    status = int(field.return_status[row])
    assert f"returnStatus {status}: {reason_of(status)}" in text
    moved = hdf5.read_field(folder / RESULTS[kind]).phi[row, :3, 3]
    if status >= 2:
        assert all(f"{value:.6g}" in text for value in moved)
    at = shown.evaluate("view.point")
    away = np.linalg.norm(field.positions - at, axis=1)
    assert away[row] == away.min() or kind in ("labels", "mesh")
    shown.wait("document.getElementById('ncc-after').textContent.includes('NCC')")
    if kind != "labels" and status >= 2:
        before, after = (float(shown.text(f"#ncc-{name}").split()[-1]) for name in ("before", "after"))
        assert after > 0.97 and after > before
    size = shown.evaluate("document.getElementById('pair-after').width")
    assert size == 11


def test_keyboard_alone(shown):
    """Every key of the list does what it says; focus is seen."""
    shown.key("Tab")
    assert shown.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    shown.evaluate("document.activeElement.blur()")
    first = shown.evaluate("view.point")
    press(shown, "2", ".")
    assert shown.evaluate("view.view") == 2 and shown.evaluate("view.point[1]") == first[1] + GRID.spacing[1]
    press(shown, ",", "ArrowRight", "ArrowDown", "PageDown", "PageUp")
    now = shown.evaluate("view.point")
    assert now == [first[0] + GRID.spacing[0], first[1], first[2] + GRID.spacing[2]]
    press(shown, "Enter")
    assert "returnStatus" in shown.wait_text("#point", "Neighbours")
    press(shown, "r")
    assert shown.evaluate("view.field") == "im2 - im1 after" and "grey value" in shown.text("#field option:checked")
    known = shown.evaluate("view.distribution.points")
    assert known > 500
    press(shown, "r", "F")
    assert shown.evaluate("view.field") == "returnStatus"
    press(shown, "f", "u", "m", "m", "o")
    facts = shown.evaluate("[view.field, view.under, view.map, view.opacity]")
    assert facts[:3] == ["displacement norm", "im2", "magma"] and facts[3] == pytest.approx(0.65)
    press(shown, "+", "+")
    assert shown.evaluate("view.views.get(2).zoom") > 1.5
    press(shown, "0", "]", "]")
    assert shown.evaluate("view.step") == 2 and "48 labels" in shown.text("#what")
    press(shown, "[", "[")
    press(shown, "?")
    assert shown.evaluate("document.getElementById('keys').open") and "cross-hair" in shown.text("#keys")
    press(shown, "Escape")
    assert not shown.evaluate("document.getElementById('keys').open")


def test_cross_hair_in_two_dimensions(shown):
    """It is drawn where it moves, by keys and by a click, although no plane is new."""
    to(shown, "flat")
    picture = "view.views.get(1).canvas.toDataURL()"
    first = shown.evaluate(picture)
    press(shown, "ArrowRight")
    moved = shown.evaluate(picture)
    assert moved != first
    shown.click(".view canvas")
    shown.wait(f"{DRAWN} && {picture} !== {moved!r}")


def test_the_box_of_fields_says_what_is_shown(shown):
    """A box that has the focus, too, when another step has other fields."""
    shown.evaluate("document.getElementById('field').focus()")
    choose(shown, "field", "displacement z")
    to(shown, "labels")
    assert shown.evaluate("[view.field, document.getElementById('field').value]") == ["displacement z"] * 2


def test_mouse(shown):
    """The wheel changes the slice, dragging pans, the slider moves; under the mouse stand place and value."""
    first = shown.evaluate("view.point[0]")
    shown.wheel(".view canvas", 100)
    shown.wait(f"{DRAWN} && view.point[0] === {first + GRID.spacing[0]}")
    shown.drag(".view canvas", (25, 10))
    assert shown.evaluate("view.views.get(1).pan") == pytest.approx([25, 10])
    shown.wheel(".view canvas", -100, "Control")
    assert shown.evaluate("view.views.get(1).zoom") == 1.25
    x, y = shown.middle(".view canvas")
    shown.mouse("mouseMoved", x, y, button="none")
    under = shown.wait_text(".view .under", "ZYX")
    assert "voxel" in under or "-" in under


def test_range_and_brush(shown):
    """Percentiles or by hand; a brush on the histogram, by mouse or typed, shows a part of the values."""
    shares = shown.evaluate("view.distribution.shares")
    assert shown.evaluate("view.range()") == [shares["1"], shares["99"]]
    choose(shown, "share", "0 100")
    assert shown.evaluate("view.range()") == [shares["0"], shares["100"]]
    shown.evaluate("(e => { e.value = '1.5'; e.dispatchEvent(new Event('change')); })(document.getElementById('low'))")
    assert shown.evaluate("view.range()[0]") == 1.5 and shown.evaluate("view.share") == "hand"
    whole = (pixels(shown)[:, 3] == 255).sum()
    shown.drag("#histogram", (120, 0), start=(0.1, 0.5))
    shown.wait(DRAWN)
    low, high = shown.evaluate("view.brush")
    assert shares["0"] < low < high < shares["100"] and (pixels(shown)[:, 3] == 255).sum() < whole
    shown.click("#all")
    assert shown.evaluate("view.brush") is None and (pixels(shown)[:, 3] == 255).sum() == whole
    shown.evaluate(
        "(e => { e.value = '1.55'; e.dispatchEvent(new Event('change')); })(document.getElementById('from'))"
    )
    assert 0 < (pixels(shown)[:, 3] == 255).sum() < whole


def test_what_was_said_goes_with_the_next_key(shown):
    said = shown.evaluate(  # at once: what the server says meanwhile takes it away, too
        "(e => { e.value = '1e9'; e.dispatchEvent(new Event('change'));"
        " return document.getElementById('said').textContent; })(document.getElementById('low'))"
    )
    assert said == "colours begin below where they end"
    press(shown, ".")
    assert shown.text("#said") == ""


def test_labels_are_coloured_here(shown):
    """Another field of labels asks for values, not for slices."""
    to(shown, "labels")
    raster = "view.views.get(1).raster"
    known = shown.evaluate(f"Array.from({raster}.owner).filter(k => k >= 0).length")
    assert known > 500
    choose(shown, "field", "rotation x")
    assert shown.evaluate("view.field") == "rotation x"
    assert shown.evaluate(f"Array.from({raster}.values).filter(v => !Number.isNaN(v)).every(v => v === 0)")


def test_mesh_is_cut(shown):
    """Pixels of the cut are linear between the nodes, and those of cells have one value each."""
    to(shown, "mesh")
    assert shown.evaluate("view.views.get(1).raster.covered.reduce((a, b) => a + b, 0)") > 10000
    choose(shown, "field", "cells residual")
    values = shown.evaluate("[...new Set(view.views.get(1).raster.values)].filter(v => !Number.isNaN(v))")
    assert len(values) > 4 and all(float(value).is_integer() for value in values)


def test_png_and_paraview(shown, folder):
    """The browser saves a picture; the server gets no path. What ParaView opens is told."""
    shown.evaluate(
        "window.saved = null; HTMLAnchorElement.prototype.click = function () {"
        " window.saved = [this.download, this.href]; }"
    )
    press(shown, "p")
    name, address = shown.wait("window.saved")
    assert name == "g-ldic.hdf-displacement_norm.png" and address.startswith("blob:")
    assert str(folder / RESULTS["grid"]) in shown.evaluate("document.getElementById('paraview').textContent")
    sent = [message for way, message in shown.frames() if way == "sent" and isinstance(message, str)]
    assert not any("png" in message for message in sent)


def test_reading_is_all(shown, served):
    """A second page sees the same, without taking over; what would write is no message here."""
    from served import Talk

    with Talk(served.port, served.token) as other:
        assert other.hear("hello")["writer"] is False
        answer = other.ask({"type": "step", "step": 0})
        assert answer["type"] == "step" and len(answer["statuses"]) == len(CODES)
        assert other.ask({"type": "save"})["type"] == "error"


def test_narrow_window(shown, tmp_path):
    """All is there, one below the other, as wide as the window."""
    with shown.sized(390):
        shown.wait("document.documentElement.scrollWidth <= 390")
        assert shown.least_width(".view canvas") > 300
        shown.screenshot(tmp_path / "narrow.png")
