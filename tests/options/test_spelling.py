"""Flags are spelled out, and what is quoted of a command line is short and harmless."""

import pytest
from test_declare import IMAGES, Local

from hpcdvc.errors import UserError
from hpcdvc.options.declare import declarations
from hpcdvc.options.parser import parse


def test_no_flag_is_shortened():
    """`--f` is no `--force`: what is written in a script shall not change its meaning with the next option."""
    known = {flag for declared in declarations(Local) for flag in declared.flags}
    for flag in ("--force", "--half-window-size", "--TIFFout", "-vtk"):
        for end in range(2, len(flag)):
            if flag[:end] not in (*known, "--"):
                with pytest.raises(UserError, match=f"unknown option {flag[:end]} "):
                    parse(Local, [*IMAGES, flag[:end]])


@pytest.mark.parametrize(
    "words",
    [
        ["-pre", "/" * 5000],
        ["-hws", "x" * 5000],
        ["-dp", "9" * 5000],
        ["-crit", "n" * 5000],
        ["-" + "q" * 5000],
        ["--quiet=" + "q" * 5000],
        ["-pre", "/\x1b[2J\n"],
        ["-hws", "\x1b]0;title\x07"],
    ],
    ids=lambda words: words[0][:5],
)
def test_what_is_quoted_is_short_and_printable(words):
    with pytest.raises(UserError) as caught:
        parse(Local, [*IMAGES, *words])
    assert len(str(caught.value)) < 200 and str(caught.value).isprintable()
