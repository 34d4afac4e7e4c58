"""hpcdvc-ldic from a start: registrations and fields (-pf, -pfb, -F), and completing an earlier result (-skp)."""

import numpy as np
import pytest
from ldic_cases import (
    FIELD,
    FLAT_FIELD,
    FLAT_SHAPE,
    SHAPE,
    digest,
    images,
    largest_error,
    measure,
    run_here,
    same_rows,
    save_field,
    save_pair,
    save_registration,
)
from synthetic import Affine, Sine, rotation

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.grid import make_grid
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.tsv import read_tsv, write_tsv
from hpcdvc.steps.start import StartPoints

GRID = ("-ns", 10, "-hws", 5)
#: Too large a motion to be found without a start.
LARGE = Affine(rotation(10, FIELD.centre).F @ np.diag([1.05, 1.0, 0.97]), np.array([4.0, -3.0, 5.0]), FIELD.centre)
NODES = make_grid(SHAPE, (10, 10, 10)).positions()


pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_pair()


@pytest.fixture
def large():
    save_pair(*images(LARGE))
    save_registration("registration.tsv", LARGE)
    save_field("field.tsv", LARGE, NODES)


def converged(field: Field) -> int:
    return int((field.return_status == Status.CONVERGED).sum())


def in_both(margin: int = 5) -> np.ndarray:
    """Nodes whose windows LARGE leaves inside the images."""
    moved = NODES + LARGE.displacement(NODES)
    return ((moved > margin + 2) & (moved < np.array(SHAPE) - margin - 3)).all(axis=1)


def test_registration(large):
    alone, started = measure(*GRID, "--no-search"), measure(*GRID, "-pf", "registration.tsv")
    assert converged(alone) < 0.3 * len(NODES)
    inner = in_both()
    assert inner.sum() >= 10 and (started.return_status[inner] == Status.CONVERGED).all()
    assert np.abs(started.displacement - LARGE.displacement(NODES))[inner].max() < 0.02
    # nothing is left to do but to see that, and with less of F there is
    iterations = [measure(*GRID, "-pf", "registration.tsv", "-F", part).iterations for part in ("all", "rigid", "no")]
    means = [some[inner].mean() for some in iterations]
    assert means[0] < means[1] < means[2]


def test_part_of_f():
    """The displacement at a node is always that of all of F."""
    grid = make_grid(SHAPE, (10, 10, 10))
    phi = np.eye(4)[None].copy()
    phi[0, :3] = LARGE.phi(LARGE.centre[None])[0]
    start = Field(LARGE.centre[None], phi, *(np.zeros(1),) * 4)
    u, v, w = (StartPoints(grid, start, part)(np.arange(grid.size))["Phi"] for part in ("all", "rigid", "no"))
    assert np.allclose(u[:, :, 3], LARGE.displacement(NODES))
    assert (u[:, :, 3] == v[:, :, 3]).all() and (u[:, :, 3] == w[:, :, 3]).all()
    assert np.allclose(u[:, :, :3], LARGE.F) and (w[:, :, :3] == np.eye(3)).all()
    rigid = v[0, :, :3]
    assert np.allclose(rigid @ rigid.T, np.eye(3)) and np.abs(rigid - LARGE.F).max() > 0.01
    stretch = rigid.T @ LARGE.F
    assert np.allclose(stretch, stretch.T)


def test_field(large):
    started = measure(*GRID, "-pf", "field.tsv")
    inner = in_both()
    assert (started.return_status[inner] == Status.CONVERGED).all() and started.iterations[inner].max() <= 10
    # its nodes need not be said again, and F counts whatever -F says
    assert same_rows(measure("-hws", 5, "-pf", "field.tsv"), started)
    assert same_rows(measure(*GRID, "-pf", "field.tsv", "-F", "no"), started)
    # an .hdf file is as good; the table has nine digits
    run_here("im1.tif", "im2.tif", *GRID, "-pf", "field.tsv", "-pre", "first", "-it", 2)
    from_table, from_file = (measure(*GRID, "-pf", f"first-ldic.{kind}") for kind in ("tsv", "hdf"))
    assert (from_table.return_status == from_file.return_status).all()
    assert np.nanmax(np.abs(from_table.displacement - from_file.displacement)[inner]) < 1e-5
    assert not same_rows(from_file, started)


def test_field_of_a_search():
    """The columns of a pixel search (T2), displacements in whole voxels."""
    field = Sine(np.array([2.0, 1.5, -2.0]), np.array([0.01, 0.0, 0.005]))
    save_pair(*images(field, SHAPE))
    save_field("near.tsv", field, NODES)
    search = read_tsv("near.tsv")
    search.phi[:, :3] = np.eye(4)[:3]
    search.phi[:, :3, 3] = np.rint(field.displacement(NODES))
    search.extra = {"CC": np.ones(len(NODES))}
    write_tsv("search.tsv", search, "T2")
    measured = measure(*GRID, "-pf", "search.tsv")
    good = measured.return_status == Status.CONVERGED
    assert good.mean() > 0.9
    assert np.abs(measured.displacement - field.displacement(NODES))[good].max() < 0.1


def test_two_dimensions():
    save_pair(*images(FLAT_FIELD, FLAT_SHAPE))
    words = ("-ns", 12, "-hws", 8)
    run_here("im1.tif", "im2.tif", *words, "-pre", "first", "-it", 3)
    first = read_field("first-ldic.hdf")
    for kind in ("hdf", "tsv"):
        started = measure(*words, "-pf", f"first-ldic.{kind}")
        assert (started.return_status == Status.CONVERGED).all() and largest_error(started, FLAT_FIELD) < 0.02
        assert same_rows(measure("-hws", 8, "-pf", f"first-ldic.{kind}"), started)
        completed = measure(*words, "-pf", f"first-ldic.{kind}", "-skp")
        kept = first.return_status == Status.CONVERGED
        assert (completed.return_status == Status.CONVERGED).all()
        assert (completed.iterations[kept] == first.iterations[kept]).all()


@pytest.mark.parametrize("what", ["registration", "field"])
def test_bin_ratio(large, what):
    """A start measured on images binned by 2: positions and displacements double, F stays."""
    half = Affine(LARGE.F, LARGE.shift / 2, LARGE.centre / 2)
    if what == "field":
        save_field("binned.tsv", half, NODES / 2)
    else:
        save_registration("binned.tsv", half)
    plain, binned = measure(*GRID, "-pf", f"{what}.tsv"), measure(*GRID, "-pf", "binned.tsv", "-pfb", 2)
    inner = in_both()
    assert (binned.positions == plain.positions).all()
    assert (binned.return_status[inner] == Status.CONVERGED).all()
    assert np.abs(binned.displacement - plain.displacement)[inner].max() < 1e-5


def test_skip():
    """The rows that failed are measured again, the others are those of the file, bit for bit."""
    run_here("im1.tif", "im2.tif", *GRID, "-pre", "first", "-it", 5)
    first = read_field("first-ldic.hdf")
    kept = first.return_status == Status.CONVERGED
    assert 0.1 < kept.mean() < 0.9
    second = measure(*GRID, "-pf", "first-ldic.hdf", "-skp")
    assert same_rows(second, first, kept)
    assert (second.return_status == Status.CONVERGED).all() and largest_error(second) < 0.02
    # the same from the table, to its digits
    third = measure(*GRID, "-pf", "first-ldic.tsv", "-skp")
    assert np.allclose(third.phi, second.phi, atol=1e-5) and (third.iterations == second.iterations).all()
    assert np.allclose(third.error[kept], first.error[kept], rtol=1e-8)


def test_which_rows_are_skipped():
    status = np.resize([2, 3, 1, 0, -1, -2, -3, -4, -5, -6, -7, -8, -9, -10, -13, -15], len(NODES)).astype("i4")
    save_field("earlier.tsv", FIELD, NODES, return_status=status, iterations=np.full(len(NODES), 77, "i4"))
    for words, again in (
        ("-skp", ~np.isin(status, (2, -5, -15))),
        ("-skp=-1,-9", np.isin(status, (-1, -9))),
        ("--skip=2", status == 2),
    ):
        field = measure(*GRID, "-pf", "earlier.tsv", words)
        assert ((field.iterations == 77) == ~again).all()
        assert (field.return_status[~again] == status[~again]).all()
        assert (field.return_status[again] == Status.CONVERGED).all()


def test_a_value_of_skip_is_no_image():
    run_here("im1.tif", "im2.tif", *GRID, "-pre", "first")
    assert run_here("-pf", "first-ldic.hdf", "-skp", "im1.tif", "im2.tif", *GRID, "-pre", "second")
    for words in ("-skp=", "-skp=some", "-skp=-1;-9"):
        with pytest.raises(UserError, match="-skp= takes return statuses such as -skp=-1,-9"):
            measure(*GRID, "-pf", "first-ldic.hdf", words)


def hole(status: Status) -> np.ndarray:
    """A field of LARGE with a hole of diverged nodes in its middle; their numbers."""
    middle = NODES[in_both()].mean(axis=0)
    lost = np.argsort(np.linalg.norm(NODES - middle, axis=1))[:6]
    save_field("earlier.tsv", LARGE, NODES)
    field = read_tsv("earlier.tsv")
    field.return_status[lost] = status
    field.phi[lost, :3] = 2 * np.eye(4)[:3]
    field.phi[lost[0], 0, 3] = np.nan
    write_tsv("earlier.tsv", field)
    return lost


@pytest.mark.parametrize("status", [Status.VOLUME_CHANGE, Status.DECORRELATED, Status.BAD_START])
def test_skipped_rows_start_from_their_neighbours(large, status):
    """Not from the Phi that diverged, and not from nothing: both find none of them."""
    lost = hole(status)
    again = measure(*GRID, "-pf", "earlier.tsv", "-skp")
    assert (again.return_status[lost] == Status.CONVERGED).all()
    assert np.abs(again.displacement - LARGE.displacement(NODES))[lost].max() < 0.05
    for words in (("-pf", "earlier.tsv"), ("--no-search",)):
        assert (measure(*GRID, *words).return_status[lost] == Status.CONVERGED).sum() <= 2


def test_skipped_rows_start_from_a_registration(large):
    """Where no neighbour is left."""
    hole(Status.VOLUME_CHANGE)
    field = read_tsv("earlier.tsv")
    field.return_status[:] = Status.VOLUME_CHANGE
    write_tsv("earlier.tsv", field)
    inner = in_both()
    alone = measure(*GRID, "-pf", "earlier.tsv", "-skp").return_status[inner]
    found = measure(*GRID, "-pf", "earlier.tsv", "-skp", "--register").return_status[inner]
    assert (alone == Status.CONVERGED).mean() < 0.5 and (found == Status.CONVERGED).all()


def test_skip_with_ranks_and_with_nothing_to_do(run_command):
    run_here("im1.tif", "im2.tif", *GRID, "-pre", "first", "-it", 5)
    run_here("im1.tif", "im2.tif", *GRID, "-pre", "one", "-pf", "first-ldic.hdf", "-skp")
    words = ("ldic", "im1.tif", "im2.tif", *GRID, "-skp", "-q")
    for ranks in (2, 3):
        assert run_command(*words, "-pre", f"n{ranks}", "-pf", "first-ldic.hdf", ranks=ranks).returncode == 0
        assert same_rows(read_field(f"n{ranks}-ldic.hdf"), read_field("one-ldic.hdf"))
    assert digest("n2-ldic.hdf") == digest("n3-ldic.hdf") == digest("one-ldic.hdf")
    result = run_command(*words, "-pre", "done", "-pf", "one-ldic.hdf", ranks=2)
    assert (result.returncode, result.stderr) == (0, "")
    assert same_rows(read_field("done-ldic.hdf"), read_field("one-ldic.hdf"))


def write_text(text: str) -> None:
    with open("start.tsv", "w") as file:
        file.write(text)


HEADER = "\t".join(["NodeNumber", "Zpos", "Ypos", "Xpos", "Zdisp", "Ydisp", "Xdisp"]) + "\n"
REFUSED = {
    "missing": (lambda: None, "no such file"),
    "empty": (lambda: write_text(""), "empty"),
    "garbage": (lambda: write_text("hello\nworld\n"), "start.tsv"),
    "header only": (lambda: write_text(HEADER), "no rows"),
    "no number": (lambda: write_text(HEADER + "0\t1\t2\t3\tx\t0\t0\n"), "line 2"),
    "other nodes": (lambda: save_field("start.tsv", FIELD, NODES + 1), "do not match"),
    "other spacing": (lambda: save_field("start.tsv", FIELD, make_grid(SHAPE, (9, 9, 9)).positions()), "do not match"),
    "no grid": (lambda: save_field("start.tsv", FIELD, NODES[:-1]), "no regular grid"),
    "registration without a number": (
        lambda: write_text(HEADER + "1\t1\t2\t3\tnan\t0\t0\n"),
        "not finite",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    make, words = REFUSED[what]
    make()
    with pytest.raises(UserError, match=words) as caught:
        measure(*GRID, "-pf", "start.tsv")
    assert "start.tsv" in str(caught.value) and "\n" not in str(caught.value)


def test_field_outside_the_image():
    save_field("start.tsv", FIELD, NODES + 25)
    with pytest.raises(UserError, match=r"start.tsv do not lie in the image.*\(38, 40, 49\)"):
        measure("-hws", 5, "-pf", "start.tsv")


def test_start_is_needed_for_what_builds_on_it():
    with pytest.raises(UserError, match="-skp needs the earlier result"):
        measure(*GRID, "-skp")
    with pytest.raises(UserError, match="-ns is missing"):
        measure("-hws", 5)
    save_registration("start.tsv", FIELD)
    with pytest.raises(UserError, match="-ns is missing"):
        measure("-hws", 5, "-pf", "start.tsv")
    with pytest.raises(UserError, match="start.tsv holds one row"):
        measure(*GRID, "-pf", "start.tsv", "-skp")


def test_rows_of_the_start_that_are_not_finite():
    """Each such node says so; the others are measured."""
    save_field("start.tsv", FIELD, NODES)
    field = read_tsv("start.tsv")
    field.phi[5, 0, 3] = np.nan
    write_tsv("start.tsv", field)
    measured = measure(*GRID, "-pf", "start.tsv")
    assert measured.return_status[5] == Status.BAD_START
    assert converged(measured) == len(NODES) - 1
