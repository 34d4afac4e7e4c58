"""hpcdvc-deformImage refuses what it cannot use: one sentence that names it, exit code 2, no file, no hang."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from bad_input import BAD_IMAGES, BAD_TABLES, check_output_folder, check_table, refused_by
from deform_cases import deformed, nodes, save_deformations, save_flat
from ldic_cases import FIELD, SHAPE, images, save_damaged, save_field, save_pair
from plain_mesh import write_plain
from reg_ends import files, is_one_sentence, own_folder, save, write

from hpcdvc.cli import main
from hpcdvc.fields.triangulation import triangulate

FIELDS = ("-pf", "field.tsv")
REG = ("-pf", "reg.tsv")

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    for _ in own_folder(tmp_path, monkeypatch):
        save_deformations(FIELD, SHAPE)
        yield


@pytest.fixture
def refused(capfd):
    """refused(words, *expected, code=2): hpcdvc-deformImage im1.tif ends so, and leaves the folder as it was."""

    check = refused_by("deformImage", capfd)
    return lambda words, *expected, im1="im1.tif", code=2: check((im1, *words), *expected, code=code)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((), ("-pf or --mesh is missing",)),
        ((*REG, "--mesh", "mesh.h5"), ("only one of -pf and --mesh",)),
        # a field where a registration is needed, and the reverse
        ((*FIELDS, "-rr"), ("-rr makes no sense with a field", "field.tsv holds 150 rows")),
        ((*REG, "-tet"), ("-tet makes no sense with a registration", "reg.tsv holds one row")),
        ((*REG, "-disp"), ("-disp makes no sense", "reg.tsv")),
        ((*REG, "-nn", 4), ("-nn makes no sense", "reg.tsv")),
        ((*REG, "-rad", 4), ("-rad makes no sense", "reg.tsv")),
        ((*REG, "-rst", 1), ("-rst makes no sense", "reg.tsv")),
        ((*REG, "-tet", "-a", 4), ("makes no sense", "reg.tsv")),
        ((*REG, "-a", 4), ("-a needs the tetrahedra of -tet",)),
        ((*FIELDS, "-a", 4), ("-a needs the tetrahedra of -tet",)),
        ((*FIELDS, "-cgs"), ("-cgs needs the tetrahedra of -tet or --mesh",)),
        ((*FIELDS, "-tet", "-cgs", "-o", 0), ("-cgs", "-o 0")),
        ((*FIELDS, "-tet", "-disp"), ("-disp makes no sense with -tet",)),
        ((*FIELDS, "-tet", "-nn", 9), ("-nn makes no sense with -tet",)),
        (("--mesh", "mesh.h5", "-tet"), ("-tet makes no sense with --mesh",)),
        (("--mesh", "mesh.h5", "-rr"), ("-rr makes no sense with --mesh",)),
        (("--mesh", "mesh.h5", "-pfb", 2), ("-pfb makes no sense with --mesh",)),
        (("--mesh", "mesh.h5", "-rst", 1), ("-rst makes no sense with --mesh",)),
        # values
        ((*FIELDS, "-nn", 0), ("-nn", "at least 1")),
        ((*FIELDS, "-rad", 0), ("-rad", "greater than 0")),
        ((*FIELDS, "-o", 4), ("-o", "0, 1, 3 or 5")),
        ((*FIELDS, "--format", "vtk"), ("--format", "tif or hdf")),
        ((*FIELDS, "-pfb", 0), ("-pfb", "greater than 0")),
        ((*FIELDS, "-pre", "a/b"), ("-pre", "a/b")),
        ((*FIELDS, "-np", 0), ("-np", "at least 1")),
        ((*FIELDS, "-F", "all"), ("-F",)),
        ((*FIELDS, "-q", "-v"), ("-q and -v",)),
        # the rows
        ((*FIELDS, "-rst", 3), ("no row of field.tsv", "at least -rst 3", "150 of status 2")),
        ((*FIELDS, "-rad", 0.1), ("-rad 0.1 excludes all nodes of field.tsv",)),
        ((*FIELDS, "-tet", "-a", 1), ("alpha 1 removes all", "the smallest here is")),
        (("-pf", "nowhere.hdf"), ("nowhere.hdf",)),
        (("--mesh", "nowhere.h5"), ("nowhere.h5: no such file",)),
        (("--mesh", "im1.tif"), ("im1.tif",)),
        (("--mesh", "field.tsv"), ("field.tsv",)),
    ],
)
def test_options(words, expected, refused):
    refused(words, *expected)


@pytest.mark.parametrize("what", BAD_IMAGES)
def test_images(what, refused):
    make, words = BAD_IMAGES[what]
    save("other.tif", images()[0])
    make("other.tif")
    refused(FIELDS, "other.tif", words, im1="other.tif")
    refused((*FIELDS, "--residual", "other.tif"), "other.tif", words)
    refused((*FIELDS, "-mf2", "other.tif"), "other.tif", words)


def test_sizes_that_differ(refused):
    save("other.tif", images()[0][1:])
    save("flat.tif", images()[0][0])
    for words in ((*FIELDS, "--residual"), (*FIELDS, "-mf2"), (*REG, "--residual"), (*REG, "-mf2")):
        refused((*words, "other.tif"), "other.tif is 37 x 40 x 49 voxels", "im1.tif is 38 x 40 x 49 voxels")
        refused((*words, "flat.tif"), "flat.tif is 2-D, 40 x 49 pixels", "im1.tif is 38 x 40 x 49 voxels")


@pytest.mark.parametrize("what", BAD_TABLES)
def test_tables(what, refused):
    check_table(refused, what, ())


def test_rows_without_a_result(refused):
    """A field whose iterations were used up (status 1) is not measured; in a failed one nothing is there."""
    positions = nodes()
    save_field("ended.tsv", FIELD, positions, return_status=np.ones(len(positions), "i4"))
    refused(("-pf", "ended.tsv"), "no row of ended.tsv is measured", "150 of status 1", "-rst")
    nothing = np.full((len(positions), 4, 4), np.nan)
    save_field("nan.tsv", FIELD, positions, phi=nothing)
    refused(("-pf", "nan.tsv"), "no row of nan.tsv", "is finite")
    save_field("nan-reg.tsv", FIELD, positions[:1], phi=nothing[:1])
    refused(("-pf", "nan-reg.tsv"), "the registration in nan-reg.tsv is not finite")
    save_field("zero.tsv", FIELD, positions[:1], phi=np.zeros((1, 4, 4)))
    refused(("-pf", "zero.tsv"), "singular")


def test_nodes_elsewhere(refused):
    save_field("far.tsv", FIELD, nodes() + [0, 200, 0])
    refused(("-pf", "far.tsv"), "all 150 nodes of far.tsv lie outside im1.tif", "from 0 200 0 to 37 239 48", "-pfb")


def test_too_few_nodes_to_triangulate(refused):
    save_field("few.tsv", FIELD, nodes()[:3])
    refused(("-pf", "few.tsv", "-tet"), "a tetrahedron needs 4 nodes: there are only 3")
    plane = nodes()
    save_field("plane.tsv", replace(FIELD, F=np.eye(3)), plane[plane[:, 0] == 0])
    refused(("-pf", "plane.tsv", "-tet"), "30 nodes lie in one plane")


def test_meshes(refused):
    write_plain("mesh.h5", mesh_displacements=None)
    refused(("--mesh", "mesh.h5"), "mesh.h5 is no mesh with displacements")
    write_plain("mesh.h5", mesh_connectivity=np.array([[0, 1, 2, 99]]))
    refused(("--mesh", "mesh.h5"), "the connectivity names nodes from 0 to 99, there are 7")
    write_plain("mesh.h5", mesh_displacements=np.full((7, 3), np.nan))
    refused(("--mesh", "mesh.h5"), "not finite")
    write_plain("mesh.h5", mesh_connectivity=np.array([[0, 1, 2]]))
    refused(("--mesh", "mesh.h5"), "mesh.h5 is a mesh of triangles, and im1.tif is a volume")
    save_flat()
    write_plain("mesh.h5")
    refused(("--mesh", "mesh.h5"), "mesh.h5 is a mesh of tetrahedra, and im1.tif is a 2-D image")


def test_output_folder(refused):
    check_output_folder(refused, FIELDS)


@pytest.mark.parametrize("kind", ["tif", "hdf"])
def test_output_exists(kind, refused):
    def run(*words):
        return main("deformImage", ["im1.tif", *words, "--format", kind, "-q"])

    name = f"im1-def.{kind}"
    more = ("--format", kind)
    assert run(*FIELDS) == 0
    before = Path(name).read_bytes()
    refused((*FIELDS, *more), f"{name} exists", "--force", "--resume")
    changes = "(options.neighbours was 8, is 4): -pre or -od give another name, --force overwrites it"
    refused((*FIELDS, "-nn", 4, "--resume", *more), f"{name} was made with other parameters or images {changes}")
    assert run(*FIELDS, "--resume") == 0
    assert Path(name).read_bytes() == before
    assert run(*FIELDS, "-nn", "4", "--force") == 0
    assert Path(name).read_bytes() != before
    write(name, "no file of ours")
    refused((*FIELDS, "--resume", *more), f"{name} is no image that hpcdvc has written", "--force")
    os.unlink(name)
    write(f"im1-def-residual.{kind}", "something")
    refused((*FIELDS, *more, "--residual", "im2.tif"), f"im1-def-residual.{kind} exists", "--force")


def test_inputs_are_not_overwritten(refused):
    os.rename("im1.tif", "a-def.tif")
    for words in (FIELDS, (*FIELDS, "--residual", "im2.tif"), (*FIELDS, "-od", "../" + Path.cwd().name)):
        refused((*words, "-pre", "a", "--force"), "the result would replace a-def.tif", im1="a-def.tif")
    os.rename("im2.tif", "b-def-residual.tif")
    words = (*FIELDS, "-pre", "b", "--residual", "b-def-residual.tif")
    refused(words, "the result would replace b-def-residual.tif", im1="a-def.tif")


def test_disk_too_small(refused, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=10**5))
    refused((*FIELDS, "-pre", "small"), "no space", "0.2 MB are needed, 0.1 MB are free")


def test_shards_that_cannot_be_used(refused):
    Path("im1-def.parts").mkdir()
    write("im1-def.parts/1.0.rec", b"some bytes")
    refused(FIELDS, "im1-def.parts holds 0 slabs", "--resume", "--force")
    refused((*FIELDS, "--resume"), "key.json cannot be read", "--force")
    assert main("deformImage", ["im1.tif", *FIELDS, "--force", "-q"]) == 0
    assert not Path("im1-def.parts").exists()


SAMPLES = {
    "b_corrupt.tif -pf reg": "b_corrupt.tif",
    "b_empty.tif -pf reg": "b_empty.tif",
    "b_text.tif -pf reg": "b_text.tif",
    "b_trunc.tif -pf reg": "b_trunc.tif",
    "a.tif -pf reg --residual b_small.tif": "b_small.tif",
    "a.tif -pf reg --residual im2d.tif": "im2d.tif",
    "a.tif -pf reg -mf2 mask_small.tif": "mask_small.tif",
    "a.tif -pf empty.tsv": "empty.tsv",
    "a.tif -pf garbage.tsv": "garbage.tsv",
    "a.tif -pf headeronly.tsv": "headeronly.tsv",
}


@pytest.mark.parametrize("line", SAMPLES)
def test_samples(line, refused, shared):
    folder = shared / "oracle" / "bad-input"
    first, *words = ["reg.tsv" if w == "reg" else folder / w if "." in w else w for w in line.split()]
    refused((*words, "-od", "."), SAMPLES[line], im1=first)


@pytest.mark.parametrize("name", ["const", "zero", "b_nan", "b_allnan"])
def test_images_without_texture_can_be_deformed(name, shared):
    """Constant images, and those with voxels that are not numbers: these do not count in the residual."""
    folder = shared / "oracle" / "bad-input"
    words = [folder / f"{name}.tif", *REG, "--residual", folder / f"{name}.tif", "-od", ".", "-q"]
    assert main("deformImage", [str(word) for word in words]) == 0
    result, residual = (tifffile.imread(f"{name}-reg-def{end}.tif") for end in ("", "-residual"))
    source = tifffile.imread(folder / f"{name}.tif")
    assert result.dtype == source.dtype and residual.dtype == np.float32 and not np.isinf(residual).any()
    if name in ("const", "zero"):
        assert set(np.unique(result)) <= {0, source.flat[0]} and not np.nan_to_num(residual).any()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("im1.tif", *REG, "-tet"), "-tet makes no sense"),
        (("im1.tif", "-pf", "nowhere.tsv"), "nowhere.tsv"),
        (("broken.tif", *REG), "broken.tif"),
        (("im1.tif", *REG, "-mf2", "broken.tif"), "broken.tif"),
        (("im1.tif", *FIELDS, "-rst", 5), "no row of field.tsv"),
        (("im1.tif", *FIELDS, "-od", "broken.tif"), "output folder broken.tif"),
        (("damaged.tif", *FIELDS), "damaged.tif"),
    ],
)
def test_on_two_ranks(words, expected, run_command):
    """Also what only the rank that decodes it sees."""
    write("broken.tif", "text")
    save_damaged("damaged.tif")
    before = files()
    result = run_command("deformImage", *words, ranks=2, timeout=30)
    assert result.returncode in (1, 2)
    assert is_one_sentence(result.stderr, expected), result.stderr
    assert files() == before


def test_mesh_with_a_hole(caplog):
    """Tetrahedra with a node that is not measured are left out, the others are deformed as they were."""
    save_pair()
    displacements, results = FIELD.displacement(nodes()), []
    parts = {"mesh_points": nodes(), "mesh_connectivity": triangulate(nodes() + displacements)}
    for lost in (slice(0), len(displacements) // 2):
        displacements[lost] = np.nan
        write_plain("mesh.h5", **parts, mesh_displacements=displacements)
        results.append(deformed("--mesh", "mesh.h5").astype(float))
    shown = results[1] != 0
    assert "not measured, and are left out" in caplog.text and 0 < (results[0][~shown] != 0).sum() < shown.sum()
    assert np.abs(results[1] - results[0])[shown].max() <= 1
