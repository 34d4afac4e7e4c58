"""hpcdvc-localShifts as a whole: what it finds and what it writes, on any number of ranks."""

import os
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from reg_ends import own_folder
from stack_cases import INSIDE, MOVED, RESULT, SHAPE, WINDOW, check_whole, measure, pair, save_pair

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.fields.grid import make_grid
from hpcdvc.options.localShifts import Options
from hpcdvc.options.parser import parse
from hpcdvc.ranks.team import Team
from hpcdvc.workflows.localShifts import run


@pytest.fixture(scope="module")
def stacks():
    return pair()


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, stacks):
    for _ in own_folder(tmp_path, monkeypatch):
        save_pair(stacks)
        yield tmp_path


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), 0.05),
        (("-template", "im2"), 0.05),
        (("-pm", "poly"), 0.05),
        (("-pm", "gn"), 0.02),
        (("-pm", "gnaffine"), 0.04),
        (("-norm", "global"), 0.05),
        (("-norm", "rowcol"), 0.1),
        (("-sr", *"0 0 -1 3 -3 2".split()), 0.05),
    ],
)
def test_finds_the_displacement(words, error):
    """u from im1 to im2, whichever image the windows come from."""
    result = measure(*words)
    check_whole(result)
    assert result.measured[INSIDE].all()
    np.testing.assert_allclose(result.displacement[INSIDE][..., 1:] - MOVED, 0, atol=4 * error)
    assert np.sqrt(np.mean((result.displacement[INSIDE][..., 1:] - MOVED) ** 2)) < error
    assert (result["zncc"][INSIDE] > 0.85).all()


def test_two_searches_along_an_axis_each(stacks):
    """-dim 1 assumes that nothing, or next to nothing, moves along the other axis."""
    for axis, moved in enumerate([(0.6, 0.0), (0.0, -0.6)]):
        np.save("moved.npy", pair(moved=moved)[1])
        result = measure("-dim", "1", im2="moved.npy", window=("-hws", "7", "-sr", "3"))
        check_whole(result)
        inside = np.s_[12:-12, 12:-12]
        found = result.displacement[inside][result.measured[inside]]
        assert len(found) > 400
        assert np.median(found[:, 1 + axis]) == pytest.approx(moved[axis], abs=0.05)
        assert np.median(found[:, 2 - axis]) == pytest.approx(0, abs=0.1)


def test_files_and_pictures():
    result = measure("-tif", "-vtk")
    names = {f"{RESULT}{end}" for end in (".hdf", ".run.json", ".xdmf", "-Xdisp.tif", "-Ydisp.tif", "-zncc.tif")}
    assert set(os.listdir()) == {"im1.tif", "im2.tif", f"{RESULT}-returnStatus.tif", *names}
    for name, expected in {
        "Ydisp": result.displacement[..., 1],
        "Xdisp": result.displacement[..., 2],
        "zncc": result["zncc"],
        "returnStatus": result.return_status,
    }.items():
        np.testing.assert_array_equal(tifffile.imread(f"{RESULT}-{name}.tif"), expected)
    other = measure("-tif", "-convention", "algotom")
    np.testing.assert_array_equal(other.displacement, result.displacement)
    np.testing.assert_array_equal(tifffile.imread(f"{RESULT}-Ydisp.tif"), -result.displacement[..., 1])
    assert main("convert", [f"{RESULT}.hdf", "c.tif"]) == 0
    np.testing.assert_array_equal(tifffile.imread("c-Ydisp.tif"), result.displacement[..., 1])


def test_the_same_bytes_on_any_number_of_ranks(run_command):
    """And with any number of rows in memory."""
    found = []
    for ranks, chunk in ((1, 32), (3, 5)):
        folder = Path(f"ranks{ranks}")
        line = ("im1.tif", "im2.tif", *WINDOW, "-tif", "-pre", "P", "-od", folder, "-q", "-chunk", chunk)
        done = run_command("localShifts", *line, ranks=ranks)
        assert done.returncode == 0, done.stderr
        found.append(written(folder))
    assert found[0] == found[1] and len(found[0]) == 5


def written(folder: Path) -> dict[str, bytes]:
    """All results in a folder, but the records of runs."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".json"}


@pytest.mark.mpi
@pytest.mark.parametrize(
    "words",
    [(), ("-dim", "1"), ("-ns", "4"), ("-template", "im2", "-norm", "rowcol"), ("-norm", "global"), ("-pm", "gn")],
)
def test_ranks(team, shared_tmp_path, words, stacks):
    """The ranks together against rank 0 alone."""
    images = [str(shared_tmp_path / name) for name in ("1.npy", "2.npy")]
    if team.rank == 0:
        for path, stack in zip(images, stacks, strict=True):
            np.save(path, stack)
    team.barrier()
    for name, who in (("all", team), ("alone", Team())):
        options = parse(Options, [*images, *WINDOW, "-pre", "P", "-q", "-od", str(shared_tmp_path / name), *words])
        if who is team or team.rank == 0:
            run(options, who)
    if team.rank == 0:
        assert written(shared_tmp_path / "all") == written(shared_tmp_path / "alone")


def test_nodes_of_a_grid():
    """-ns: the grid of hpcdvc-ldic, with what the pixels have that the nodes stand on."""
    pixels = measure()
    for step in (2, 5, 17):
        field = measure("-ns", step)
        assert field.grid == make_grid((1, *SHAPE[1:]), (step,) * 3)
        y, x = field.positions[:, 1:].astype(int).T
        np.testing.assert_array_equal(field.return_status, pixels.return_status[y, x])
        np.testing.assert_array_equal(field.displacement, pixels.displacement[y, x])
        np.testing.assert_array_equal(field["zncc"], pixels["zncc"][y, x])
    table = hpcdvc.read(f"{RESULT}.tsv")
    np.testing.assert_allclose(table.displacement, field.displacement, rtol=1e-8)


@pytest.mark.parametrize("kind", ["npy", "packed", "folder", "float"])
def test_however_the_stacks_are_stored(kind, stacks):
    expected = measure()
    if kind == "npy":
        specs = ["1.npy", "2.npy"]
        for spec, stack in zip(specs, stacks, strict=True):
            np.save(spec, stack)
    elif kind == "float":
        specs = ["1.tif", "2.tif"]
        for spec, stack in zip(specs, stacks, strict=True):
            tifffile.imwrite(spec, stack.astype("f4"), photometric="minisblack")
    elif kind == "packed":
        specs = ["a.h5:/entry/1", "a.h5:/entry/2"]
        with h5py.File("a.h5", "w") as file:
            for spec, stack in zip(specs, stacks, strict=True):
                file.create_dataset(spec[5:], data=stack, chunks=(2, 11, 13), compression="gzip")
    else:
        specs = ["1", "2"]
        for spec, stack in zip(specs, stacks, strict=True):
            os.mkdir(spec)
            for k, frame in enumerate(stack):
                tifffile.imwrite(f"{spec}/frame{k}.tif", frame)
    result = measure(im1=specs[0], im2=specs[1])
    for name, values in expected.columns.items():
        np.testing.assert_array_equal(result[name], values, err_msg=name)


@pytest.mark.parametrize(
    ("dtype", "offset", "factor"),
    [
        ("f8", 1e12, 1.0),
        ("f4", 0.0, 1e25),
        ("f4", 0.0, 1e-30),
        ("f8", -1e5, 1e-140),
        ("u4", 4e9, 1.0),
        ("f8", 0, 1e200),
    ],
)
def test_grey_values_of_any_size(dtype, offset, factor, stacks):
    """Large numbers with small differences, and those whose squares float32 does not hold."""
    expected = measure()
    for name, stack in zip(("1.npy", "2.npy"), stacks, strict=True):
        np.save(name, ((stack + (offset if factor == 1 else 0.0)) * factor).astype(dtype))
    result = measure(im1="1.npy", im2="2.npy")
    np.testing.assert_array_equal(result.return_status, expected.return_status)
    np.testing.assert_allclose(result.displacement, expected.displacement, atol=1e-4)


def test_a_single_image(stacks):
    for name, stack in zip(("1.tif", "2.tif"), stacks, strict=True):
        tifffile.imwrite(name, stack[0])
    result = measure(im1="1.tif", im2="2.tif", window=("-hws", "6", "-sr", "3"))
    check_whole(result)
    inside = np.s_[12:-12, 12:-12]
    assert result.measured[inside].mean() > 0.9
    error = result.displacement[inside][result.measured[inside]][:, 1:] - MOVED
    assert np.sqrt((error**2).mean()) < 0.1


def test_mask():
    """Windows of which too much is masked have no specimen; the others do without what is masked, or have a status."""
    free = measure()
    mask = np.ones(SHAPE[1:], "u1")
    mask[:16] = 0
    tifffile.imwrite("mask.tif", mask)
    result = measure("-mf1", "mask.tif", "-mc", "0.6")
    check_whole(result)
    # of a window about row y, rows y - 3 to y + 3, fewer than 0.6 of 7 are left up to row 16
    middle = np.s_[3:17, 3:-3]
    assert (result.return_status[middle] == -5).all() and not (result.return_status[17:] == -5).any()
    # and from row 19 on they have all they had
    np.testing.assert_array_equal(result.displacement[19:], free.displacement[19:])
    near = result.displacement[17:19][result.measured[17:19]][:, 1:]
    assert len(near) > 50 and np.sqrt(((near - MOVED) ** 2).mean()) < 0.1
    # of im1, although windows come from im2
    other = measure("-mf1", "mask.tif", "-template", "im2")
    check_whole(other)
    assert not (other.return_status == -5).any() and not other.measured[:14].any() and other.measured[30].any()
    with_im2 = measure("-template", "im2")
    np.testing.assert_array_equal(other.displacement[16 + 3 + 4 :], with_im2.displacement[16 + 3 + 4 :])


def test_least_correlation():
    least = float(np.median(measure()["zncc"][INSIDE]))
    result = measure("-ccmin", least)
    check_whole(result)
    assert np.isin(result.return_status[INSIDE], (2, -9)).all() and 0.4 < result.measured[INSIDE].mean() < 0.6
    assert (result["zncc"][result.measured] >= least).all()


def test_pixels_that_are_no_numbers(stacks):
    """They are left out, or have a status; pixels further away than windows reach stay as they were."""
    spoiled = stacks[0].astype("f4")
    spoiled[1, 20, 30] = np.nan
    spoiled[:, 12, 10] = np.inf
    np.save("spoiled.npy", spoiled)
    clean, result = measure(), measure(im1="spoiled.npy")
    check_whole(result)
    measured = result.measured[INSIDE]
    assert measured.mean() > 0.9
    np.testing.assert_allclose(result.displacement[INSIDE][measured][:, 1:] - MOVED, 0, atol=0.2)
    changed = (result.displacement != clean.displacement).any(axis=-1) & (result.measured | clean.measured)
    y, x = np.nonzero(changed)
    assert len(y) > 20, "windows without a pixel have another result"
    beside = (abs(y - 20) <= 3) & (abs(x - 30) <= 3) | (abs(y - 12) <= 3) & (abs(x - 10) <= 3)
    assert beside.all()
    other = measure(im1="im1.tif", im2="spoiled.npy", window=("-hws", "3", "-sr", "1"))
    check_whole(other)


def test_clipped_pixels(stacks):
    """The largest number of an integer type is no grey value: more than a tenth of them in a window, and it has a
    status of its own."""
    clipped = stacks[0].copy()
    clipped[:, 18:26, 20:30] = 65535
    np.save("clipped.npy", clipped)
    result = measure(im1="clipped.npy")
    check_whole(result)
    assert (result.return_status[19:25, 21:29] == -15).all()
    clean = measure()
    np.testing.assert_array_equal(result.displacement[29:], clean.displacement[29:])
    few = stacks[0].copy()
    few[0, 22, 25] = 65535
    np.save("few.npy", few)
    result = measure(im1="few.npy")
    assert result.measured[INSIDE].all()
