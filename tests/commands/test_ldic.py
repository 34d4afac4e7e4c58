"""hpcdvc-ldic as a whole: what it measures, and that every option of the registration does what it says."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
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
    save_pair,
    save_registration,
    truth,
)
from synthetic import Sine, rotation, translation

from hpcdvc.errors import UserError
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field, read_metadata

GRID = ("-ns", 10, "-hws", 5)


pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """Every test runs in a folder with im1.tif and im2.tif."""
    monkeypatch.chdir(tmp_path)
    save_pair()


def all_converged(field) -> bool:
    return bool((field.return_status == Status.CONVERGED).all())


@pytest.mark.parametrize(
    ("words", "bound"),
    [
        ((), 0.01),
        (("-o", 1), 0.08),
        (("-o", 5), 0.01),
        (("-crit", "ssd"), 0.01),
        (("-ug",), 0.01),
        (("-gm", "finite_differences"), 0.01),
        (("-gm", "gaussian", "-gs", 0.7), 0.01),
        (("-so", 1), 0.01),
        (("-dp", 1e-6), 0.01),
    ],
)
def test_measures_the_truth(words, bound):
    field = measure(*GRID, *words)
    assert field.grid.shape == (3, 3, 4) and field.grid.origin == field.grid.spacing == (10, 10, 10)
    assert all_converged(field)
    assert largest_error(field) < bound
    assert np.abs(field.phi[:, :3, :3] - truth(field)[:, :, :3]).max() < bound / 2
    assert (field.extra["zncc"] > 0.99).all() and (field.extra["variance"] > 0).all()


def test_options_of_the_registration_have_an_effect():
    """No two of these settings give the same numbers; a default that is spelled out does."""
    choices = [
        (),
        *(("-o", 1), ("-o", 5), ("-crit", "ssd"), ("-ug",), ("-rig",), ("-dp", 1e-6)),
        *(("-gm", "finite_differences"), ("-gm", "gaussian"), ("-gm", "gaussian", "-gs", 0.7)),
    ]
    results = [measure(*GRID, *words).phi.tobytes() for words in choices]
    assert len(set(results)) == len(choices)
    assert measure(*GRID, "-o", 3, "-crit", "znssd", "-so", "auto", "-dp", 1e-3).phi.tobytes() == results[0]
    assert measure(*GRID, "-gm", "gaussian", "-gs", 1.0).phi.tobytes() == results[-2]
    for needless in (("-m", 7), ("-m3", 1, 2, 3), ("-lazy",), ("-shift",)):
        assert measure(*GRID, *needless).phi.tobytes() == results[0]


def test_gain_and_offset_change_nothing():
    im1, im2 = images()
    plain = measure(*GRID)
    save_pair(im1, np.rint(im2 * 0.8 + 9000).astype("u2"))
    assert np.abs(measure(*GRID).displacement - plain.displacement).max() < 2e-3
    assert np.abs(measure(*GRID, "-crit", "ssd").displacement - plain.displacement).max() > 0.02


def test_field_that_is_curved_inside_the_windows():
    field = Sine(np.array([0.8, -0.8, 0.4]), np.array([0.02, 0.01, 0.02]))
    save_pair(*images(field, SHAPE))
    errors = []
    for words in ((), ("-so", 1)):
        measured = measure(*GRID, *words)
        assert all_converged(measured)
        errors.append(np.std(measured.displacement - field.displacement(measured.positions)))
    assert errors[0] < 0.03 and errors[1] > 2 * errors[0]


def test_rigid():
    field = rotation(4, FIELD.centre, shift=FIELD.shift)
    save_pair(*images(field))
    measured = measure(*GRID, "-rig")
    assert all_converged(measured) and largest_error(measured, field) < 0.01
    F = measured.phi[:, :3, :3]
    assert np.abs(F @ F.transpose(0, 2, 1) - np.eye(3)).max() < 1e-9
    assert np.abs(measure(*GRID).phi[:, :3, :3] @ F.transpose(0, 2, 1) - np.eye(3)).max() > 1e-6


def test_iterations():
    few = measure(*GRID, "-it", 2)
    assert set(few.return_status) == {Status.MAX_ITERATIONS} and set(few.iterations) == {2}
    fine, coarse = measure(*GRID, "-dp", 1e-6), measure(*GRID, "-dp", 0.05)
    assert (fine.delta_phi_norm <= 1e-6).all() and (coarse.delta_phi_norm <= 0.05).all()
    assert (fine.iterations > coarse.iterations).all()


def test_grid_and_window_of_three_sizes():
    field = measure("-ns3", 8, 9, 14, "-hws3", 4, 5, 6, "-mc", 0.3)
    assert field.grid.spacing == (8, 9, 14) and field.grid.shape == (4, 4, 3)
    # voxels of the window that im1 holds, axis by axis; those that left im2 are fewer
    inside = [
        np.minimum(field.positions[:, k] + h, n - 1) - np.maximum(field.positions[:, k] - h, 0) + 1
        for k, (h, n) in enumerate(zip((4, 5, 6), SHAPE, strict=True))
    ]
    most = np.prod(inside, axis=0) / (9 * 11 * 13)
    assert (field.extra["valid_fraction"] <= most + 1e-12).all()
    middle = (np.abs(field.positions - np.array(SHAPE) / 2) < (6, 6, 6)).all(axis=1)
    assert middle.any() and (field.extra["valid_fraction"][middle] == 1).all()
    assert (field.extra["valid_fraction"] == most).sum() > len(field) / 3


def test_windows_that_leave_the_images():
    """Voxels outside take no part: what is left measures the motion. Too few of them: a status of its own."""
    field, half, shape = translation((0.0, 0.0, 4.3)), 6, (32, 32, 40)
    save_pair(*images(field, shape))
    save_registration("start.tsv", translation((0.0, 0.0, 4.0)))
    measured = measure("-ns", 4, "-hws", half, "-mc", 0.5, "-pf", "start.tsv")
    last = [31, 31, 39]
    in_im1, in_both = np.ones(len(measured)), np.ones(len(measured))
    for k, x in enumerate(measured.positions.T):
        left, right = np.maximum(x - half, 0), np.minimum(x + half, last[k])
        in_im1 *= (right - left + 1) / 13
        in_both *= (np.minimum(right, np.floor(last[k] - field.shift[k])) - left + 1) / 13
    status = measured.return_status
    assert ((status == Status.FEW_VALID_VOXELS) == (in_im1 < 0.5)).all()
    # a layer of voxels on the edge of im2 is in or out by the last digits of the displacement
    clear = np.abs(in_both - 0.5) > 0.11
    assert ((status == Status.LEFT_IMAGE) == (in_im1 >= 0.5) & (in_both < 0.5))[clear].all()
    assert (status[(in_both > 0.5) & clear] == Status.CONVERGED).all()
    good = status == Status.CONVERGED
    inner = good & (np.abs(measured.positions[:, :2] - 16) < 10).all(axis=1)
    assert np.allclose(measured.extra["valid_fraction"][inner], in_both[inner])
    assert (in_both[inner] < 0.7).sum() >= 9 and (in_both[good] < 0.7).sum() > 30
    assert np.abs(measured.displacement - field.shift)[good].max() < 0.1


def test_grey_thresholds():
    im1, im2 = (image.astype("f8") for image in images())
    im1[..., :20] -= 15000
    im2[..., :20] -= 15000
    save_pair(im1.astype("u2"), im2.astype("u2"))
    plain = measure(*GRID)
    means = [im1[tuple(slice(int(p) - 5, int(p) + 6) for p in node)].astype("u2").mean() for node in plain.positions]
    low, high = np.quantile(means, 0.3), np.quantile(means, 0.7)
    for words, skipped in (
        (("-glt", low), means <= low),
        (("-ght", high), means >= high),
        (("-glt", low, "-ght", high), (means <= low) | (means >= high)),
    ):
        field = measure(*GRID, *words)
        assert ((field.return_status == Status.NO_SPECIMEN) == skipped).all()
        assert same_rows(field, plain, ~skipped)
        assert np.isnan(field.displacement[skipped]).all()


def test_mask():
    im1, _ = images()
    mask = np.ones(SHAPE, "u1")
    mask[:, :, 26:33] = 0
    mask[:14, :12] = 0
    damaged = np.where(mask, im1, 65535).astype("u2")
    tifffile.imwrite("mask.tif", mask)
    plain, masked = measure(*GRID), measure(*GRID, "-mf1", "mask.tif", "-mc", 0.4)
    valid = [mask[tuple(slice(int(p) - 5, int(p) + 6) for p in node)].mean() for node in plain.positions]
    few = np.array(valid) < 0.4
    assert 0 < few.sum() < len(few)
    assert ((masked.return_status == Status.NO_SPECIMEN) == few).all()
    # the gradient next to a masked voxel is not known either
    assert (masked.extra["valid_fraction"] <= np.array(valid) + 1e-12).all()
    assert (masked.extra["valid_fraction"][plain.positions[:, 2] == 10][6:] == 1).all()
    assert np.abs((masked.displacement - plain.displacement)[~few]).max() < 0.03
    save_pair(damaged)
    assert same_rows(measure(*GRID, "-mf1", "mask.tif", "-mc", 0.4), masked), "masked voxels have an influence"
    assert (measure(*GRID, "-mf1", "mask.tif", "-mc", 0.9).return_status == -5).sum() > few.sum()


def test_voxels_that_are_nan_are_masked():
    im1, im2 = (image.astype("f4") for image in images())
    im1[16:24, 8:12, 27:31] = np.nan
    save_pair(im1, im2)
    hole = measure(*GRID)
    assert all_converged(hole) and largest_error(hole) < 0.01
    mask = np.isfinite(im1).astype("u1")
    tifffile.imwrite("mask.tif", mask)
    save_pair(np.nan_to_num(im1), im2)
    assert same_rows(measure(*GRID, "-mf1", "mask.tif"), hole)
    plain = measure(*GRID)
    im2[16:22, 18:23, 18:24] = np.nan
    save_pair(images()[0].astype("f4"), im2)
    hole = measure(*GRID)
    near = (np.abs(hole.positions - (20, 20, 20)) <= 10).all(axis=1)
    assert all_converged(hole) and largest_error(hole) < 0.02
    assert (hole.extra["valid_fraction"][near] < 1).any()
    assert same_rows(hole, measure(*GRID, "-mc", 0.1))
    assert plain is not hole


def test_images_without_texture_have_no_result_but_a_status():
    save_pair(np.full(SHAPE, 7, "u1"), np.full(SHAPE, 7, "u1"))
    field = measure(*GRID)
    assert set(field.return_status) == {Status.SINGULAR} and np.isnan(field.displacement).all()
    save_pair(np.full(SHAPE, np.nan, "f4"), images()[1].astype("f4"))
    field = measure(*GRID)
    assert set(field.return_status) == {Status.FEW_VALID_VOXELS} and np.isnan(field.displacement).all()


@pytest.mark.parametrize("order", [1, 3, 5])
def test_two_dimensions(order):
    save_pair(*images(FLAT_FIELD, FLAT_SHAPE))
    field = measure("-ns", 12, "-hws", 8, "-o", order)
    assert (field.extra["variance"] >= 0).all()
    assert field.grid.shape == (1, 4, 5) and (field.positions[:, 0] == 0).all()
    assert all_converged(field) and largest_error(field, FLAT_FIELD) < (0.1 if order == 1 else 0.02)
    assert (field.phi[:, 0] == (1, 0, 0, 0)).all() and (field.phi[:, 1:3, 0] == 0).all()


def test_the_file_says_how_points_ended():
    measure("-ns", 9, "-hws", 5, "-mc", 1)
    statuses = read_metadata("im1-im2-ldic.hdf")["statuses"]
    field = read_field("im1-im2-ldic.hdf")
    assert {int(code): entry["count"] for code, entry in statuses.items()} == {
        int(code): int((field.return_status == code).sum()) for code in np.unique(field.return_status)
    }
    assert len(statuses) > 1 and all(entry["reason"] for entry in statuses.values())


def test_what_is_written():
    words = ("-ns", 9, "-hws", 5, "-mc", 1, "-od", "deep/new", "-pre", "case", "-vtk", "-tif", "-notsv")
    run_here("im1.tif", "im2.tif", *words)
    fields = ("Zdisp", "Ydisp", "Xdisp", "error", "iterations", "returnStatus", "deltaPhiNorm")
    assert {path.name for path in Path("deep/new").iterdir()} == {
        *("case-ldic.hdf", "case-ldic.vtk", "case-ldic.run.json"),
        *(f"case-ldic-{name}.tif" for name in fields),
    }
    field = read_field("deep/new/case-ldic.hdf")
    image = tifffile.imread("deep/new/case-ldic-Xdisp.tif")
    assert np.array_equal(image.ravel(), field.displacement[:, 2].astype("f4"), equal_nan=True)
    assert (field.return_status < 0).any()


def test_same_bytes_on_any_number_of_ranks(run_command):
    words = ("ldic", "im1.tif", "im2.tif", "-ns", 5, "-hws", 5, "-mc", 0.7, "-q")
    for ranks in (None, 1, 2, 3):
        result = run_command(*words, "-od", f"out{ranks}", ranks=ranks)
        assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for name in ("im1-im2-ldic.hdf", "im1-im2-ldic.tsv"):
        assert len({digest(f"out{ranks}/{name}") for ranks in (None, 1, 2, 3)}) == 1


@pytest.mark.mpi
def test_in_python_on_all_ranks(team, shared_tmp_path, monkeypatch):
    """As a Python user calls it, on however many ranks this runs."""
    from hpcdvc.ranks.team import Team
    from hpcdvc.workflows.ldic import Options, run

    monkeypatch.chdir(shared_tmp_path)
    if team.rank == 0:
        save_pair()
    team.barrier()
    options = {"images": ("im1.tif", "im2.tif"), "node_spacing": 7, "half_window_size": 5, "quiet": True}
    paths = run(Options(**options, prefix="all"), team)
    assert paths == ["all-ldic.hdf", "all-ldic.tsv"]
    if team.rank == 0:
        run(Options(**options, prefix="one"), Team())
        assert digest("all-ldic.hdf") == digest("one-ldic.hdf")
        assert largest_error(read_field("all-ldic.hdf")) < 0.1
    team.barrier()
    with pytest.raises(UserError, match="exists"):
        run(Options(**options, prefix="all"), team)
    team.barrier()
