"""hpcdvc-gdic as a whole: its files, what it starts from, and the same bytes on any number of ranks."""

import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from gdic_cases import FIELD, box, images, save_case, save_mesh, unrelated
from ldic_cases import digest
from reg_ends import is_one_sentence, play_command

from hpcdvc.cli import main
from hpcdvc.fem.quality import orient
from hpcdvc.fields.status import Status
from hpcdvc.options.gdic import Options
from hpcdvc.output.hdf5 import read_field, read_metadata, read_table
from hpcdvc.output.mesh import read_mesh, read_mesh_geometry
from hpcdvc.output.mesh_result import read_elements
from hpcdvc.output.tsv import read_tsv
from hpcdvc.output.vtk_reader import read_vtk
from hpcdvc.workflows.gdic import GdicTask, Tetrahedra, control_of, solver_needs

PAIR = ("im1.tif", "im2.tif", "box.h5")
STEM = "im1-im2-GDIC"
WHOLE = ("-str", "-vtk", "-r", "regular.yaml", "-solver", "pcg", "-q")
REGULAR = "young: 10\npoisson: 0.25\nxiBulk: 12\nperiods: 1\n"


@pytest.fixture(scope="module")
def case(tmp_path_factory, run_command):
    """A folder with images, mesh and parameters, and a result of them in `done`."""
    folder = tmp_path_factory.mktemp("gdic")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        save_case()
        Path("regular.yaml").write_text(REGULAR)
        done = run_command("gdic", *PAIR, "-od", "done", *WHOLE)
        assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def here(case, monkeypatch):
    monkeypatch.chdir(case)
    play_command(monkeypatch, "gdic")
    return case


def error(field) -> np.ndarray:
    return field.displacement - FIELD.displacement(field.positions)


def test_nodes(here):
    """A row for each node, with F and the standard deviation."""
    field = read_field(f"done/{STEM}.hdf")
    points, _ = box()
    assert np.array_equal(field.positions, points) and field.measured.all()
    spread = np.sqrt(field.extra["variance"][:, 3::4])
    assert np.abs(error(field)).max() < 0.2 and 0.6 < np.sqrt(((error(field) / spread) ** 2).mean()) < 1.4
    assert np.abs(field.phi[:, :3, :3] - FIELD.F).max() < 0.02
    assert (field.extra["zncc"] > 0.98).all() and (field.extra["valid_fraction"] == 1).all()
    table = read_tsv(f"done/{STEM}.tsv")
    assert np.allclose(table.phi, field.phi, rtol=1e-8, atol=1e-9)
    header = Path(f"done/{STEM}.tsv").read_text().split("\n")[0].split("\t")
    assert header[:4] == ["NodeNumber", "Zpos", "Ypos", "Xpos"] and header[19] == "deltaPhiNorm"


def test_file(here):
    """A mesh for ParaView: X Y Z, displacements at its points, strain and residual in its cells."""
    points, connectivity = box()
    with h5py.File(f"done/{STEM}.hdf") as file:
        root, about = file["VTKHDF"], file["hpcdvc"].attrs
        assert root.attrs["Type"] == b"UnstructuredGrid" and about["kind"] == b"mesh" or about["kind"] == "mesh"
        assert (root["Types"][:] == 10).all() and np.array_equal(root["Points"][:], points[:, ::-1])
        assert np.array_equal(root["Connectivity"][:].reshape(-1, 4)[:, [0, 1, 3, 2]], connectivity)
        cells = {name: root[f"CellData/{name}"][:] for name in root["CellData"]}
    assert set(cells) >= {"vol", "dev", "volss", "devss", "e", "residual", "zncc", "valid_fraction", "returnStatus"}
    assert "gain" not in cells and np.median(cells["residual"]) == pytest.approx(0.05 * 5000 * 2**0.5, rel=0.2)
    assert cells["vol"].mean() == pytest.approx(np.linalg.det(FIELD.F) - 1, abs=2e-3)
    xx, yy, zz = cells["e"].mean(axis=0)[:3]
    assert (zz, yy, xx) == pytest.approx(np.diag(FIELD.F) - 1, abs=3e-3)
    history = read_table(f"done/{STEM}.hdf", "iterations")
    assert history["status"].tolist()[-1] == Status.CONVERGED and (history["status"][:-1] == 0).all()
    assert history["change"][-1] < 0.01 and history["settling"][-1] < 1e-3
    record = json.loads(Path(f"done/{STEM}.run.json").read_text())
    assert record["points"]["measured"] == len(points) and record["end"]["number"] == len(history) - 1 > 1
    assert read_metadata(f"done/{STEM}.hdf")["provenance"]["program"] == "hpcdvc-gdic"


def test_readers(here):
    """The mesh is read back with its displacements, as that of another measurement, and from the legacy file."""
    points, connectivity = box()
    for read in (read_mesh, read_mesh_geometry):
        found = read(f"done/{STEM}.hdf")[:2]
        assert np.array_equal(found[0], points) and np.array_equal(orient(*found), connectivity)
    assert read_elements(f"done/{STEM}.hdf").members["vol"].shape == (len(connectivity),)
    mesh = pytest.importorskip("meshio").read(f"done/{STEM}.vtk")
    assert np.array_equal(mesh.cells_dict["tetra"][:, [0, 1, 3, 2]], connectivity)
    field = read_field(f"done/{STEM}.hdf")
    assert np.allclose(mesh.point_data["displacements"][:, ::-1], field.displacement, rtol=1e-6)
    assert set(mesh.cell_data) >= {"vol", "residual"}
    nodes = read_vtk(f"done/{STEM}.vtk")
    assert np.allclose(nodes.positions, points, rtol=1e-8) and np.array_equal(nodes.return_status, field.return_status)
    assert np.allclose(nodes.displacement, field.displacement, rtol=1e-6)


def test_tables_hold_no_tetrahedra(here, capfd):
    """hpcdvc-convert says it."""
    assert main("convert", [f"done/{STEM}.hdf", "nodes.tsv"]) == 0
    said = "nodes.tsv does not hold: parameters, provenance, the tetrahedra and what is in them"
    assert said in "".join(capfd.readouterr())


def test_residual_volume(here):
    """hpcdvc-deformImage takes the result; what is left is the noise."""
    words = ["im1.tif", "--mesh", f"done/{STEM}.hdf", "--residual", "im2.tif", "-od", "deformed", "-o", "3", "-q"]
    assert main("deformImage", words) == 0
    record = json.loads(Path("deformed/im1-mesh-def.run.json").read_text())
    assert 0.8 < record["rms_after"] / (0.05 * 5000 * 2**0.5) < 1  # interpolation takes some of the noise of im2
    assert record["rms_after"] < 0.3 * record["rms_before"]


def test_starts(here):
    """A result, a field on other points, a registration, one of the whole image, a coarse mesh: all lead there."""
    save_mesh("coarse.h5", *box(20.0))
    assert main("ldic", ["im1.tif", "im2.tif", "-hws", "6", "-ns", "10", "-od", "s", "-q"]) == 0
    assert main("reg", ["im1.tif", "im2.tif", "-od", "s", "-q"]) == 0
    expected = read_field(f"done/{STEM}.hdf")
    starts = {
        "result": ("-pf", f"done/{STEM}.hdf"),
        "field": ("-pf", "s/im1-im2-ldic.tsv"),
        "registration": ("-pf", "s/im1-im2-registration.hdf"),
        "first": ("-regbb", "2", "-regbe", "1"),
        "coarse": ("--coarse-mesh", "coarse.h5"),
    }
    for name, words in starts.items():
        assert main("gdic", [*PAIR, "-r", "regular.yaml", "-od", name, "-q", "--std", "0", *words]) == 0
        field = read_field(f"{name}/{STEM}.hdf")
        assert np.abs(field.displacement - expected.displacement).max() < 5e-3
        assert field.iterations[0] < expected.iterations[0], name
    assert read_field(f"result/{STEM}.hdf").iterations[0] == 1


def test_another_step(here):
    """A series: the result of the step before, although it lies elsewhere, is the start."""
    im1, im2 = images(noise=0.05)
    tifffile.imwrite("im3.tif", np.roll(im2, 2, axis=0))
    words = ["im1.tif", "im3.tif", "box.h5", "-pf", f"done/{STEM}.hdf", "-notsv", "-q", "-od", "step"]
    assert main("gdic", [*words, "--std", "0"]) == 0
    field = read_field("step/im1-im3-GDIC.hdf")
    assert np.abs(error(field) - [2, 0, 0]).max() < 0.3 and not Path("step/im1-im3-GDIC.tsv").exists()


def test_nothing_found(here, capfd):
    """The file is there, says why, and the exit code is 1; nothing starts from it."""
    tifffile.imwrite("other.tif", unrelated())
    assert main("gdic", ["im1.tif", "other.tif", "box.h5", "-q", "-od", "nothing"]) == 1
    assert is_one_sentence(capfd.readouterr().err, "no node is measured", "try")
    field = read_field("nothing/im1-other-GDIC.hdf")
    assert not field.measured.any() and np.isfinite(field.phi).all()
    with h5py.File("nothing/im1-other-GDIC.hdf") as file:
        assert np.isnan(file["VTKHDF/PointData/displacement"][:]).all()
    words = [*PAIR, "-pf", "nothing/im1-other-GDIC.hdf", "-od", "x"]
    assert main("gdic", words) == 2 and "none is measured" in capfd.readouterr().err


def test_dry_run(here, capfd):
    assert main("gdic", [*PAIR, "--dry-run", "-od", "dry"]) == 0
    said = capfd.readouterr()
    assert f"{len(box()[0])} nodes" in said.out + said.err and not Path("dry").exists()


def test_solver_is_counted():
    """A factorisation of many unknowns takes more than all else, with regularisation more than without."""
    body, needs = Tetrahedra("mesh.hdf", np.zeros((3059, 3)), np.zeros((9, 4), int)), {}
    for solver in ("direct", "pcg"):
        for regularisation in (None, object()):
            control = replace(control_of(Options(im1="a", im2="b", mesh="m"), body), solver=solver, probes=0)
            task = GdicTask(None, None, body, None, regularisation, None, None, control)
            needs[solver, regularisation is not None] = solver_needs(task)
    assert needs["direct", True] > needs["direct", False] > needs["pcg", False] < needs["pcg", True]
    measured = 103e6  # of two processes, less
    assert needs["direct", False][1] - needs["pcg", False][1] == pytest.approx(measured, rel=0.2)


def test_map(here):
    assert (
        main("gdic", [*PAIR, "-crit", "map", "-od", "map", "-q", "-notsv", "--std", "0", "-fm", "-solver", "pcg"]) == 0
    )
    members = read_elements(f"map/{STEM}.hdf").members
    assert members["gain"] == pytest.approx(1, abs=0.05) and "vol" not in members


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_ranks(here, run_command, ranks):
    """The same bytes, of all files."""
    done = run_command("gdic", *PAIR, "-od", f"ranks-{ranks}", *WHOLE, ranks=ranks)
    assert done.returncode == 0, done.stderr
    for ending in ("hdf", "tsv", "vtk"):
        assert digest(f"ranks-{ranks}/{STEM}.{ending}") == digest(f"done/{STEM}.{ending}")
