"""`hpcdvc.commands`: what a function of a command takes, gives back, says and leaves behind."""

import logging
import os
import re
import signal
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from inspect import getdoc, signature

import numpy as np
import pytest
from align_cases import BEAM, absorbances, error, geometry, offsets
from ldic_cases import FIELD, FLAT_FIELD, FLAT_SHAPE, images
from reg_ends import run_in_process
from reg_ends import save as save_image

import hpcdvc
from hpcdvc.calls.names import command_names, in_python, options_class
from hpcdvc.calls.products import products_of
from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.options.declare import declarations
from hpcdvc.ranks.team import Team

commands = hpcdvc.commands
WINDOWS = {"half_window_size": 5, "node_spacing": 12}
ALL_FLAGS = {flag for name in command_names() for one in declarations(options_class(name)) for flag in one.flags}


def flags_in(text: str) -> list[str]:
    """Flags of a command line in a text; not those in the names of files."""
    return [word for word in re.findall(r"(?<![\w/.=>-])--?[A-Za-z][\w-]*", text) if word in ALL_FLAGS]


@pytest.fixture(autouse=True)
def own_temporary(tmp_path, monkeypatch):
    """An empty working folder, and another one for temporary files, which is empty again afterwards."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    yield
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize("name", commands.__all__)
def test_function(name):
    """Has a signature and a text that tell the same, in names of Python."""
    function = getattr(commands, name)
    assert function.__name__ == name and name in dir(commands)
    parameters, text = signature(function).parameters, getdoc(function)
    documented = re.findall(r"^\*?(\w+) : \S", text.partition("Parameters\n---")[2].partition("Returns\n---")[0], re.M)
    assert documented == list(parameters) and parameters["comm"].default is None
    assert flags_in(text) == []
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", parameter) for parameter in parameters)


def test_pages_are_started_from_a_shell():
    assert set(command_names()) - set(commands.__all__) == {"ereg", "ereg_discrete", "mmr_graphical", "view"}
    with pytest.raises(AttributeError, match="hpcdvc-view is a page, to be started from a shell"):
        commands.view  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'measure'$"):
        commands.measure  # noqa: B018


def test_arrays_or_paths_in_field_out(capfd):
    """The same field as that of the command; nothing is said, nothing stays."""
    im1, im2 = images()
    field = commands.ldic(im1, im2, **WINDOWS)
    assert os.listdir() == [] and capfd.readouterr() == ("", "")
    assert isinstance(field, Field) and field.path == ""
    assert field.measured.sum() > 20 and np.isnan(field.displacement[~field.measured]).all()
    assert field.metadata["parameters"]["images"] == ["im1.npy", "im2.npy"]
    assert np.nanmax(np.abs(field.displacement - FIELD.displacement(field.positions))) < 0.05
    save_image("a.tif", im1), save_image("b.tif", im2)
    run_in_process("ldic", "a.tif", "b.tif", "-hws", 5, "-ns", 12, "-q", cwd=".")
    stored = hpcdvc.read("a-b-ldic.hdf")
    for other in (stored, commands.ldic("a.tif", im2, **WINDOWS), commands.ldic(images=["a.tif", "b.tif"], **WINDOWS)):
        assert other.names == field.names
        for column in field.names:
            np.testing.assert_array_equal(other[column], field[column])


def test_signals_of_the_caller_come_back():
    signal.signal(signal.SIGUSR1, mine := lambda *_: None)
    try:
        commands.ldic(*images(FIELD, (30, 30, 30)), **WINDOWS)
        assert signal.getsignal(signal.SIGUSR1) is mine
    finally:
        signal.signal(signal.SIGUSR1, signal.SIG_DFL)


def test_types_that_images_do_not_have():
    """Whole numbers of 64 bits, as other packages label, and truth values, as they compare."""
    im1, im2 = (image.astype(np.int64) for image in images())
    mask = np.ones(im1.shape, bool)
    mask[:, :, :25] = False
    field = commands.ldic([im1, im2], mask1=mask, half_window_size=(5, 5, 5), node_spacing3=12)
    assert field.measured.any() and (field.return_status[field.positions[:, 2] < 20] == -5).all()
    with pytest.raises(ValueError, match="^im2 holds whole numbers up to 4000000000000000: images have"):
        commands.ldic(im1, np.full_like(im1, 4 * 10**15), **WINDOWS)


def test_numbers_of_numpy():
    """They are stored with the result as any; nothing is hidden by an empty mask."""
    im1, im2 = (np.ma.array(image) for image in images(FLAT_FIELD, FLAT_SHAPE))
    field = commands.ldic(im1, im2, half_window_size=np.array([1, 8, 8]), node_spacing=np.int8(15))
    assert field.metadata["parameters"]["half_window_size3"] == [1, 8, 8] and field.measured.all()


def test_whole_numbers_where_any_will_do():
    """They are what a command line makes of them."""
    im1 = images()[0][:4, :6, :8]
    moved = commands.fourier("shift", im1, by=(1, np.int16(2), 3))
    np.testing.assert_array_equal(moved, commands.fourier("shift", im1, by=(1.0, 2.0, 3.0)))
    with pytest.raises(ValueError, match="^by takes a number below 1e308, not 1000"):
        commands.fourier("shift", im1, by=(1, 2, 10**400))


def test_threads():
    """One call after the other: what the process says with, and where to, is as before."""
    log = logging.getLogger("hpcdvc")
    before = sys.stdout, log.handlers[:], log.level, log.propagate
    with ThreadPoolExecutor(3) as pool:
        texts = list(pool.map(lambda k: commands.ldic(IM, IM2, **WINDOWS, dry_run=True), range(6)))
    assert len(set(texts)) == 1 and texts[0].startswith("1 pair of")
    assert (sys.stdout, log.handlers, log.level, log.propagate) == before


def test_series_and_what_one_gives_to_another():
    im1, im2 = images(FLAT_FIELD, FLAT_SHAPE)
    fields = commands.ldic(im1, im2, im1, half_window_size=8, node_spacing=15)
    assert len(fields) == 2 and np.nanmax(np.abs(fields[1].displacement)) < 0.05
    deformed, residual = commands.deformImage(im1, phi_file=fields[0], order=3, residual=im2)
    inside = np.s_[20:40, 20:50]
    assert np.abs(deformed[inside] - im2[inside].astype(float)).std() < 0.1 * im1.std()
    assert residual.shape == deformed.shape == FLAT_SHAPE
    strain = commands.regularStrain(fields[0])
    assert strain["vol"].shape == strain["vol_std"].shape == (len(fields[0]),), "the size of the windows is known"
    moved = hpcdvc.register(im1, im2)
    from_there = commands.ldic(im1, im2, phi_file=moved, half_window_size=8, node_spacing=15)
    assert np.nanmax(np.abs(from_there.displacement - fields[0].displacement)) < 0.01
    around = {"half_window_size": 5, "search_range": (0, 0, -3, 3, -3, 3)}
    places = commands.guidingPoints(im1, half_window_size=5)
    spread = commands.pixelSearchPropagate(im1, im2, (*places[0], 0, 0, 0), guiding_points=places, **around)
    np.testing.assert_array_equal(spread.positions, places)
    points, tetrahedra = commands.mesh(cuboid=(0, 20, 0, 20, 0, 20), lc=10)
    assert points.shape[1:] == (3,) and tetrahedra.shape[1:] == (4,)


def test_a_result_of_a_mesh_stays_one():
    """A gauge knows that no windows made it; what wants a mesh takes it."""
    im1, im2 = images()
    mesh = commands.mesh(cuboid=(4, 20, 4, 20, 4, 20), lc=8)
    found = commands.gdic(im1, im2, mesh, convergence=0.5)
    with pytest.warns(UserWarning, match="is of a mesh, and does not say"):
        row = commands.gauge(found, box=(4, 21, 4, 21, 4, 21), half_window_size=5)
    assert row["points"] == len(mesh[0]) and np.isnan(row["Zdisp_std"])
    assert commands.deformImage(im1, mesh=found).shape == im1.shape


def test_views_of_a_scan():
    """Views, angles, frames of the beam and of the dark as arrays; the offsets of the views come back."""
    scan, true = geometry(15, 20, 16), offsets(15)
    light = BEAM * 10 ** -absorbances(scan, true).transpose(0, 2, 1) + 100
    frames = {"flat": np.full((2, 16, 20), BEAM + 100), "dark": np.full((16, 20), 100)}
    volume, views, history = commands.align(light, angles=list(np.degrees(scan.inner)), maxiter=10, **frames)
    assert volume["reconstruction"].shape == (16, 20, 20) and history["iteration"][0] == 0
    assert error(np.stack([views["j_offset"], views["k_offset"]]), true, scan).max() < 0.2
    with pytest.raises(ValueError, match="^angles has 3 angles, scan has 15 views"):
        commands.align(light, angles=(0, 60, 120))


def test_out_dir_stays(capfd):
    im1, im2 = images(FLAT_FIELD, FLAT_SHAPE)
    how = {"half_window_size": 8, "node_spacing": 15, "out_dir": "out", "prefix": "first"}
    field = commands.ldic(im1, im2, **how, verbose=True)
    assert "im1 -> im2: 12 nodes" in capfd.readouterr().out
    assert field.path == "out/first-ldic.hdf" and os.path.exists("out/first-ldic.tsv")
    with pytest.raises(ValueError, match=r"first-ldic.hdf exists: resume=True .* force=True overwrites it$"):
        commands.ldic(im1, im2, **how)
    assert commands.convert(field, "table.tsv").displacement.shape == (12, 3)
    assert commands.ldic(im1, im2, **how, force=True, dry_run=True).startswith("1 pair of 12 nodes")


def test_nothing_measured_is_a_warning():
    im1, im2 = images(FLAT_FIELD, FLAT_SHAPE)
    with pytest.warns(UserWarning, match="no node has converged, most end with status -5 .*grey_low") as warned:
        field = commands.ldic(im1, im2, **WINDOWS, grey_low_threshold=1e6)
    assert not field.measured.any() and np.isnan(field.displacement).all()
    assert warned[0].filename == __file__, "it leads to the line of the user"


IM, IM2 = (np.full((20, 21, 22), k, np.float32) for k in (1, 2))
MISTAKES = {
    "text for a number": ((IM, IM2), {"half_window_size": "10"}, TypeError, "half_window_size takes a whole number"),
    "part of a voxel": ((IM, IM2), {"half_window_size": 2.5}, ValueError, "half_window_size takes a whole number"),
    "two of three": ((IM, IM2), {"half_window_size": (5, 5)}, ValueError, "half_window_size takes one number, or"),
    "too small": ((IM, IM2), {**WINDOWS, "max_iterations": 0}, ValueError, "max_iterations must be at least 1"),
    "both": ((IM, IM2), {"half_window_size": 5, "half_window_size3": 5}, ValueError, "only one of half_window_size"),
    "none": ((IM, IM2), {"node_spacing": 5}, ValueError, "half_window_size or half_window_size3 is missing"),
    "a choice": ((IM, IM2), {**WINDOWS, "criterion": "best"}, ValueError, "criterion must be znssd or ssd"),
    "text for a switch": ((IM, IM2), {**WINDOWS, "search": "no"}, TypeError, "search takes True or False, not 'no'"),
    "needs another": ((IM, IM2), {**WINDOWS, "skip": True}, ValueError, "skip needs .* give it with phi_file"),
    "wide spacing": ((IM, IM2), {**WINDOWS, "node_spacing": 50}, ValueError, "node_spacing of 50 in Z is not smaller"),
    "wide window": ((IM, IM2), {**WINDOWS, "half_window_size": 15}, ValueError, "half_window_size 15. is larger"),
    "sizes": ((IM, IM2[:9]), WINDOWS, ValueError, "im1 is 20 x 21 x 22 voxels, im2 is 9 x 21 x 22"),
    "size of a mask": ((IM, IM2), {**WINDOWS, "mask1": IM[:9]}, ValueError, "mask1 is 9 x 21 x 22 voxels, im1 is"),
    "no image": ((IM, 3), WINDOWS, TypeError, "im2 takes an array or a path, not int"),
    "a list": ((IM, [[1, 2]]), WINDOWS, TypeError, "im2 takes an array or a path, not list"),
    "complex": ((IM, IM2 + 1j), WINDOWS, TypeError, "im2 takes an array of numbers in .* not complex"),
    "a line": ((IM, IM2[0, 0]), WINDOWS, TypeError, "im2 takes an array of numbers in two or three dimensions"),
    "hidden": ((IM, np.ma.masked_less(np.arange(9240).reshape(IM.shape), 9)), WINDOWS, TypeError,
               "im2 is a masked array, which hides 9 voxels: im2.filled"),
    "no ranks": ((IM, IM2), {**WINDOWS, "comm": 2}, TypeError, "comm takes a communicator of mpi4py, not int"),
    "no file": ((IM, IM2), {**WINDOWS, "mask1": "no.tif"}, ValueError, "^mask1: no.tif cannot be read"),
    "empty": ((IM, ""), WINDOWS, ValueError, "^im2 is an empty text, which is no path"),
    "no start": ((IM, IM2), {**WINDOWS, "phi_file": IM}, TypeError, "phi_file takes a Field or a path, not ndarray"),
    "one image": ((IM,), WINDOWS, ValueError, "at least two images are needed, only 'im1' is given"),
    "no images": ((), WINDOWS, TypeError, r"ldic\(\): missing a required argument: 'images'"),
    "a flag": ((IM, IM2), {"hws": 5}, TypeError, "no parameter 'hws': did you mean half_window_size"),
    "a misspelling": ((IM, IM2), {"nodespacing": 5}, TypeError, "did you mean node_spacing"),
}  # fmt: skip


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_names_the_parameter(case, capfd):
    given, named, kind, sentence = MISTAKES[case]
    with pytest.raises(kind, match=sentence) as raised:
        commands.ldic(*given, **named)
    assert flags_in(str(raised.value)) == [] and isinstance(raised.value, ValueError) == (kind is ValueError)
    assert capfd.readouterr() == ("", "") and os.listdir() == []


@pytest.mark.parametrize("points", ["text", [[0, 0, 0], [1, 2]], [None]])
def test_a_mesh_of_no_numbers(points):
    with pytest.raises(TypeError, match="^mesh takes an array of numbers as points, not "):
        commands.gdic(IM, IM2, (points, [[0, 1, 2, 3]]))


@pytest.mark.parametrize(
    ("call", "kind", "sentence"),
    [
        (lambda: commands.label(IM, threshold=[]), ValueError, "^threshold takes a value or several, not none"),
        (lambda: commands.mmr(IM, IM2, n_phases=IM[0]), TypeError, "^n_phases takes a word, not an array: "),
        (lambda: commands.mmr(IM, IM2, phases_file=np.float64(1)), TypeError, "^phases_file takes an array of numbers"),
        (lambda: commands.align(IM, angles=[[0], [1, 2]]), TypeError, "^angles takes an array of numbers in rows"),
        (lambda: commands.regularStrain("no.hdf"), ValueError, "^field: no.hdf: no such file"),
        (lambda: commands.umpa(IM, IM2, positions=np.array(["a"])), TypeError, "^positions takes an array of numbers"),
    ],
)
def test_mistakes_of_other_commands(call, kind, sentence):
    with pytest.raises(kind, match=sentence):
        call()


def test_values_that_are_read_once():
    im1 = images()[0][:4, :6, :8]
    moved = commands.fourier("shift", im1, by=(k / 2 for k in range(3)))
    np.testing.assert_array_equal(moved, commands.fourier("shift", im1, by=(0, 0.5, 1)))


def test_flags_of_other_commands():
    """What ldic does not declare is found where it is declared; paths are left alone."""
    ldic = options_class("ldic")
    assert in_python("-hws and --no-search, --mesh of a-ns.tif", ldic) == (
        "half_window_size and search=False, mesh of a-ns.tif"
    )


def test_tables():
    """What is no field: comments, names, numbers and words; by its names, or as plain numbers."""
    with open("g-gauge.csv", "w") as file:
        file.write("# unit: voxel\n# removed: nothing\nstep,length,strain\n1,10.5,0.25\n2,11,0.5\n")
    with open("points.txt", "w") as file:
        file.write("# Z Y X\n1 2 3\n4 5 6\n")
    table, points = products_of(["g-gauge.csv", "g-gauge.png", "points.txt"], None)
    assert table.dtype.names == ("step", "length", "strain") and table["strain"].tolist() == [0.25, 0.5]
    assert points.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert products_of(["page.html"], None) == "page.html"


@pytest.mark.mpi
def test_ranks(team):
    """Rank 0 has the field, that of one rank; mistakes are those of all."""
    im1, im2 = images(FLAT_FIELD, FLAT_SHAPE)
    given = (im1, im2) if team.rank == 0 else (None, None)
    field = commands.ldic(*given, half_window_size=8, node_spacing=15, comm=team.comm)
    assert (field is None) == (team.rank > 0)
    if team.rank == 0:
        alone = commands.ldic(im1, im2, half_window_size=8, node_spacing=15)
        np.testing.assert_array_equal(field.displacement, alone.displacement)
    with pytest.raises(UserError, match="half_window_size or half_window_size3 is missing"):
        commands.ldic(im1, im2, node_spacing=15, comm=team.comm)
    with pytest.raises(TypeError, match="half_window_size takes"):
        commands.ldic(im1, im2, half_window_size="8", comm=team.comm)
    for _ in range(2000 if team.comm else 0):  # MPI has room for about as many communicators
        Team(team.comm).close()
