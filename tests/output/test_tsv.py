import numpy as np
import pytest
from affine_field import GRID, GRID_2D, affine_rows, displacement, field_of_rows

from hpcdvc.errors import RunError, UserError
from hpcdvc.fields.status import Status
from hpcdvc.output import files, numbers, tsv

T1 = (
    "NodeNumber Zpos Ypos Xpos Fzz Fzy Fzx Zdisp Fyz Fyy Fyx Ydisp Fxz Fxy Fxx Xdisp "
    "error iterations returnStatus deltaPhiNorm"
).split()


def affine_field(grid=GRID, failed=(), **extra):
    return field_of_rows(affine_rows(grid.positions(), failed), grid, extra=extra)


def peer_reads(path):
    """As spam and everybody else reads such a table."""
    return np.genfromtxt(path, delimiter="\t", names=True)


def test_local_dvc_file_reads_as_the_peer_reads_it(tmp_path):
    field = affine_field(failed=[7])
    tsv.write_tsv(tmp_path / "a.tsv", field)
    header, first, *_ = (tmp_path / "a.tsv").read_text().splitlines()
    assert header.split("\t") == [*T1, "Zdisp_std", "Ydisp_std", "Xdisp_std", "zncc", "validFraction"]
    assert first.split("\t")[:4] == ["0", "100", "50", "30"]
    table = peer_reads(tmp_path / "a.tsv")
    np.testing.assert_array_equal(table["NodeNumber"], np.arange(GRID.size))
    for k, axis in enumerate("zyx"):
        np.testing.assert_array_equal(table[f"{axis.upper()}pos"], GRID.positions()[:, k])
        np.testing.assert_allclose(table[f"{axis.upper()}disp"], displacement(GRID.positions())[:, k], rtol=5e-9)
        np.testing.assert_allclose(table[f"{axis.upper()}disp_std"], 1e-3 * np.sqrt(4 * (k + 1)), rtol=5e-9)
    np.testing.assert_allclose(table["Fyx"], field.phi[:, 1, 2], rtol=5e-9)
    assert table["returnStatus"][7] == 1 and np.isfinite(table["Zdisp"][7]), "the last iterate stays"
    np.testing.assert_allclose(table["deltaPhiNorm"], field.delta_phi_norm, rtol=5e-9)


@pytest.mark.parametrize("grid", [GRID, GRID_2D], ids=["3-D", "2-D"])
def test_field_comes_back(tmp_path, grid):
    field = affine_field(grid, failed=[3])
    tsv.write_tsv(tmp_path / "a.tsv", field)
    back = tsv.read_tsv(tmp_path / "a.tsv")
    assert back.grid == grid
    np.testing.assert_array_equal(back.positions, field.positions)
    np.testing.assert_allclose(back.phi, field.phi, rtol=5e-9)
    np.testing.assert_array_equal(back.return_status, field.return_status)
    np.testing.assert_array_equal(back.iterations, field.iterations)
    assert back.return_status.dtype == back.iterations.dtype == np.int32
    np.testing.assert_allclose(back.error, field.error, rtol=5e-9)
    assert set(back.extra) == {"zncc", "valid_fraction", "variance"}
    np.testing.assert_allclose(back.extra["variance"][:, 3::4], field.extra["variance"][:, 3::4], rtol=2e-8)
    assert np.isnan(back.extra["variance"][:, :3]).all()


def test_float32_comes_back_exactly(tmp_path):
    """Nine significant digits tell all float32 apart, also small ones."""
    field = affine_field()
    random = np.random.default_rng(1)
    numbers = random.normal(size=GRID.size) * 10.0 ** random.integers(-30, 30, GRID.size)
    field.phi[:, 0, 3] = numbers.astype("f4")
    tsv.write_tsv(tmp_path / "a.tsv", field)
    assert np.array_equal(tsv.read_tsv(tmp_path / "a.tsv").phi[:, 0, 3].astype("f4"), field.phi[:, 0, 3].astype("f4"))


def test_nan_and_infinity_come_back(tmp_path):
    field = affine_field()
    field.phi[0, :3, 3] = np.nan
    field.error[0] = field.delta_phi_norm[0] = np.inf
    tsv.write_tsv(tmp_path / "a.tsv", field)
    back = tsv.read_tsv(tmp_path / "a.tsv")
    assert np.isnan(back.displacement[0]).all() and back.error[0] == back.delta_phi_norm[0] == np.inf
    assert np.isfinite(back.displacement[1:]).all()


@pytest.mark.parametrize("kind", ["T2", "T3"])
def test_sets_of_labels(tmp_path, kind):
    count = 5
    positions = np.random.default_rng(0).uniform(0, 100, (count, 3))
    extra = {"label": np.arange(count) + 10, "CC": np.linspace(0, 1, count)}
    field = field_of_rows(affine_rows(positions), positions=positions, extra=extra)
    tsv.write_tsv(tmp_path / "a.tsv", field, kind)
    header = (tmp_path / "a.tsv").read_text().split("\n")[0].split("\t")
    assert header[0] == "Label" and header[: len(tsv.COLUMN_SETS[kind])][1:] == list(tsv.COLUMN_SETS[kind][1:])
    back = tsv.read_tsv(tmp_path / "a.tsv")
    assert back.grid is None
    np.testing.assert_array_equal(back.extra["label"], extra["label"])
    np.testing.assert_allclose(back.extra["CC"], extra["CC"], rtol=5e-9)
    np.testing.assert_allclose(back.phi, field.phi, rtol=5e-9)


def test_old_names(tmp_path):
    old = ["F11", "F12", "F13", "F14", "F21", "F22", "F23", "F24", "F31", "F32", "F33", "F34"]
    names = ["NodeNumber", "Zpos", "Ypos", "Xpos", *old, "SubPixReturnStat", "SubPixDeltaPhiNorm", "SubPixIterations"]
    numbers = [1, 10, 20, 30, *range(101, 113), -2, 0.5, 7]
    (tmp_path / "a.tsv").write_text("\t".join(names) + "\n" + "\t".join(map(str, numbers)) + "\n")
    field = tsv.read_tsv(tmp_path / "a.tsv")
    np.testing.assert_array_equal(field.phi[0, :3], np.arange(101, 113).reshape(3, 4))
    assert (field.return_status[0], field.iterations[0], field.delta_phi_norm[0]) == (-2, 7, 0.5)
    assert (field.error[0], field.extra, field.grid, len(field)) == (0, {}, None, 1)


def test_displacements_alone_are_a_field(tmp_path):
    (tmp_path / "a.tsv").write_text(
        "Zpos\tYpos\tXpos\tXdisp\tYdisp\tZdisp\r\n1\t2\t3\t4\t5\t6\r\n\r\n1\t2\t4\t4\t5\t6\r\n"
    )
    field = tsv.read_tsv(tmp_path / "a.tsv")
    np.testing.assert_array_equal(field.displacement, [[6, 5, 4], [6, 5, 4]])
    np.testing.assert_array_equal(field.phi[:, :3, :3], [np.eye(3)] * 2)
    assert (field.return_status == Status.CONVERGED).all() and field.grid is None


def shuffled(positions):
    return np.random.default_rng(0).permutation(positions)


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p[:-1],
        shuffled,
        lambda p: p + [0, 0, 0.3] * (p[:, 2:] > 40),
        lambda p: p.reshape(*GRID.shape, 3).swapaxes(0, 2).reshape(-1, 3),
        lambda p: np.where(np.arange(len(p))[:, None] == 5, np.nan, p),
    ],
    ids=["a node is missing", "shuffled", "uneven spacing", "Z fastest", "NaN"],
)
def test_irregular_points_are_no_grid(tmp_path, change):
    positions = change(GRID.positions())
    field = field_of_rows(affine_rows(positions), positions=positions)
    tsv.write_tsv(tmp_path / "a.tsv", field)
    back = tsv.read_tsv(tmp_path / "a.tsv")
    assert back.grid is None and len(back) == len(positions)


def test_points_that_are_there_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    positions = GRID.positions()
    positions[7] = positions[4]
    tsv.write_tsv("a.tsv", field_of_rows(affine_rows(positions), positions=positions))
    with pytest.raises(UserError, match=r"^a\.tsv: rows 5 and 8 are the same point$"):
        tsv.read_tsv("a.tsv")


def test_labels_that_are_there_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    positions = np.random.default_rng(0).uniform(0, 100, (5, 3))
    positions[1] = positions[3] = 0  # where labels are that the image does not have
    for labels in ([1, 2, 3, 4, 5], [1, 2, 3, 5, 2]):
        extra = {"label": np.array(labels, "u4")}
        tsv.write_tsv("a.tsv", field_of_rows(affine_rows(positions), positions=positions, extra=extra))
        if len(set(labels)) == 5:
            assert tsv.read_tsv("a.tsv").extra["label"].tolist() == labels
    with pytest.raises(UserError, match=r"^a\.tsv: rows 2 and 5 have the same label$"):
        tsv.read_tsv("a.tsv")


@pytest.mark.parametrize("dtype", ["u4", "i8", "f8"])
def test_large_labels_come_back(tmp_path, dtype):
    labels = [0, 1, 2**31 - 1, 2**31, 2**32 - 2, 2**32 - 1]
    positions = np.random.default_rng(0).uniform(0, 100, (6, 3))
    extra = {"label": np.array(labels, dtype)}
    tsv.write_tsv(tmp_path / "a.tsv", field_of_rows(affine_rows(positions), positions=positions, extra=extra))
    back = tsv.read_tsv(tmp_path / "a.tsv").extra["label"]
    assert back.tolist() == labels and back.dtype == np.uint32


HEADER = "\t".join(T1)
ROW = "\t".join(["1"] * len(T1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.tsv is empty"),
        (HEADER + "\n", "a.tsv has a header line, but no rows"),
        (HEADER + "\n\n  \n", "a.tsv has a header line, but no rows"),
        ("\n" + ROW + "\n", "a.tsv has no header line"),
        ("this is\tnot a\tTSV\n1\t2\n", "a.tsv, line 2: 2 columns, but the header names 3"),
        (f"{HEADER}\n{ROW}\n{ROW}\t1\n", "a.tsv, line 3: 21 columns, but the header names 20"),
        (f"{HEADER}\n{ROW}\t1\n{ROW}\t1\n", "a.tsv, line 2: 21 columns, but the header names 20"),
        (f"{HEADER}\n{ROW}\n\n{ROW[:-1]}abc\n", "a.tsv, line 4: 'abc' is not a number"),
        (f"{HEADER}\n{ROW[:-1]}\n", "a.tsv, line 2: '' is not a number"),
        ("Zpos\tYpos\tXpos\n1\t2\t3\n", "a.tsv is not a table of displacements: no column Zdisp, Ydisp, Xdisp"),
        (f"{HEADER}\n{ROW}\n".replace("Fyx", "F"), "a.tsv is not a table of displacements: no column Fyx"),
        (f"{HEADER}\n{ROW}\n".replace("Fyx", "Fyy"), "a.tsv names the column 'Fyy' twice"),
        (f"{HEADER}\tPhi\n{ROW}\t1\n", "a.tsv has a column Phi: no table has one of this name"),
        (f"{HEADER}\tpositions\n{ROW}\t1\n", "a.tsv has a column positions: no table has one of this name"),
        (
            f"{HEADER}\n{ROW}\n2{ROW[1:-3]}nan\t1\n".replace("\n2\t1", "\n2\t2"),
            "a.tsv, row 2: returnStatus is nan, not a whole number",
        ),
        (f"{HEADER}\n{ROW[:-3]}1.7\t1\n", "a.tsv, row 1: returnStatus is 1.7, not a whole number"),
        (f"{HEADER}\n{ROW[:-3]}-0.5\t1\n", "a.tsv, row 1: returnStatus is -0.5, not a whole number"),
        (
            "Label\tZpos\tYpos\tXpos\tZdisp\tYdisp\tXdisp\n4294967296" + 6 * "\t1" + "\n",
            "a.tsv, row 1: Label is 4294967296, not a whole number from 0 to 4294967295",
        ),
        (f"{HEADER}\n{ROW}\n{ROW}\n", "a.tsv: rows 1 and 2 are the same point"),
    ],
)
def test_bad_tables(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.tsv").write_text(text)
    with pytest.raises(UserError) as caught:
        tsv.read_tsv("a.tsv")
    assert str(caught.value) == message


def test_other_files(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"II*\x00\xff\xfe\x80 not text")
    for path, message in (
        (tmp_path / "a.tif", "not a text file"),
        (tmp_path / "b.tsv", "no such file"),
        (tmp_path, "is no regular file"),
    ):
        with pytest.raises(UserError, match=message):
            tsv.read_tsv(path)


def test_byte_order_mark(tmp_path):
    """Editors and spreadsheets put one in front of the header."""
    tsv.write_tsv(tmp_path / "a.tsv", affine_field())
    expected = tsv.read_tsv(tmp_path / "a.tsv")
    (tmp_path / "a.tsv").write_bytes(b"\xef\xbb\xbf" + (tmp_path / "a.tsv").read_bytes())
    found = tsv.read_tsv(tmp_path / "a.tsv")
    assert found.grid == expected.grid is not None and found.extra.keys() == expected.extra.keys()
    assert found.phi.tobytes() == expected.phi.tobytes()


def test_failed_writing_leaves_nothing(tmp_path, monkeypatch):
    tsv.write_tsv(tmp_path / "a.tsv", affine_field())
    before = (tmp_path / "a.tsv").read_text()
    monkeypatch.setattr(files.os, "fsync", lambda handle: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(RunError, match=r"a\.tsv was not written: no space left"):
        tsv.write_tsv(tmp_path / "a.tsv", affine_field(failed=[1]))
    assert (tmp_path / "a.tsv").read_text() == before and len(list(tmp_path.iterdir())) == 1


# Files of spam 0.9.1


def as_the_peer(status):
    """The two statuses that are translated where a table is read."""
    return np.select([status == Status.FILTERED, status == Status.FEW_VALID_VOXELS], [1, -4], status)


def test_statuses_of_the_peer(tmp_path, monkeypatch):
    """Too few voxels of a particle, and what its filter has replaced, have numbers that mean something else here."""
    monkeypatch.chdir(tmp_path)
    head = "Label Zpos Ypos Xpos Zdisp Ydisp Xdisp returnStatus LabelDilate"
    for labels, expected in (((0, 1, 2), [0, -6, -5]), ((3, 1, 2), [0, -4, -5])):
        rows = [f"{label} {label} 2 3 0 0 0 {status} 1" for label, status in zip(labels, (0, -4, -5), strict=True)]
        (tmp_path / "a.tsv").write_text("\n".join((head, *rows)).replace(" ", "\t"))
        assert tsv.read_tsv("a.tsv").return_status.tolist() == expected
    head = "Zpos Ypos Xpos Zdisp Ydisp Xdisp pixelSearchCC returnStatus error deltaPhiNorm iterations"
    rows = ["1 2 3 0 0 0 0 1 100 100 0", "1 2 4 0 0 0 0 1 100 100 1", "1 2 5 0 0 0 0 1 99 100 0"]
    (tmp_path / "a.tsv").write_text("\n".join((head, *rows)).replace(" ", "\t"))
    assert tsv.read_tsv("a.tsv").return_status.tolist() == [3, 1, 1]


def test_family_of_merged_registrations(shared):
    """spam merges registrations into T2 without a correlation coefficient; their status 1 is measured there."""
    field = tsv.read_tsv(next((shared / "oracle" / "spam" / "merge-reg").glob("*-merge.tsv")))
    assert field.measured.tolist() == [True]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_blocks_are_no_part_of_the_result(tmp_path, monkeypatch, end):
    """The same field and the same sentences however few bytes become numbers at a time."""
    tsv.write_tsv(tmp_path / "a.tsv", affine_field(failed=[7]))
    expected = tsv.read_tsv(tmp_path / "a.tsv")
    text = (tmp_path / "a.tsv").read_text()
    (tmp_path / "a.tsv").write_bytes((text[:-1] if end == "\n" else text.replace("\n", end)).encode())
    monkeypatch.setattr(numbers, "BLOCK", len(text) if end == "\r" else 1000)
    found = tsv.read_tsv(tmp_path / "a.tsv")
    assert found.grid == expected.grid and found.extra.keys() == expected.extra.keys()
    assert found.phi.tobytes() == expected.phi.tobytes() and found.error.tobytes() == expected.error.tobytes()
    lines = text.splitlines()
    (tmp_path / "a.tsv").write_text("\n".join((*lines[:50], "", lines[50], f"{lines[51]}x", *lines[52:])))
    with pytest.raises(UserError, match=r"a\.tsv, line 53: '0.75x' is not a number"):
        tsv.read_tsv(tmp_path / "a.tsv")
    (tmp_path / "a.tsv").write_text("\n".join((*lines[:50], "1" * 5000)))
    if end != "\r":
        with pytest.raises(UserError, match=r"a\.tsv, line \d+: it is longer than 1000 bytes"):
            tsv.read_tsv(tmp_path / "a.tsv")


def test_peer_files(shared):
    """All displacement tables of the peer: rows, kind and grid as the peer's own output says."""
    paths = sorted((shared / "oracle" / "spam").glob("*/*.tsv"))
    read = 0
    for path in paths:
        names = path.read_text().split("\n")[0].split("\t")
        if not {"Zpos", "Zdisp"} <= set(names):
            with pytest.raises(UserError, match="not a table of displacements|is not a number|columns, but"):
                tsv.read_tsv(path)
            continue
        read += 1
        field, table = tsv.read_tsv(path), np.atleast_1d(peer_reads(path))
        for k, axis in enumerate("ZYX"):
            np.testing.assert_array_equal(field.positions[:, k], table[f"{axis}pos"], err_msg=path)
            np.testing.assert_array_equal(field.displacement[:, k], table[f"{axis}disp"], err_msg=path)
        if "returnStatus" in names:
            np.testing.assert_array_equal(as_the_peer(field.return_status), table["returnStatus"], err_msg=path)
            np.testing.assert_array_equal(field.phi[:, 0, 2], table["Fzx"], err_msg=path)
            np.testing.assert_array_equal(field.error, table["error"], err_msg=path)
        if "PSCC" in names:
            np.testing.assert_array_equal(field.extra["CC"], table["PSCC"])
        if "-ldic" in path.name and len(field) > 1 and names[0] == "NodeNumber":
            assert field.grid is not None and field.grid.size == len(field), path
            np.testing.assert_allclose(field.grid.positions(), field.positions, atol=1e-7)
    assert read > 60


def test_peer_grids(shared):
    spam = shared / "oracle" / "spam"
    grid = tsv.read_tsv(next((spam / "ldic-tex-field").glob("*-ldic.tsv"))).grid
    assert (grid.origin, grid.spacing, grid.shape) == ((10, 10, 10), (10, 10, 10), (9, 9, 9))
    flat = tsv.read_tsv(next((spam / "ldic-2d").glob("*-ldic.tsv"))).grid
    assert (flat.origin, flat.spacing, flat.shape) == ((0, 15, 15), (1, 15, 15), (1, 11, 13))
    registration = tsv.read_tsv(next((spam / "reg-snow").glob("*.tsv")))
    assert len(registration) == 1 and registration.grid is None
    labels = tsv.read_tsv(next((spam / "ddic-grains").glob("*-ddic.tsv")))
    assert labels.grid is None and labels.extra["label"].tolist() == list(range(len(labels)))


def test_peer_field_survives_writing(shared, tmp_path):
    """Written by us and read by the peer's way, the numbers of a file of the peer are the same."""
    path = next((shared / "oracle" / "spam" / "ldic-mask").glob("*-ldic.tsv"))
    tsv.write_tsv(tmp_path / "a.tsv", tsv.read_tsv(path))
    before, after = peer_reads(path), peer_reads(tmp_path / "a.tsv")
    assert before.dtype.names == after.dtype.names
    for name in before.dtype.names:
        np.testing.assert_allclose(after[name], before[name], rtol=5e-9, err_msg=name)


def test_bad_input_of_the_oracle(shared):
    for name in ("empty.tsv", "garbage.tsv", "headeronly.tsv"):
        with pytest.raises(UserError, match=name):
            tsv.read_tsv(shared / "oracle" / "bad-input" / name)


@pytest.mark.parametrize("times", [1, 10])
def test_table_that_is_replaced_while_it_is_read(tmp_path, monkeypatch, times):
    """It is the new one, or none: never the rows of one where the header of another says that they are."""
    path, left, read_head = tmp_path / "a.tsv", [times], numbers.read_head
    tsv.write_tsv(path, affine_field())

    def replaced(name):
        head = read_head(name)
        if left[0]:
            left[0] -= 1
            tsv.write_tsv(path, affine_field(GRID_2D))  # a shorter one, and then one like it
        return head

    monkeypatch.setattr(numbers, "read_head", replaced)
    if times == 1:
        assert len(tsv.read_tsv(path)) == GRID_2D.size
    else:
        with pytest.raises(RunError, match=r"a\.tsv changed during the run"):
            tsv.read_tsv(path)
