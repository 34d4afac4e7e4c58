"""gmsh as a program: the words that it is given, what comes back, and what is said where it is missing or fails."""

import shutil
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from hpcdvc.errors import RunError, UserError
from hpcdvc.fem import gmsh
from hpcdvc.fem.coarse import Coarse
from hpcdvc.fem.quality import Quality, check_mesh

#: Keeps the words and files that it is given, and copies a mesh that is there.
FAKE = """#!{python}
import json, os, shutil, sys
shown = {{name: open(name).read() for name in os.listdir()}}
with open({seen!r}, "w") as file:
    json.dump([sys.argv[1:], shown], file)
if {mesh!r}:
    shutil.copy({mesh!r}, sys.argv[sys.argv.index("-o") + 1])
print("Error   : nothing works", file=sys.stderr)
raise SystemExit({code})
"""
MSH = """$MeshFormat
2.2 0 8
$EndMeshFormat
$Nodes
6
1 0 0 0
2 4 0 0
3 0 4 0
4 0 0 4
5 9 9 9
6 4 4 4
$EndNodes
$Elements
3
1 2 2 0 1 1 2 3
2 4 2 0 1 1 2 3 4
3 4 2 0 1 2 3 4 6
$EndElements
"""
FIRST, LAST = np.array([1.0, 2, 3]), np.array([31.0, 42.5, 53])


@pytest.fixture
def fake(tmp_path, monkeypatch):
    """Put a program gmsh on the PATH; call it with its exit code and whether it makes a mesh."""

    def put(code=0, makes=True):
        (tmp_path / "given.msh").write_text(MSH)
        program = tmp_path / "gmsh"
        mesh = str(tmp_path / "given.msh") if makes else ""
        seen = str(tmp_path / "seen.json")
        program.write_text(FAKE.format(python=sys.executable, seen=seen, mesh=mesh, code=code))
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setenv("PATH", str(tmp_path))
        return Path(seen)

    return put


def given(seen: Path) -> tuple[list[str], dict[str, str]]:
    import json

    words, shown = json.loads(seen.read_text())
    return words, shown


def test_words_for_a_box(fake):
    """Coordinates are X Y Z there; nodes of no tetrahedron are dropped, all tetrahedra upright."""
    seen = fake()
    points, cells = gmsh.mesh_with_gmsh(gmsh.cuboid(FIRST, LAST), 7.5)
    words, shown = given(seen)
    assert words == ["body.geo", "-3", "-format", "msh22", "-nt", "1", "-o", "mesh.msh"] and [*shown] == ["body.geo"]
    lines = shown["body.geo"].splitlines()
    assert "Box(1) = {3.0, 2.0, 1.0, 50.0, 40.5, 30.0};" in lines
    assert {"Mesh.MeshSizeMax = 7.5;", "Mesh.MeshSizeMin = 7.5;"} <= {*lines}
    assert points.tolist() == [[0, 0, 0], [0, 0, 4], [0, 4, 0], [4, 0, 0], [4, 4, 4]] and len(cells) == 2
    assert np.array_equal(check_mesh(points, cells), cells)


def test_words_for_a_cylinder_with_sizes(fake):
    seen = fake()
    values = np.arange(24, dtype="f4").reshape(2, 3, 4)
    sizes = Coarse(values, 5, (10, 15, 20))
    gmsh.mesh_with_gmsh(gmsh.cylinder(np.array([-4.2, 20, 30]), 12.5, 97.3), 10, sizes)
    _, shown = given(seen)
    lines = shown["body.geo"].splitlines()
    assert "Cylinder(1) = {30.0, 20.0, -4.2, 0, 0, 97.3, 12.5};" in lines
    assert {"Field[1] = Structured;", "Background Field = 1;", "Mesh.MeshSizeMax = 10.0;"} <= {*lines}
    assert not any("MeshSizeMin" in line for line in lines)
    numbers = [list(map(float, line.split())) for line in shown["sizes.txt"].splitlines()]
    assert numbers[:3] == [[2, 2, 2], [5, 5, 5], [4, 3, 2]]
    assert [row[0] for row in numbers[3:]] == [values[z, y, x] for x in range(4) for y in range(3) for z in range(2)]


def test_fails(fake, monkeypatch):
    fake(code=3)
    with pytest.raises(RunError, match="gmsh has made no mesh, exit code 3: Error : nothing works"):
        gmsh.mesh_with_gmsh(gmsh.cuboid(FIRST, LAST), 7.5)
    fake(makes=False)
    with pytest.raises(RunError, match="gmsh has made no mesh, exit code 0"):
        gmsh.mesh_with_gmsh(gmsh.cuboid(FIRST, LAST), 7.5)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(UserError, match="--mesher gmsh needs the program gmsh, which is not found"):
        gmsh.find_gmsh()


@pytest.mark.skipif(shutil.which("gmsh") is None, reason="gmsh is not installed")
def test_real_gmsh():
    points, cells = gmsh.mesh_with_gmsh(gmsh.cuboid(FIRST, LAST), 8)
    found = Quality.of(points, cells)
    assert np.allclose(points.min(axis=0), FIRST) and np.allclose(points.max(axis=0), LAST)
    assert found.volume == pytest.approx(30 * 40.5 * 50) and (found.inverted, found.flat) == (0, 0)
    assert found.edges[1] == pytest.approx(8, rel=0.2)
    sizes = Coarse(np.repeat(np.float32([3, 20, 20, 20, 20, 20]), 36).reshape(6, 6, 6), 10, (60, 60, 60))
    points, cells = gmsh.mesh_with_gmsh(gmsh.cylinder(np.array([0, 25, 25]), 20, 50), 20, sizes)
    assert (points[:, 0] < 10).mean() > 0.6 and np.hypot(*(points[:, 1:] - 25).T).max() == pytest.approx(20)
