"""hpcdvc-passPhiField as a whole: what points get, from registrations, nodes and particles; what is refused."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from reg_ends import check_end, own_folder
from table_cases import FLAT, GRID, SHAPE, field, filtered, grains, phi_of, save, save_all

from hpcdvc.cli import main
from hpcdvc.fields.rows import some_rows
from hpcdvc.fields.status import Family
from hpcdvc.output.hdf5 import read_field, read_metadata
from hpcdvc.output.tsv import read_tsv


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_all()
        yield tmp_path


def passed(*words):
    return filtered(*words, command="passPhiField")


def test_a_registration_at_nodes():
    """Displacements are those of all of Phi, F is the part that was asked for."""
    for part in ("all", "rigid", "no"):
        found = passed("-pf", "reg.tsv", "-ns3", 16, 20, 24, "-im1", "im1.tif", "-F", part)
        np.testing.assert_allclose(found.displacement, phi_of(found.positions, 0.0)[:, :, 3], atol=1e-7)
        f = found.phi[:, :3, :3]
        stretch = f[0].T @ f[0] if part != "no" else f[0]
        assert np.allclose(stretch, np.eye(3), atol=1e-8) == (part != "all") and (f == f[0]).all()
        assert found.grid.spacing == (16, 20, 24) and (found.return_status == 1).all()
        assert found.family in (Family.PASSED, Family.SEARCH)


def test_progress_counts_what_got_something(capfd, monkeypatch):
    """Rows of fields that are made of others are status 1 where all is well."""
    monkeypatch.setattr("hpcdvc.ranks.progress.LINE", 0)
    passed("-pf", "reg.tsv", "-ns", 20, "-im1", "im1.tif")
    said = capfd.readouterr().err
    assert "100.0% with a result" in said and "% converged" not in said


def test_nodes_whose_numbers_are_called_label(here):
    """As spam writes a grid less a registration: no node of it is lost, and it is a grid."""
    start = passed("-pf", "grid.tsv", "-regs", "reg.tsv")
    assert main("passPhiField", ["-pf", "grid.tsv", "-regs", "reg.tsv", "-pre", "spam"]) == 0
    path = Path("spam-passed-regs-rigid.tsv")
    path.write_text(path.read_text().replace("NodeNumber", "Label", 1))
    assert main("filterPhiField", ["-pf", str(path), "-srs", "-pre", "nodes"]) == 0
    found = read_field("nodes-filtered.hdf")
    assert found.grid == start.grid and "label" not in found.extra and found.return_status[0] == start.return_status[0]


def test_what_is_written():
    passed("-pf", "reg.hdf", "-lab1", "labels.tif")
    words = ["-pf", "grid.hdf", "-ns", "12", "-im1shape", *map(str, SHAPE), "-nn", "8", "-od", "out", "-tif", "-vtk"]
    assert main("passPhiField", words) == 0
    assert {path.name for path in Path("out").iterdir()} >= {
        f"grid-passed-ns12{end}" for end in (".hdf", ".tsv", ".vtk", "-Zdisp.tif", "-returnStatus.tif", ".run.json")
    }
    table, stored = read_tsv("out/grid-passed-ns12.tsv"), read_field("out/grid-passed-ns12.hdf")
    np.testing.assert_allclose(table.phi, stored.phi, rtol=1e-8)
    assert Path("out/grid-passed-ns12.tsv").read_text().split()[16:18] == ["pixelSearchCC", "returnStatus"]
    assert read_metadata("out/grid-passed-ns12.hdf", "family")["family"] == "passed"


def test_only_measured_rows_lend():
    """Near a row that failed points take what the others say; -rst 1 asks for one of those."""
    node = GRID.positions()[41]
    words = ("-pf", "grid.tsv", "-ns3", *node.astype(int), "-im1shape", *(node.astype(int) + 2), "-nr", 13)
    found, row = passed(*words), 0
    assert (found.positions == node).all()
    near = np.linalg.norm(GRID.positions() - node, axis=1)
    some = np.flatnonzero((near <= 13) & (near > 0) & (field(GRID).return_status == 2))
    weights = 1 / (near[some] + 1e-6)
    np.testing.assert_allclose(
        found.displacement[row], (weights @ field(GRID).displacement[some]) / weights.sum(), atol=1e-6
    )
    asked = passed(*words, "-rst", 1)
    np.testing.assert_allclose(asked.displacement[row], field(GRID).displacement[41], atol=1e-4)


def test_points_without_neighbours_say_so():
    found = passed("-pf", "grid.hdf", "-ns", 9, "-im1shape", 60, 120, 64, "-nr", 11)
    far = found.positions[:, 1] > GRID.positions()[:, 1].max() + 11
    assert far.any() and (found.return_status[far] == -12).all() and np.isnan(found.phi[far, :3]).all()
    assert (found.return_status[~far] == 1).any() and found.grid is not None
    around = passed("-pf", "grid.hdf", "-ns", 9, "-im1shape", 60, 120, 64, "-nr", 11, "-cps")
    low, high = GRID.positions().min(axis=0), GRID.positions().max(axis=0)
    inside = ((found.positions >= low) & (found.positions <= high)).all(axis=1)
    assert not (around.return_status[~inside] == 1).any() and (around.return_status == 1).any()


def test_particles():
    image, centres, labels = grains()
    found = passed("-pf", "grid.hdf", "-lab1", "labels.tif", "-nn", 8)
    assert (found.extra["label"] == labels).all() and (found.positions == centres).all()
    assert np.abs(found.displacement - phi_of(centres)[:, :, 3]).max() < 0.6  # a mean of neighbours
    back = passed("-pf", "grains.tsv", "-ns", 20, "-im1", "im1.tif", "-nn", 1)
    nearest = np.linalg.norm(centres - back.positions[:, None], axis=2)
    nearest[:, 2] = np.inf  # that one is not measured
    np.testing.assert_allclose(back.displacement, phi_of(centres)[nearest.argmin(axis=1), :, 3], atol=1e-6)


def test_two_dimensions():
    found = passed("-pf", "flat.hdf", "-ns", 12, "-im1", "flat.tif", "-nn", 4)
    assert found.grid.shape[0] == 1 and (found.positions[:, 0] == 0).all() and (found.return_status == 1).all()
    assert np.abs(found.displacement - phi_of(found.positions)[:, :, 3]).max() < 1


def test_factors():
    """-pfb, -regsb: a result of images binned by two."""
    found = passed("-pf", "reg.tsv", "-pfb", 2, "-ns", 16, "-im1", "im1.tif")
    np.testing.assert_allclose(found.displacement, 2 * phi_of(found.positions / 2, 0.0)[:, :, 3], atol=1e-7)


def test_a_registration_subtracted():
    start = field(GRID)
    found = passed("-pf", "grid.hdf", "-regs", "reg.hdf", "-regsF", "all")
    good = start.measured
    bent = phi_of(GRID.positions())[:, :, 3] - phi_of(GRID.positions(), 0.0)[:, :, 3]
    np.testing.assert_allclose(found.displacement[good], bent[good], atol=1e-9)
    assert (found.phi[:, :3, :3] == start.phi[:, :3, :3]).all() and found.grid == GRID
    assert (found.return_status[good] == 2).all() and np.isnan(found.displacement[~good]).all()
    assert found.return_status[41] == -12 and (found.return_status[[3, 60]] == (-1, -5)).all()
    assert not found.measured[~good].any()
    rigid = passed("-pf", "grid.hdf", "-regs", "reg.hdf")
    disp = passed("-pf", "grid.hdf", "-regs", "reg.hdf", "-regsF", "no")
    shift = field(GRID).displacement[80] - (phi_of(GRID.positions())[80] - phi_of(GRID.positions(), 0.0)[80])[:, 3]
    np.testing.assert_allclose(disp.displacement[good], start.displacement[good] - shift, atol=1e-9)
    assert np.abs(rigid.displacement[good] - bent[good]).max() > 0.1


def test_particles_merged_with_a_grid():
    _, centres, labels = grains()
    image = tifffile.imread("labels.tif")
    start, positions = field(GRID), GRID.positions().astype(int)
    lies_in = image[tuple(positions.T)]
    inside = np.isin(lies_in, np.delete(labels, 2))  # particle 2 is not measured
    found = passed("-pf", "grid.tsv", "-pf2", "grains.tsv", "-lab1", "labels.tif")
    measured = start.measured
    assert (found.return_status[measured] == 2).all()
    np.testing.assert_allclose(found.phi[measured], start.phi[measured], rtol=1e-8)
    assert (found.return_status[~measured & inside] == 1).all()
    lost = ~measured & ~inside
    assert lost.any() and (found.return_status[lost] == -12).all() and np.isnan(found.phi[lost, :3]).all()
    labelled = passed("-pf", "grid.tsv", "-pf2", "grains.tsv", "-lab1", "labels.tif", "-mpl")
    particles = field(None, centres, label=labels, failed={})
    for node in np.flatnonzero(inside):
        row = np.flatnonzero(labels == lies_in[node])[0]
        wanted = particles.displacement[row] + gradient_of(particles, row) @ (positions[node] - centres[row])
        np.testing.assert_allclose(labelled.displacement[node], wanted, atol=1e-6)
    assert (labelled.return_status[inside] == 1).all() and (labelled.return_status[measured & ~inside] == 2).all()


def gradient_of(some, row):
    return some.phi[row, :3, :3] - np.eye(3)


GRID_WORDS = ("-ns", 9, "-im1shape", *SHAPE)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("-pf", "flat.tsv", "-regs", "reg.tsv"), 2, "flat.tsv was measured on images in two dimensions"),
        (("-pf", "grid.tsv"), 2, "-ns"),
        (("-pf", "grid.tsv", "-ns", 9), 2, "-im1shape"),
        (("-pf", "grid.tsv", *GRID_WORDS, "-im1", "im1.tif"), 2, "-im1shape"),
        (("-pf", "grid.tsv", *GRID_WORDS, "-lab1", "labels.tif"), 2, "only one of"),
        (("-pf", "grid.tsv", *GRID_WORDS, "-nn", 4, "-nr", 9), 2, "-nr and -nn"),
        (("-pf", "grid.tsv", *GRID_WORDS, "-rst", 4), 2, "-rst 4"),
        (("-pf", "grid.tsv", *GRID_WORDS, "-nr", 0.001), 1, "-12"),
        (("-pf", "grid.tsv", "-ns", 90, "-im1shape", *SHAPE), 2, "90"),
        (("-pf", "flat.tsv", *GRID_WORDS), 2, "flat.tsv"),
        (("-pf", "twice.tsv", *GRID_WORDS), 2, "same point"),
        (("-pf", "failed.tsv", *GRID_WORDS), 2, "no row of failed.tsv is measured"),
        (("-pf", "nowhere.tsv", *GRID_WORDS), 2, "nowhere.tsv"),
        (("-pf", "grid.tsv", "-lab1", "float.tif"), 2, "whole numbers"),
        (("-pf", "grid.tsv", "-lab1", "im1.tif"), 2, "no particle"),
        (("-pf", "grid.tsv", "-lab1", "labels.tif", "labels.tif"), 2, "one label image"),
        (("-pf", "grid.tsv", "-regs", "grid.hdf"), 2, "registration has one"),
        (("-pf", "reg.tsv", "-regs", "reg.hdf"), 2, "one row"),
        (("-pf", "grid.tsv", "-pf2", "grains.tsv"), 2, "label image for each"),
        (("-pf", "grid.tsv", "-pf2", "grid.hdf", "-lab1", "labels.tif"), 2, "no column Label"),
        (("-pf", "grains.tsv", "-pf2", "grains.hdf", "-lab1", "labels.tif"), 2, "no regular grid"),
        (
            ("-pf", "grid.tsv", "-pf2", "grains.tsv", "-lab1", "others.tif"),
            2,
            "grains.tsv has the particle 2 more than 1",
        ),
    ],
)
def test_refused(words, code, told, capfd):
    tifffile.imwrite("others.tif", np.roll(grains()[0], 2, axis=1))
    text = Path("grains.tsv").read_text().splitlines()
    table = ["\t".join(line.split("\t")[1:]) for line in text]
    Path("twice.tsv").write_text("\n".join([*table, table[3]]) + "\n")
    save("failed", some_rows(field(GRID), np.array([3, 40, 41])))
    tifffile.imwrite("float.tif", np.ones(SHAPE, np.float32))
    check_end(capfd, (*words, "-od", "out", "-q"), [told], code, "passPhiField")
    assert code == 1 or not list(Path().glob("out/*.hdf"))


def test_one_layer_of_nodes():
    """Of a volume: as good as anything else."""
    layer = some_rows(field(GRID), np.arange(42))
    assert np.ptp(layer.positions[:, 0]) == 0 and FLAT.shape[0] == 1
    save("layer", layer)
    found = passed("-pf", "layer.tsv", "-ns", 10, "-im1", "im1.tif", "-nn", 4)
    assert (found.return_status == 1).all()


@pytest.mark.parametrize("grey", [True, False])
def test_grey_values_for_labels_are_noticed(grey, capfd):
    """Each of many labels reaches through the whole image: the arguments may have been swapped."""
    values = np.random.default_rng(0).integers(0, 200, SHAPE, np.uint8)
    tifffile.imwrite("other.tif", values if grey else np.where(values > 30, 1, 0).astype("u1"))
    passed("-pf", "reg.tsv", "-lab1", "other.tif")
    assert ("labels of other.tif are together 199 times the image" in capfd.readouterr().err) == grey
