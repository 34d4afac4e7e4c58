"""Scans of speckle: what goes with what."""

import pytest

from hpcdvc.errors import UserError
from hpcdvc.steps.speckle import read_positions


def test_positions_file(tmp_path):
    path = tmp_path / "pos.txt"
    path.write_text("# y x\n0 0\n\n3.0 -4\n")
    assert read_positions(str(path), 2) == ((0, 0), (3, -4))
    for text, what in {
        "0 0\n": "1 positions, and there are 2 frames",
        "0 0\n1 2 3\n": "line 2: two whole numbers",
        "0 0\n1.5 2\n": "line 2: positions are whole numbers of pixels, not 1.5 2",
        "0 0\nnan 2\n": "line 2: positions are whole",
        "0 0\na b\n": "line 2: two whole numbers",
    }.items():
        path.write_text(text)
        with pytest.raises(UserError, match=what):
            read_positions(str(path), 2)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match="cannot be read"):
        read_positions(str(path), 2)
