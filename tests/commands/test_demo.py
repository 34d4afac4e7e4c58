"""`make demo`, as it is run: its files, and how right its result is."""

import subprocess
import sys
from pathlib import Path

import pytest
from running import end_group

DEMO = Path(__file__).resolve().parents[1] / "demo" / "demo.py"


@pytest.mark.slow
def test_demo(tmp_path):
    """The error away from the band stays below 0.02 voxel in half of the windows, and nearly all converge."""
    command = [sys.executable, str(DEMO)]
    with (tmp_path / "text").open("w+") as text:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=text, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(100)
        finally:
            end_group(process)
        text.seek(0)
        said = text.read()
    assert code == 0, said
    _, nodes, converged, median, *_ = next(line for line in said.splitlines() if "away from" in line).rsplit(None, 6)
    assert int(nodes) > 5000
    assert float(converged.rstrip("%")) > 99
    assert float(median) < 0.02
    right = next(line for line in said.splitlines() if line.startswith("  right")).split()
    assert int(right[1]) > 150 and abs(float(right[7]) - float(right[-1])) < 0.02
    labels = next(line for line in said.splitlines() if "labels, median error" in line).split()
    assert int(labels[0]) > 24 and float(labels[6]) < 0.02 and float(labels[8]) < 0.3
    nodes = next(line for line in said.splitlines() if "nodes, median error" in line).split()
    assert nodes[0] == nodes[2] and int(nodes[0]) > 500 and float(nodes[6]) < 0.04
    written = {path.name for path in (tmp_path / "demo-output").iterdir()}
    for name in ("cement-ldic", "tensile-ldic", "torn-ldic", "grains-ddic", "cement-GDIC"):
        assert {f"{name}.hdf", f"{name}.tsv"} <= written
    assert {"cement-displacement.png", "cement-quality.png", "tensile.png"} <= written
    assert all(f"demo-output/{name}" in said for name in ("cement-ldic.hdf", "tensile-ldic.tsv", "tensile.png"))


def test_samples_are_small_and_licensed():
    """All samples together stay below 3 MB, and each is named in the notes."""
    data = DEMO.parents[1] / "data"
    notes, files = (data / "README.md").read_text(), list(data.glob("*.tif"))
    assert files
    assert sum(path.stat().st_size for path in files) < 3e6
    assert all(path.name in notes for path in files)
    assert "MIT License" in notes
