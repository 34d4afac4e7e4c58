"""hpcdvc-discreteStrain as a whole: particles whose strain is known, the mesh that is written, the grid beside it."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from reg_ends import is_one_sentence, own_folder
from strain_cases import FLAT_F, F, affine_field, save, table, tensor

from hpcdvc.cli import main
from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.options.discreteStrain import Options
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.mesh import read_mesh
from hpcdvc.ranks.team import Team
from hpcdvc.workflows.discreteStrain import run

ROWS, COLUMNS = np.triu_indices(3)
E_TRUE = (0.5 * (F + F.T) - np.eye(3))[ROWS, COLUMNS]


def particles(flat: bool = False, **about) -> Field:
    """Particles at places that are nearly on a grid, with gaps in their labels."""
    f = FLAT_F if flat else F
    field = affine_field((1, 9, 8) if flat else (4, 5, 6), (1.0 if flat else 10.0, 10.0, 10.0), f, flat=flat, **about)
    places = field.positions + np.random.default_rng(3).uniform(-3, 3, field.positions.shape) * (
        [0, 1, 1] if flat else 1
    )
    field.phi[:, :3, 3] = places @ (f - np.eye(3)).T
    extra = {**(field.extra or {}), "label": 2 * np.arange(len(field)) + 1}
    return replace(field, positions=places, grid=None, extra=extra)


@pytest.fixture
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        yield tmp_path


def test_particles(here):
    status = np.full(120, 2)
    status[[60, 61]] = -3
    field = particles(status=status, variance=4e-4)
    field.phi[60, :3, 3] += 20
    save("field.tsv", field)
    assert main("discreteStrain", ["field.tsv", "-ns", "5", "-comp", "e", "eq", "-vtk", "-tif", "-hws", "10"]) == 0
    rows, nodes = table("field-strain-Bagi.tsv"), table("field-strain-Bagi-ns5.tsv")
    assert np.abs(tensor(rows, "e") - E_TRUE).max() < 1e-7 and len(rows) > 200
    there = np.isfinite(nodes["ezz"])
    assert 0.5 < there.mean() < 1 and set(nodes["returnStatus"]) == {1, -12}
    assert np.abs(tensor(nodes, "e")[there] - E_TRUE).max() < 1e-7
    points, cells, displacements = read_mesh("field-strain-Bagi.hdf")
    assert len(points) == 118 and cells.shape == (len(rows), 4)
    assert displacements == pytest.approx(points @ (F - np.eye(3)).T, abs=1e-6)
    in_cells, on_grid = read_field("field-strain-Bagi.hdf"), read_field("field-strain-Bagi-ns5.hdf")
    assert in_cells.positions == pytest.approx(points[cells].mean(axis=1)) and on_grid.grid.spacing == (5, 5, 5)
    for some in (in_cells, on_grid):
        good = some.measured
        truth = some.positions[good] @ (F - np.eye(3)).T
        assert (
            some.displacement[good] == pytest.approx(truth, abs=1e-6) and np.isfinite(some.extra["eq_std"][good]).all()
        )
    # particles share no voxels: of one tetrahedron, the errors of four displacements
    weights = np.linalg.inv(np.column_stack([points[cells[0]], np.ones(4)]))[:3]
    expected = 0.02 * np.sqrt((weights**2).sum(axis=1))
    assert [rows[f"e{a}{a}_std"][0] for a in "zyx"] == pytest.approx(expected, rel=1e-6)
    assert tifffile.imread("field-eyx_std-Bagi-ns5.tif").shape == on_grid.grid.shape


def test_a_dry_run_counts_the_grid_too(here, capfd):
    save("field.tsv", particles())
    megabytes, points = [], []
    for grid in ([], ["-ns", "2"]):
        assert main("discreteStrain", ["field.tsv", "--dry-run", *grid]) == 0
        said = capfd.readouterr().out.split("core time")
        points.append(int(said[0].splitlines()[-1].removesuffix(" points")))
        megabytes.append(float(said[1].split("disk: about ")[1].split()[0]))
    assert points[1] > 8 * points[0] and megabytes[1] > 4 * megabytes[0] and not list(here.glob("*.hdf"))


def test_mesh_that_was_changed(here):
    save("field.tsv", particles())
    assert main("discreteStrain", ["field.tsv"]) == 0
    with h5py.File("field-strain-Bagi.hdf", "a") as file:
        file["VTKHDF/Connectivity"][5] = 120
    with pytest.raises(UserError, match="its cells do not fit its points"):
        read_field("field-strain-Bagi.hdf")


def test_two_dimensions(here):
    save("field.tsv", particles(flat=True))
    assert (
        main("discreteStrain", ["-pf", "field.tsv", "-comp", "e", "vol", "-ns", "4", "-pre", "mine", "-od", "out"]) == 0
    )
    rows = table("out/mine-strain-Bagi.tsv")
    assert rows["vol"] == pytest.approx(np.linalg.det(FLAT_F) - 1, abs=1e-7) and (rows["ezz"] == 0).all()
    assert read_mesh("out/mine-strain-Bagi.hdf")[1].shape[1] == 3
    assert Path("out/mine-strain-Bagi-ns4.hdf").exists()


def test_one_tetrahedron(here):
    """A result, too, though one row is what a registration has."""
    places = np.array([[4.0, 4, 4], [20, 6, 5], [6, 22, 4], [5, 5, 24]])
    field = affine_field((1, 2, 2), (1.0, 10.0, 10.0), F)
    field = replace(field, positions=places, grid=None, extra={"label": np.arange(1, 5)})
    field.phi[:, :3, 3] = places @ (F - np.eye(3)).T
    save("field.tsv", field)
    assert main("discreteStrain", ["field.tsv", "-comp", "e"]) == 0
    found = read_field("field-strain-Bagi.hdf")
    assert found.positions == pytest.approx(places.mean(axis=0)[None]) and found.measured.all()
    assert np.abs(tensor(table("field-strain-Bagi.tsv"), "e") - E_TRUE).max() < 1e-7


def test_alpha_removes_what_bridges_gaps(here):
    field = particles()
    field.positions[field.positions[:, 2] > 35, 2] += 60
    save("field.tsv", field)
    count = {}
    for alpha in (-1, 0, 400):
        assert main("discreteStrain", ["field.tsv", "-a", str(alpha), "--force"]) == 0
        points, cells, _ = read_mesh("field-strain-Bagi.hdf")
        count[alpha] = len(cells)
        bridging = (np.ptp(points[cells][..., 2], axis=1) > 50).any()
        assert bridging == (alpha == 0)
    assert count[0] > count[-1] > 100 and count[400] > 100


REFUSED = {
    "three points": (lambda: few(3), (), "needs 4 nodes"),
    "one plane": (lambda: few(30), (), "in one plane"),
    "nothing measured": (lambda: particles(status=np.full(120, -3)), (), "no row of field.tsv is measured"),
    "too small alpha": (particles, ("-a", "1e-3"), "removes all"),
    "wide spacing": (particles, ("-ns", "1000"), "no node between the points"),
    "component": (particles, ("-comp", "what"), "-comp must be"),
    "same place": (lambda: same_place(), (), "more than one point at"),
}


def few(count: int) -> Field:
    field = particles()
    names = ("positions", "phi", "return_status", "error", "iterations", "delta_phi_norm")
    extra = {"label": field.extra["label"][:count]}
    field = Field(*(getattr(field, name)[:count].copy() for name in names), None, extra)
    field.positions[:, 0] = 12
    return field


def same_place() -> Field:
    field = particles()
    field.positions[5] = field.positions[9]
    return field


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case, here, capfd):
    make, words, told = REFUSED[case]
    save("field.tsv", make())
    assert main("discreteStrain", ["field.tsv", "-q", *words]) == 2
    assert is_one_sentence(capfd.readouterr().err.splitlines()[-1], told) and not list(Path().glob("*Bagi*"))


@pytest.mark.mpi
def test_the_same_bytes_on_any_number_of_ranks(team, tmp_path_factory):
    folder = Path(team.agree(lambda: str(tmp_path_factory.mktemp("cells"))))
    team.agree(lambda: save(str(folder / "field.tsv"), particles(variance=1e-4)))
    words = {"field": str(folder / "field.tsv"), "node_spacing": 3, "components": ("vol", "dev", "H"), "quiet": True}
    run(Options(**words, out_dir=str(folder / "together")), team)
    team.on_root(lambda: run(Options(**words, out_dir=str(folder / "alone")), Team()))
    team.barrier()

    def results(name: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in (folder / name).iterdir() if "run.json" not in path.name}

    assert team.agree(lambda: len(results("alone")) == 4 and results("alone") == results("together"))
