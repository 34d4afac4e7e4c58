"""hpcdvc-mesh as a whole: bodies, masks and meshes that are there, on any number of ranks, and what it refuses."""

import errno
import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
from mesh_cases import depth_in_mask, mask, mean_edge
from plain_mesh import write_plain
from reg_ends import check_end, files, is_one_sentence, own_folder
from search_cases import written

from hpcdvc.cli import main
from hpcdvc.fem.mesh import create_cuboid, create_cylinder
from hpcdvc.fem.quality import Quality, check_mesh
from hpcdvc.options.mesh import Options
from hpcdvc.output.mesh import read_mesh_geometry

BOX = ("-cube", 12, 84, 10, 60, 5, 45)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        yield tmp_path


@pytest.fixture
def masked():
    tifffile.imwrite("mask.tif", mask(), compression="zlib")


def made(*words, name):
    """The mesh that a command writes; its tetrahedra upright."""
    assert main("mesh", list(map(str, words))) == 0
    points, cells = read_mesh_geometry(name)
    return points, check_mesh(points, cells)


def same(found, expected):
    return all(np.array_equal(one, other) for one, other in zip(found, expected, strict=True))


def test_box(capfd):
    found = made(*BOX, "-lc", 12, name="cuboid-mesh-lc12.0.hdf")
    assert same(found, create_cuboid((72, 50, 40), 12, (12, 10, 5)))
    said = capfd.readouterr()
    said = said.out + said.err
    quality = Quality.of(*found)
    for words in (rf"nodes +{quality.nodes}\n", r"inverted +0\n", r"flat +0\n", r"aspect ratio: mean, worst +1\.\d+, "):
        assert re.search(words, said), said
    record = json.loads(Path("cuboid-mesh-lc12.0.run.json").read_text())
    assert record["mesh"]["tetrahedra"] == quality.tetrahedra and record["ranks"] == 1
    points, cells = read_mesh_geometry("cuboid-mesh-lc12.0.vtk")
    assert same((points, check_mesh(points, cells)), found)
    assert {path for path in files() if "mesh" in path} == {
        f"cuboid-mesh-lc12.0.{e}" for e in ("hdf", "vtk", "run.json")
    }


def test_cylinder():
    """As the peer's line has it: its spellings that change nothing are taken."""
    words = (
        "-cylinder",
        47.5,
        46,
        36,
        12.5,
        84,
        "-lc",
        9,
        "-h5",
        "-ascii",
        "-pre",
        "cyl",
        "-od",
        "out",
        "-vtu",
        "-novtk",
    )
    found = made(*words, name="out/cyl-lc9.0.hdf")
    assert same(found, create_cylinder((47.5, 46), 36, 71.5, 9, 12.5))
    assert same(read_mesh_geometry("out/cyl-lc9.0.vtu"), read_mesh_geometry("out/cyl-lc9.0.hdf"))
    assert not Path("out/cyl-lc9.0.vtk").exists()


def test_example_of_the_api():
    """The cylinder of the example is that of the command."""
    found = made("-cylinder", -24, 27, 12.5, -4.2, 93.1, "-lc", 10, name="cylinder-mesh-lc10.0.hdf")
    np.testing.assert_allclose(found[0], create_cylinder([-24, 27], 12.5, 97.3, 10, z_origin=-4.2)[0], atol=1e-12)


def test_mask(masked, capfd):
    points, cells = made("-mf1", "mask.tif", "-lc", 8, name="mask-mesh-lc8.0.hdf")
    assert depth_in_mask(points).min() > -2 and Quality.of(points, cells).bodies == 1
    said = capfd.readouterr()
    assert "coarse copy of mask.tif: cells of 2 voxels" in said.out + said.err


def test_sizes(masked):
    sizes = np.zeros(mask().shape, "f4")
    sizes[:10] = 3
    np.save("sizes.npy", sizes)
    for words, name, far in (
        (("-mf1", "mask.tif"), "mask-mesh", 5.5),
        (("-cube", 0, 39, 0, 59, 0, 61), "cuboid-mesh", 8),
        (("-cylinder", 30, 31, 22, 0, 39), "cylinder-mesh", 5.5),
    ):
        points, cells = made(*words, "-lc", 10, "--size", "sizes.npy", name=f"{name}-lc10.0.hdf")
        middles = points[cells].mean(axis=1)[:, 0]
        ends = points[cells[:, [[0, 1], [2, 3]]]]
        lengths = np.linalg.norm(ends[:, :, 0] - ends[:, :, 1], axis=2).mean(axis=1)
        assert lengths[middles < 5].mean() < 4 < far < lengths[middles > 32].mean(), name
        if name == "cylinder-mesh":
            radii = np.hypot(points[:, 1] - 30, points[:, 2] - 31)
            assert (np.abs(radii - 22) < 1e-9).sum() > 200 and radii.max() < 22 + 1e-9
        assert (np.diff(points[:, 0]) >= 0).all() and Quality.of(points, cells).inverted == 0


def test_mesh_that_is_there():
    """Checked, turned upright, written anew; -lc makes it finer."""
    points, cells = create_cuboid((30, 30, 30), 10)
    mixed = cells.copy()
    mixed[::2] = mixed[::2, [1, 0, 2, 3]]
    values = {"mesh_points": np.float32(np.vstack([points, [99, 99, 99]])), "mesh_connectivity": mixed.astype("u4")}
    write_plain("old.h5", **values)
    found = made("--from", "old.h5", "-pre", "new", "-msh", name="new-mesh.hdf")
    assert np.array_equal(found[0], points) and {*map(frozenset, found[1].tolist())} == {
        *map(frozenset, cells.tolist())
    }
    finer = made("--from", "new-mesh.msh", "-lc", 5, name="new-mesh-lc5.0.hdf")
    assert mean_edge(*finer) == pytest.approx(5, rel=0.25)


@pytest.mark.parametrize("body", ["mask", "cylinder"])
def test_the_same_bytes_on_any_number_of_ranks(run_command, masked, body):
    np.save("sizes.npy", np.full(mask().shape, 7, "f4"))
    words = ("-mf1", "mask.tif") if body == "mask" else ("-cylinder", 30, 31, 22, 0, 39)
    words = (*words, "-lc", 9, "--size", "sizes.npy", "-vtu", "-msh", "-xdmf", "-od")
    assert main("mesh", [*map(str, words), "on1"]) == 0
    for ranks in (2, 3):
        done = run_command("mesh", *words, f"on{ranks}", ranks=ranks)
        assert done.returncode == 0, done.stderr
    assert len(written("on1", "mesh")) == 5
    assert written("on1", "mesh") == written("on2", "mesh") == written("on3", "mesh")


def test_existing_results():
    words = [*map(str, BOX), "-lc", "20"]
    assert main("mesh", words) == 0
    first = Path("cuboid-mesh-lc20.0.hdf").read_bytes()
    assert main("mesh", words) == 2  # it is there
    Path("cuboid-mesh-lc20.0.vtk").unlink()
    assert main("mesh", [*words, "--resume", "-vtu"]) == 0  # views that are asked for now
    assert Path("cuboid-mesh-lc20.0.vtk").exists() and Path("cuboid-mesh-lc20.0.vtu").exists()
    others = [*words[:-2], "-cube", *map(str, (0, 9, 0, 9, 0, 9)), "-lc", "20"]
    assert main("mesh", [*others, "--resume"]) == 2  # of another box
    assert Path("cuboid-mesh-lc20.0.hdf").read_bytes() == first
    assert main("mesh", [*others, "--force"]) == 0
    assert Path("cuboid-mesh-lc20.0.hdf").read_bytes() != first
    assert main("mesh", ["--from", "cuboid-mesh-lc20.0.hdf", "-pre", "cuboid-mesh", "-lc", "20", "--force"]) == 2


def test_dry_run(masked, capfd):
    before = files()
    assert main("mesh", ["-mf1", "mask.tif", "-lc", "8", "--dry-run"]) == 0
    said = capfd.readouterr()
    said = said.out + said.err
    assert "MB of coarse copies" in said and files() == before
    nodes, tetrahedra = map(int, re.search(r"at most (\d+) nodes and (\d+) tetrahedra", said).groups())
    points, cells = made("-mf1", "mask.tif", "-lc", 8, name="mask-mesh-lc8.0.hdf")
    assert len(points) < nodes < 3 * len(points) and len(cells) < tetrahedra < 3 * len(cells)


def test_disk_that_is_full(monkeypatch, capfd):
    """Nothing is left but the sentence, and the same line makes the mesh when there is room again."""
    before = files()
    with monkeypatch.context() as patch:
        patch.setattr("hpcdvc.output.transports.GatheredFile.put", _no_room)
        check_end(capfd, [*BOX, "-lc", 20], ["cuboid-mesh-lc20.0.hdf was not written: no space left"], 1, "mesh")
    assert {path for path in files() if "lock" not in path} == before
    assert same(made(*BOX, "-lc", 20, name="cuboid-mesh-lc20.0.hdf"), create_cuboid((72, 50, 40), 20, (12, 10, 5)))


def _no_room(*given):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_mask_with_a_damaged_plane(run_command):
    """Whichever rank meets it: one sentence, and no rank waits for another."""
    tifffile.imwrite("mask.tif", np.random.default_rng(1).integers(0, 2, mask().shape, "u1"), compression="zlib")
    with tifffile.TiffFile("mask.tif") as tif:
        offset = tif.pages[35].dataoffsets[0]
    with open("mask.tif", "r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * 40)
    done = run_command("mesh", "-mf1", "mask.tif", "-lc", 8, ranks=2)
    assert done.returncode == 2 and is_one_sentence(done.stderr, "mask.tif is damaged and cannot be read"), done.stderr
    assert not list(Path().glob("mask-mesh*.hdf"))


def test_changed_during_the_run(masked, monkeypatch, capfd):
    """A mask that is written while it is meshed: no result."""
    from hpcdvc.workflows import mesh as workflow

    def slow(*given):
        tifffile.imwrite("mask.tif", np.ones(mask().shape, "u1"))
        return make(*given)

    make = workflow.make_mesh
    monkeypatch.setattr(workflow, "make_mesh", slow)
    check_end(capfd, ["-mf1", "mask.tif", "-lc", 9], ["mask.tif changed during the run"], 1, "mesh")
    assert not list(Path().glob("mask-mesh*.hdf"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "-cube, -cylinder, --from or -mf1 is missing"),
        (("-cube", 0, 9, 0, 9, 0, 9), "-lc is missing"),
        ((*BOX, "-lc", 0), "-lc must be greater than 0"),
        ((*BOX, "-lc", "nan"), "-lc"),
        ((*BOX, "-lc", 1e-4), "nodes: give a larger lc"),
        ((*BOX, "-cylinder", 1, 1, 1, 1, 2, "-lc", 5), "give only one of"),
        (("-cube", 0, 9, 9, 0, 0, 9, "-lc", 5), "-cube ends at y = 0, which is not beyond its beginning, 9"),
        (("-cube", 0, 9, 0, 9, 0, "-lc", 5), "-cube"),
        (("-cylinder", 5, 5, 3, 4, 4, "-lc", 5), "-cylinder ends at z = 4, which is not beyond its beginning, 4"),
        (("-cylinder", 5, 5, 0, 0, 4, "-lc", 5), "-cylinder needs a radius above 0"),
        (("-mf1", "flat.tif", "-lc", 5), "flat.tif is a 2-D image"),
        (("-mf1", "empty.tif", "-lc", 5), "empty.tif is an empty mask"),
        (("-mf1", "thin.tif", "-lc", 15), "thin.tif: its body is too small or too thin for edges of 15 voxels"),
        (("-mf1", "nowhere.tif", "-lc", 5), "nowhere.tif"),
        (("-mf1", "thin.tif", "--size", "empty.tif", "-lc", 5), "the volume of sizes does not fit"),
        (("-mf1", "thin.tif", "--mesher", "gmsh", "-lc", 5), "--mesher gmsh makes boxes and cylinders"),
        ((*BOX, "--mesher", "gmsh", "-lc", 20), "needs the program gmsh"),
        (("--from", "nowhere.vtk"), "nowhere.vtk"),
        (("--from", "thin.tif"), "thin.tif is no HDF5 file"),
        (("--from", "flat.h5"), "flat.h5: 12 of 12 tetrahedra are flat"),
        (("--from", "folded.h5"), "tetrahedra are inverted: they overlap their neighbours"),
        ((*BOX, "-lc", 20, "-od", "thin.tif"), "thin.tif"),
        ((*BOX, "-lc", 20, "-pre", "a/b"), "-pre"),
    ],
)
def test_refused(words, told, capfd, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    tifffile.imwrite("flat.tif", np.ones((9, 9), "u1"))
    tifffile.imwrite("empty.tif", np.zeros((30, 30, 30), "u1"))
    tifffile.imwrite("thin.tif", np.pad(np.ones((1, 20, 20), "u1"), 20))
    points, cells = create_cuboid((3, 3, 3), 5)
    write_plain("flat.h5", mesh_points=points * (1, 1, 0), mesh_connectivity=cells)
    points[4] = (1.5, 1.5, 9)
    write_plain("folded.h5", mesh_points=points, mesh_connectivity=cells)
    before = files()
    check_end(capfd, words, [told], 2, "mesh")
    assert files() == before


def test_of_python():
    with pytest.raises(ValueError, match="-lc is missing"):
        Options(cuboid=(0, 1, 2, 3, 4, 5))
    assert Options(cuboid=(0, 1, 2, 3, 4, 5), lc=4, vtk=False, msh=True).views == ("msh",)
