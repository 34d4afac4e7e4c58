"""The documentation in a real browser, where it is built: nothing cut at the right edge, nothing from other hosts."""

import pytest
from pages import DOCS

BUILT = DOCS / "_build" / "html"
#: Tables of options and of numbers, long command lines, formulas.
NAMES = ("index", "hpc", "performance", "guide/align", "theory/phi")
WIDTHS = (400, 800, 1100, 1280, 1366, 1600)
CUT = """
(() => {
    const wide = (e) => e.scrollWidth > e.clientWidth + 1;
    return [document.documentElement, ...document.querySelectorAll('.content pre, .table-wrapper')].filter(wide)
        .map((e) => `${e.tagName} ${e.scrollWidth} ${e.textContent.slice(0, 40)}`);
})()
"""


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_at_the_right_edge(browser, name):
    if not BUILT.exists():
        pytest.skip("the documentation is not built here: make docs")
    browser.open((BUILT / f"{name}.html").as_uri())
    browser.wait("document.querySelectorAll('.math').length <= document.querySelectorAll('mjx-container').length")
    for width in WIDTHS:
        with browser.sized(width):
            cut = browser.evaluate(CUT)
        assert not [one for one in cut if width >= 800 or one.startswith("HTML")], width  # telephones may scroll tables
    browser.check_alone("")
