"""hpcdvc-ldic on series that move far: what each step starts from, registrations on the way, totals of increments."""

import logging

import numpy as np
import pytest
import tifffile
from ldic_cases import run_here, save_registration
from synthetic import Affine, Sine, lattice_texture, render, rotation, translation

from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.status import Status
from hpcdvc.output.hdf5 import read_field, read_metadata
from hpcdvc.output.tsv import write_tsv

SHAPE = (190, 260)
MIDDLE = np.array([95.0, 85.0])
WORDS = ("-ns", 16, "-hws", 8, "-notsv", "-mf1", "mask.tif", "-mc", 0.9)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A specimen: a disc, the only part that a mask leaves."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("hpcdvc"), "propagate", True)
    distance = np.hypot(*(np.indices(SHAPE).T - MIDDLE).T)
    tifffile.imwrite("mask.tif", (distance < 60).astype("u1"))


@pytest.fixture(scope="module")
def texture():
    return lattice_texture(2, dimensions=2)


def moved(step: float) -> Affine:
    """3 degrees and 7 pixels a step."""
    return rotation(3 * step, MIDDLE, shift=(0.0, 7.0 * step))


def save(texture, motions) -> list[str]:
    """im0.tif and the images that the motions make of it; their names."""
    names = [f"im{k}.tif" for k in range(len(motions) + 1)]
    for name, motion in zip(names, [None, *motions], strict=True):
        tifffile.imwrite(name, render(texture, SHAPE, motion))
    return names


def converged(path: str) -> float:
    """Part of the nodes in the specimen."""
    status = read_field(path).return_status
    return float((status == Status.CONVERGED).sum() / np.isin(status, (-5, -6), invert=True).sum())


def error(field: Field, motion) -> float:
    good = field.measured
    return float(np.abs(field.displacement[good, 1:] - motion.displacement(field.positions[good, 1:])).max())


def test_a_steady_motion_is_followed(texture):
    """Ten steps; from one start for all, the second is lost already."""
    names = save(texture, [moved(k) for k in range(1, 11)])
    phi = np.eye(4)[None].copy()
    phi[:, :3] = moved(1).phi(MIDDLE[None])
    write_tsv("start.tsv", Field(np.array([[0.0, *MIDDLE]]), phi, np.array([2]), *(np.zeros(1),) * 3))
    paths = run_here(*names, *WORDS, "-pf", "start.tsv")[:-1]
    assert [converged(path) for path in paths] == [1.0] * 10
    for k, path in enumerate(paths, start=1):
        assert error(read_field(path), moved(k)) < 0.05
    paths = run_here(*names[:4], *WORDS, "-pf", "start.tsv", "--start-from", "file", "-od", "file")[:-1]
    assert converged(paths[0]) == 1 and converged(paths[2]) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize("words", [("-pf", "start.tsv"), ("--register",)])
def test_a_steady_motion_of_a_volume_is_followed(words):
    shape, middle = (72, 84, 150), np.array([36.0, 42.0, 40.0])
    motions = [rotation(3 * k, middle, (1, 0, 0), (0, 0, 7.0 * k)) for k in range(11)]
    texture, names = lattice_texture(5, spacing=3.0), [f"im{k}.tif" for k in range(11)]
    for name, motion in zip(names, motions, strict=True):
        tifffile.imwrite(name, render(texture, shape, motion))
    distance = np.linalg.norm(np.indices(shape).T - middle, axis=-1).T
    tifffile.imwrite("mask.tif", (distance < 30).astype("u1"))
    save_registration("start.tsv", motions[1])
    paths = run_here(*names, "-ns", 10, "-hws", 7, "-notsv", "-mf1", "mask.tif", "-mc", 0.9, *words)[:-1]
    assert [converged(path) for path in paths] == [1.0] * 10
    for path, motion in zip(paths, motions[1:], strict=True):
        field = read_field(path)
        assert np.abs(field.displacement - motion.displacement(field.positions))[field.measured].max() < 0.02


@pytest.mark.parametrize("motions", [(0.4, 0.8, 0.4, 0.0, -0.4), (0.4, 0.4, 0.4), (0.4, -0.4, 0.4)])
def test_a_motion_that_rests_or_turns_around(texture, motions, caplog):
    names = save(texture, [moved(k) for k in motions])
    with caplog.at_level(logging.INFO, "hpcdvc"):
        paths = run_here(*names, *WORDS)[:-1]
    assert [converged(path) for path in paths] == [1.0] * len(motions)
    starts = [record.getMessage() for record in caplog.records if record.getMessage().startswith("start: ")]
    assert len(starts) == len(motions) - 1
    expected = {0.8: "where the two steps before lead", -0.4: "as the first step"}
    assert starts[0] == f"start: {expected.get(motions[1], 'the step before')}"


@pytest.mark.parametrize("search", [True, False])
def test_a_jump_between_steps_is_looked_for(texture, search, caplog):
    """Neither the step before nor no motion leads anywhere."""
    names = save(texture, [moved(0.1), translation((3.0, 40.0))])
    with caplog.at_level(logging.INFO, "hpcdvc"):
        last = run_here(*names, *WORDS, *[] if search else ["--no-search"])[1]
    assert ("start: none leads anywhere, it is looked for" in caplog.messages) == search
    if search:
        assert converged(last) == 1 and error(read_field(last), translation((3.0, 40.0))) < 0.05
    else:
        assert converged(last) < 0.1


def test_failed_nodes_start_from_their_neighbours(texture):
    """A spot without texture in one image only: its nodes are back in the next step."""
    names = save(texture, [moved(k) for k in range(1, 5)])
    image = tifffile.imread(names[2])
    x, y = (MIDDLE + moved(2).displacement(MIDDLE[None])[0]).astype(int)
    image[x - 25 : x + 25, y - 25 : y + 25] = np.random.default_rng(0).integers(20000, 40000, (50, 50))
    tifffile.imwrite(names[2], image)
    paths = run_here(*names, *WORDS, "--register")[:-1]
    shares = [converged(path) for path in paths]
    assert shares[1] < 0.95 and shares[2:] == [1.0, 1.0]
    steps = run_here(*names, *WORDS, "-pf", paths[0], "-od", "steps")[:-1]
    assert [converged(path) for path in steps][2:] == [1.0, 1.0]


def test_a_registration_at_each_step(texture, caplog):
    """Jumps that nothing before tells."""
    steps = [1, -1, 1.2, -0.8]
    names = save(texture, [moved(k) for k in steps])
    with caplog.at_level(logging.INFO, "hpcdvc"):
        paths = run_here(*names, *WORDS, "--register")[:-1]
    assert [converged(path) for path in paths] == [1.0] * 4
    assert sum("registration: " in record.getMessage() for record in caplog.records) == 4
    assert converged(run_here(*names, *WORDS, "--no-search", "-od", "alone")[0]) < 0.5
    for k, path in zip(steps, paths, strict=True):
        assert error(read_field(path), moved(k)) < 0.05
    same = run_here(*names[:2], *WORDS, "-regbb", 4, "-regbe", 1, "-od", "same")
    assert read_metadata(same[0])["key"] == read_metadata(paths[0])["key"]
    assert run_here(*names[:2], *WORDS, "--resume", "-regbb", 4) == paths[:1]


def test_a_registration_that_fails_is_said(texture, caplog):
    names = save(texture, [translation((0.3, 0.2))])
    tifffile.imwrite(names[1], render(lattice_texture(9, dimensions=2), SHAPE))
    run_here(*names, *WORDS, "--register")
    assert "the registration has failed" in caplog.text


def test_total_of_increments(texture):
    """Displacements of the points of the first image, however far they have gone."""
    wave = Sine(np.array([0.0, 0.5]), np.array([0.0, 1 / 80]))
    totals = [translation((0.5 * k, 2.0 * k)) + Sine(k * wave.amplitude, wave.wave_vector) for k in (1, 2, 3, 4)]
    names = save(texture, totals)
    words = ("-ns", 12, "-hws", 8)
    paths = run_here(*names, *words, "-sei", "--total", "-vtk")
    assert paths[-2:] == ["im0-series-ldic.hdf.series", "im0-series-ldic-total.hdf.series"]
    assert [path for path in paths if path.endswith("total.hdf")] == [f"im0-im{k}-ldic-total.hdf" for k in range(1, 5)]
    for k, motion in enumerate(totals, start=1):
        total, step = read_field(f"im0-im{k}-ldic-total.hdf"), read_field(f"im{k - 1}-im{k}-ldic.hdf")
        assert total.measured.mean() > 0.8 and error(total, motion) < 0.12
        if k > 1:
            assert set(total.return_status) <= {1, Status.NOT_REACHED} and error(step, motion) > 2
    assert read_metadata("im0-im4-ldic-total.hdf")["family"] == "passed"
    before = [read_field(path).phi.tobytes() for path in paths if path.endswith(".hdf")]
    again = run_here(*names, *words, "-sei", "--total", "-vtk", "--resume")
    assert again == paths and [read_field(path).phi.tobytes() for path in paths if path.endswith(".hdf")] == before


def test_total_is_made_of_what_is_there(texture):
    names = save(texture, [translation((0.3 * k, 0.2)) for k in (1, 2)])
    words = ("-ns", 40, "-hws", 8, "-sei", "-notsv")
    steps = run_here(*names, *words)[:-1]
    paths = run_here(*names, *words, "--total", "--resume")
    assert set(steps) < set(paths) and error(read_field(paths[3]), translation((0.6, 0.2))) < 0.02
    pair = run_here(*names[:2], *words, "--total", "-pre", "one")
    assert pair == ["one-ldic.hdf", "one-ldic-total.hdf"]


def test_refused(texture):
    names = save(texture, [translation((0.3 * k, 0.2)) for k in (1, 2)])
    with pytest.raises(UserError, match="--total needs -sei"):
        run_here(*names, *WORDS, "--total")
    field = run_here(*names[:2], *WORDS, "-pre", "first")[0]
    with pytest.raises(UserError, match=f"give only one of --register and -pf {field}"):
        run_here(*names, *WORDS, "--register", "-pf", field)
    with pytest.raises(UserError, match="-skp completes one result: it takes two images, not 3"):
        run_here(*names, *WORDS, "-skp", "-pf", field)
    with pytest.raises(UserError, match="-regbb 2 is less than -regbe 4"):
        run_here(*names, *WORDS, "-regbb", 2, "-regbe", 4)
