"""hpcdvc-convert as a whole: round trips, tables for spam, what is refused, on any number of ranks."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from affine_field import GRID, GRID_2D, METADATA, affine_rows, field_of_rows
from reg_ends import check_end, is_one_sentence, own_folder

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.errors import UserError
from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fields.status import STATUSES, Family, Status
from hpcdvc.options.convert import Options
from hpcdvc.output import files, hdf5, numbers, tsv
from hpcdvc.output.mesh_file import MeshFile
from hpcdvc.ranks.team import Team
from hpcdvc.workflows.convert import run

pytestmark = pytest.mark.usefixtures("here")


@pytest.fixture
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


def convert(source, target, *words, code=0):
    """In this process; overwrites."""
    assert main("convert", [str(source), str(target), "--force", *words]) == code


def write(kind, path="a.tsv"):
    """A table of a family; the field."""
    grid = {"ldic": GRID, "2-D": GRID_2D, "search": GRID}.get(kind)
    positions = GRID.positions()[:1] if kind == "reg" else (grid or GRID).positions()
    extra = {"label": np.arange(len(positions)) + 3} if kind == "labels" else {}
    extra |= {"CC": np.arange(len(positions)) / 128} if kind == "search" else {}
    field = field_of_rows(affine_rows(positions, [0, 7] if len(positions) > 7 else []), grid, positions, extra)
    field.family = Family.SEARCH if kind == "search" else Family.REGISTRATION
    tsv.write_tsv(path, field)
    return field


@pytest.mark.parametrize("kind", ["reg", "ldic", "2-D", "search", "labels"])
def test_round_trip(kind):
    """A table of ours comes back as it was, and the file between is of the right kind and family."""
    field = write(kind)
    convert("a.tsv", "b.hdf")
    convert("b.hdf", "c.tsv")
    assert Path("c.tsv").read_text() == Path("a.tsv").read_text()
    found = hpcdvc.read("b.hdf")
    assert (found.grid, found.family) == (field.grid, field.family)
    kinds = {"reg": "registration", "labels": "labels"}
    assert found.metadata["kind"] == kinds.get(kind, "grid")
    assert found.metadata["provenance"]["program"] == "hpcdvc-convert"
    assert found.metadata["provenance"]["input"]["name"] == "a.tsv"


def test_tables_of_the_peer(shared, monkeypatch):
    """All of them: the same numbers in the file and in the table made of it; what is none is refused."""
    monkeypatch.setattr(files, "_sync", lambda path: None)  # of hundreds of files
    converted, team = 0, Team()
    for path in sorted((shared / "oracle" / "spam").glob("*/*.tsv")):
        names = path.read_text().split("\n")[0].split("\t")
        if "StrainPointNumber" in names:
            run(Options(input=str(path), output="a.hdf", force=True), team)
            np.testing.assert_array_equal(hpcdvc.read("a.hdf").measured, hpcdvc.read(path).measured)
            continue
        if not {"Zpos", "Zdisp"} <= set(names):
            with pytest.raises(UserError, match=path.name):
                run(Options(input=str(path), output="a.hdf", force=True), team)
            continue
        converted += 1
        run(Options(input=str(path), output="a.hdf", force=True), team)
        run(Options(input="a.hdf", output="a.tsv", force=True), team)
        field = tsv.read_tsv(path)
        first = len(field) - len(hpcdvc.read(path))
        for other in (hdf5.read_field("a.hdf"), tsv.read_tsv("a.tsv")):
            assert (other.grid, other.family) == (field.grid, field.family), path
            for name in ("positions", "phi", "return_status", "iterations", "error", "delta_phi_norm"):
                expected = getattr(field, name)[first:]
                np.testing.assert_allclose(getattr(other, name), expected, rtol=5e-9, err_msg=f"{path} {name}")
            for name, values in other.extra.items():
                expected = field.extra[name][first:] if name in field.extra else 0  # of the column set
                np.testing.assert_allclose(values, expected, rtol=5e-9, err_msg=f"{path} {name}")
    assert converted > 60


def test_a_table_for_spam():
    """Statuses by the last column of their table; nothing else changes."""
    codes = np.array([*STATUSES, *[Status.CONVERGED] * (GRID.size - len(STATUSES))], "i4")
    field = field_of_rows(affine_rows(GRID.positions()), GRID)
    field.return_status[:] = codes
    hdf5.save_field("a.hdf", field, METADATA)
    convert("a.hdf", "a.tsv", "--for", "spam")
    found = tsv.read_tsv("a.tsv")
    assert found.return_status.tolist() == [STATUSES[Status(code)].for_peer for code in codes]
    assert found.return_status.min() == -7 and found.return_status.max() == 2
    np.testing.assert_allclose(found.phi, field.phi, rtol=5e-9)


@pytest.mark.parametrize("background", [False, True])
def test_labels_for_spam(background):
    """The number of a row is its label; what is not there is -7 and NaN, and the background 0."""
    labels = np.array([0, 2, 3, 6] if background else [2, 3, 6], "u4")
    positions = np.arange(3.0 * len(labels)).reshape(-1, 3)
    field = field_of_rows(affine_rows(positions), None, positions, {"label": labels, "label_dilate": labels})
    field.return_status[-1] = Status.FEW_VALID_VOXELS
    field.return_status[labels == 0] = Status.NOT_EVALUATED
    tsv.write_tsv("a.tsv", field)
    convert("a.tsv", "b.tsv", "--for", "spam")
    table = np.genfromtxt("b.tsv", delimiter="\t", names=True)
    assert table.dtype.names[:22] == tsv.COLUMN_SETS["T3"]
    assert table["Label"].tolist() == list(range(7))
    assert table["returnStatus"].tolist() == [0, -7, 2, 2, -7, -7, -4]
    assert np.isnan(table["Zdisp"]).tolist() == [False, True, False, False, True, True, False]
    assert (table["Zdisp"][0], table["Fzz"][0], table["LabelDilate"][3]) == (0, 1, 3)
    assert table["Xpos"][2] == positions[-3, 2] and table["Xpos"][4] == 0
    convert("b.tsv", "c.hdf")  # and back: the row of the background goes
    back = hpcdvc.read("c.hdf")
    assert back["label"].tolist() == [1, 2, 3, 4, 5, 6] and back.return_status.tolist() == [-7, 2, 2, -7, -7, -6]


def test_labels_that_are_too_many(capfd):
    field = field_of_rows(affine_rows(np.ones((1, 3))), None, np.ones((1, 3)), {"label": np.array([2**31])})
    tsv.write_tsv("a.tsv", field)
    check_end(capfd, ("a.tsv", "b.tsv", "--for", "spam"), ["for label 2147483648"], 2, "convert")


def test_images_and_vtk():
    field = write("ldic")
    convert("a.tsv", "b.hdf")
    convert("b.hdf", "c.vtk")
    convert("b.hdf", "d/e.tif")
    found = hpcdvc.read("c.vtk")
    shown = np.where(field.measured[:, None], field.displacement, np.nan)
    np.testing.assert_allclose(found.displacement, shown, rtol=5e-9)
    image = tifffile.imread("d/e-Ydisp.tif")
    np.testing.assert_array_equal(image.ravel(), shown[:, 1].astype("f4"))
    assert image.shape == GRID.shape
    convert("c.vtk", "e.hdf")
    assert hpcdvc.read("e.hdf").grid == GRID


def test_what_is_not_kept_is_said(caplog):
    rows = affine_rows(GRID.positions())
    hdf5.write_field("a.hdf", rows, 0, GRID, METADATA, advice={2: "nothing"})
    with caplog.at_level("INFO", "hpcdvc"):
        run(Options(input="a.hdf", output="a.tsv"), Team())
    said = "a.tsv does not hold: parameters, provenance, what to try after failed points, F_std, Phi_variance"
    assert any(message.startswith(said) for message in caplog.messages), caplog.messages
    caplog.clear()
    Path("b.tsv").write_text("Zpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\tcolour\n1\t2\t3\t4\t5\t6\t7\n")
    with caplog.at_level("INFO", "hpcdvc"):
        run(Options(input="b.tsv", output="b.hdf"), Team())
    assert "columns that no file of hpcdvc has are left out: colour" in caplog.messages


REFUSED = {
    ("a.tsv", "a.tsv"): "the result would replace a.tsv, from which it is made",
    ("a.tsv", "link.tsv"): "the result would replace a.tsv, from which it is made",
    ("a.tsv", "there.hdf"): "there.hdf exists: --force overwrites it",
    ("a.tsv", "t.tif"): "t-Zdisp.tif exists: --force overwrites it",
    ("a.tsv", "b.xyz"): "b.xyz: what is written ends in .hdf, .tsv, .vtk, .tif",
    ("a.tsv", "b"): "b: what is written ends in",
    ("a.xyz", "b.hdf"): "a.xyz: what is read ends in .hdf, .tsv, .vtk",
    ("a.tif", "b.hdf"): "a.tif: images do not say how far apart their nodes are; -ns does",
    ("a.hdf", "b.hdf"): "of one format: copy the file",
    ("a.tsv", "b.vtk", "--for", "spam"): "--for spam writes a table, and b.vtk does not end in .tsv",
    ("none.tsv", "b.hdf"): "none.tsv: no such file",
    ("empty.tsv", "b.hdf"): "empty.tsv is empty",
    ("header.tsv", "b.hdf"): "header.tsv has a header line, but no rows",
    ("garbage.tsv", "b.hdf"): "garbage.tsv, line 2: 2 columns, but the header names 3",
    ("binary.tsv", "b.hdf"): "binary.tsv is not a text file",
    ("zeros.tsv", "b.hdf"): "zeros.tsv is not a text file",
    ("word.tsv", "b.hdf"): "word.tsv, line 9: 'x' is not a number",
    ("empty.vtk", "b.tsv"): "empty.vtk ends too early, at line 0",
    ("text.hdf", "b.tsv"): "text.hdf is not an HDF5 file",
    ("image.hdf", "b.tsv"): "is an HDF5 file, but not a result of hpcdvc",
    ("mesh.hdf", "b.tsv"): "mesh.hdf is a mesh without displacements: hpcdvc-gdic measures them",
    ("labels.tsv", "b.tif"): "images are made of fields on a regular grid",
    (".", "b.tsv"): ".: what is read ends in",
    ("a.tsv", "a.tsv/b.hdf"): "the output folder a.tsv cannot be written",
}


@pytest.mark.parametrize("words", REFUSED, ids=" ".join)
def test_refused(words, capfd):
    write("labels", "labels.tsv")
    write("ldic")
    lines = Path("a.tsv").read_text().split("\n")
    Path("link.tsv").symlink_to("a.tsv")
    made = {
        "empty.tsv": b"",
        "header.tsv": lines[0].encode(),
        "garbage.tsv": b"this is\tnot a\tTSV\n1\t2\n",
        "binary.tsv": b"\0\0\xff\xfe\x80",
        "zeros.tsv": bytes(1000),
        "word.tsv": "\n".join([*lines[:8], "x" + lines[8][1:], *lines[9:]]).encode(),
        "empty.vtk": b"",
        "text.hdf": b"text",
        "there.hdf": b"what was there",
        "t-Zdisp.tif": b"what was there",
    }
    for name, content in made.items():
        Path(name).write_bytes(content)
    h5py.File("image.hdf", "w").close()
    MeshFile("mesh", {}).write(*create_cuboid((9, 9, 9), 5), {})
    before = {path: path.read_bytes() for path in Path().iterdir()}
    check_end(capfd, words, [REFUSED[words]], 2, "convert")
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_an_input_that_changes(monkeypatch, capfd):
    """While it is read: no result of two tables."""
    write("ldic")
    blocks = numbers.Share.blocks

    def changing(share):
        Path("a.tsv").write_text(Path("a.tsv").read_text().replace("0.99", "0.98"))
        yield from blocks(share)

    monkeypatch.setattr(numbers.Share, "blocks", changing)
    check_end(capfd, ("a.tsv", "b.hdf"), ["a.tsv changed during the run"], 1, "convert")
    assert not Path("b.hdf").exists() and not list(Path().glob("*.lock"))


@pytest.mark.parametrize("ranks", [2, 3])
def test_same_files_on_any_number_of_ranks(run_command, ranks):
    write("ldic")
    convert("a.tsv", "one.hdf")
    done = run_command("convert", "a.tsv", "more.hdf", ranks=ranks, cwd=Path.cwd())
    assert done.returncode == 0, done.stderr
    assert Path("more.hdf").read_bytes() == Path("one.hdf").read_bytes()
    done = run_command("convert", "more.hdf", "a.tsv", ranks=ranks, cwd=Path.cwd())
    assert done.returncode == 2 and is_one_sentence(done.stderr, "a.tsv exists: --force overwrites it")
