"""One browser for all tests of pages."""

import pytest


@pytest.fixture(scope="session")
def browser():
    """A real browser, see browser.py; skips where there is none."""
    pytest.importorskip("tornado")
    from browser import Browser

    with Browser() as found:
        yield found
