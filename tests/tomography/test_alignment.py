"""Alignment of views: truth, the peer's shifts, resumption, ranks, settings."""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest
from tomography_cases import turned

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.ranks.team import Team
from hpcdvc.tomography.align import align, check, free_offsets, plan
from hpcdvc.tomography.beams import forward
from hpcdvc.tomography.levels import binned_geometry, binned_offsets, binned_views
from hpcdvc.tomography.opening import describe_scan
from hpcdvc.tomography.scan import Scan
from hpcdvc.tomography.settings import AlignSettings, Journal
from hpcdvc.tomography.shifts import step_of

CASES = "oracle/seeds234"


@dataclass(frozen=True)
class Memory:
    """Views of a phantom."""

    values: np.ndarray
    files: tuple = ()

    def read(self, view):
        return self.values[view], np.ones(self.values.shape[1:], np.float32)


def phantom(views=12, tilted=False, size=20):
    """A scan of blobs with known offsets of up to 1.5 pixels."""
    rng = np.random.default_rng(5)
    grid = np.stack(np.meshgrid(*[np.arange(size) - (size - 1) / 2] * 3, indexing="ij"), axis=-1)
    volume = np.zeros((size,) * 3, np.float32)
    for _ in range(8):
        centre, width = rng.uniform(-0.2, 0.2, 3) * size, rng.uniform(0.05, 0.1) * size
        volume += np.exp(-((grid - centre) ** 2).sum(axis=-1) / (2 * width**2)).astype(np.float32)
    outer = np.resize([0.0, 0.3, 0.6], views) if tilted else np.zeros(views)
    geometry = turned(np.linspace(0.07, np.pi, views, endpoint=False), outer, volume.shape, (size + 4, size + 4))
    truth = rng.uniform(-1.5, 1.5, (2, views))
    zero = np.zeros(views)
    return Scan("phantom", geometry, zero, zero, Memory(forward(volume, geometry, *truth) / size), "stack"), truth


def rms(found, truth, geometry):
    """Of offsets, without the translation of the volume, j and k."""
    off = free_offsets(np.array([found.j_offsets, found.k_offsets]) - truth, geometry)
    return np.sqrt((off**2).mean(axis=1))


def of_case(shared, name, **words):
    folder = shared / CASES / name
    truth = np.array([np.load(folder / "truth_oj.npy"), np.load(folder / "truth_ok.npy")])
    return truth, words, folder


@pytest.mark.parametrize(
    ("case", "file", "most"),
    [
        ("mumott_align_single", "data.h5", (0.01, 0.004)),
        ("mumott_align_dual", "data.h5", (0.01, 0.004)),
        ("align_nxtomo", "scan.nx", (0.03, 0.005)),
        ("align_nxtomo", "projections.tif", (0.01, 0.004)),
    ],
)
def test_truth(shared, case, file, most):
    """What comes out without any setting."""
    truth, _, folder = of_case(shared, case)
    words = {"angles": str(folder / "angles.txt")} if file.endswith("tif") else {}
    scan = describe_scan(str(folder / file), **words)
    found = align(scan, AlignSettings(), Team())
    assert (rms(found, truth, scan.geometry) <= most).all()
    assert found.converged and not found.notes
    assert found.history[-1].residual <= found.history[0].residual
    np.testing.assert_array_equal(found.history[-1].offsets, [found.j_offsets, found.k_offsets])


@dataclass(frozen=True)
class Noisy:
    """Light of a scan with noise, as absorbances again."""

    views: object
    files: tuple = ()

    def read(self, view):
        values, weights = self.views.read(view)
        noise = 1 + 0.05 * np.random.default_rng(view).standard_normal(values.shape)
        return (values - np.log10(noise)).astype(np.float32), weights


@pytest.mark.parametrize("case", ["mumott_align_single", "mumott_align_dual"])
def test_noise(shared, case):
    truth, _, folder = of_case(shared, case)
    scan = describe_scan(str(folder / "data.h5"))
    found = align(replace(scan, views=Noisy(scan.views)), AlignSettings(maxiter=2), Team())
    assert (rms(found, truth, scan.geometry) <= 0.1).all()


@pytest.mark.slow
def test_from_zero(shared):
    truth, _, folder = of_case(shared, "mumott_align_single")
    scan = describe_scan(str(folder / "data.h5"))
    found = align(scan, AlignSettings(start="zero"), Team())
    assert (rms(found, truth, scan.geometry) <= (0.015, 0.005)).all()


def peer_steps(shared, case, name, before, settings):
    """Steps of one iteration from the peer's offsets, and its own; its reconstructions."""
    folder = shared / CASES / case
    scan = describe_scan(str(folder / "data.h5"), background="percentile")
    scan = replace(scan, j_offsets=before[0], k_offsets=before[1])
    found = align(scan, replace(settings, start="file", maxiter=1, adjoint="interp", bins=(1,)), Team())
    return np.array([found.j_offsets, found.k_offsets]) - before


def test_peer_single(shared):
    """The masked shifts of mumott from its own offsets; one whole pixel depends on the fault of its edges."""
    history = np.load(shared / CASES / "mumott_align_single/out_default_history.npy")
    masked = AlignSettings(reconstruction_kwargs={"maxiter": 20}, methods=("masked",))
    off = [
        peer_steps(shared, "mumott_align_single", "default", a, masked) - (b - a)
        for a, b in itertools.pairwise(history[:4])
    ]
    assert np.count_nonzero(np.round(off, 6)) <= 1
    phase = replace(masked, methods=("phase",), upsampling=(10,))
    off = peer_steps(shared, "mumott_align_single", "default", history[5], phase) - (history[6] - history[5])
    assert np.abs(off).max() < 0.1001  # a step of its grid
    assert np.count_nonzero(np.round(off, 6)) <= 6


@pytest.mark.parametrize(
    ("name", "upsampling", "words"),
    [
        ("ignored", 1, {"ignored": (0, 3, 7)}),
        ("cutoff", 5, {"cutoff": 0.5}),
        ("relax_seed1", 5, {"relaxation": 0.3, "seed": 1}),
    ],
)
def test_peer_options(shared, name, upsampling, words):
    case = "mumott_align_options"
    history = np.load(shared / CASES / case / f"out_{name}_history.npy")
    method = "masked" if upsampling == 1 else "phase"
    settings = AlignSettings(reconstruction_kwargs={"maxiter": 5}, methods=(method,), upsampling=(upsampling,), **words)
    found = peer_steps(shared, case, name, history[0], settings)
    np.testing.assert_allclose(found, history[1] - history[0], atol=1e-9)


@pytest.mark.parametrize("tilted", [False, True])
def test_resumed(tilted):
    """From any state of an earlier run, the same bits; chance too."""
    scan, _ = phantom(8, tilted)
    settings = AlignSettings(
        maxiter=2,
        sample=0.7,
        relaxation=0.01,
        seed=3,
        bins=(2, 1),
        tolerance=1e-12,
        reconstruction_kwargs={"maxiter": 5},
    )
    kept = []
    whole = align(scan, settings, Team(), Journal(kept.append))
    assert len(kept) == len(whole.history) == 7
    for last in (1, 3, 5, 7):
        again = align(scan, settings, Team(), Journal(earlier=tuple(kept[:last])))
        np.testing.assert_array_equal(again.j_offsets, whole.j_offsets)
        np.testing.assert_array_equal(again.reconstruction, whole.reconstruction)
        assert [s.residual for s in again.history] == [s.residual for s in whole.history]


@pytest.mark.mpi
@pytest.mark.parametrize(
    ("tilted", "mode", "words"),
    [(False, "slab", {}), (False, "replicated", {"reconstruction": "cgls"}), (True, "auto", {"centre_of_mass": 0.1})],
)
def test_ranks_change_no_bit(tilted, mode, words, team):
    scan, _ = phantom(8, tilted)
    settings = AlignSettings(maxiter=2, mode=mode, reconstruction_kwargs={"maxiter": 5}, **words)
    alone, found = align(scan, settings, Team()), align(scan, settings, team)
    for name in ("j_offsets", "k_offsets", *(("reconstruction", "projections", "reference") if team.rank == 0 else ())):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), err_msg=name)


class Scattered(Team):
    """Ranks that were dealt to two nodes in turn, as some launchers do: views do not lie in the order of ranks."""

    def _split(self, comm, nodes):
        from mpi4py import MPI

        super()._split(comm, nodes)
        self.node_index, self.node_count = comm.rank % 2, 2
        self.node_sizes = [-(-comm.size // 2), comm.size // 2]
        self.node = comm.Split(self.node_index, comm.rank)
        self.node_rank, self.node_size = self.node.rank, self.node.size
        self.leaders = comm.Split(MPI.UNDEFINED if self.node_rank else 0, comm.rank)


@pytest.mark.mpi
@pytest.mark.parametrize("mode", ["slab", "replicated"])
def test_ranks_of_nodes_need_not_follow_each_other(mode, team):
    scan, _ = phantom(8)
    settings = AlignSettings(maxiter=2, mode=mode, reconstruction_kwargs={"maxiter": 5}, centre_of_mass=0.1)
    alone, found = align(scan, settings, Team()), align(scan, settings, Scattered(team.comm) if team.size > 1 else team)
    for name in ("j_offsets", "k_offsets", *(("reconstruction", "projections", "reference") if team.rank == 0 else ())):
        np.testing.assert_array_equal(getattr(found, name), getattr(alone, name), err_msg=name)


def test_modes_agree():
    scan, truth = phantom(10)
    slab, replicated = (align(scan, AlignSettings(maxiter=3, mode=mode), Team()) for mode in ("slab", "replicated"))
    np.testing.assert_allclose(slab.history[-1].offsets, replicated.history[-1].offsets, atol=1e-6)


@pytest.mark.parametrize("reconstruction", ["mitra", "sirt", "cgls", "fbp"])
def test_reconstructions(reconstruction):
    scan, truth = phantom(24)
    steps = {"maxiter": 30} if reconstruction == "sirt" else {}
    settings = AlignSettings(maxiter=4, reconstruction=reconstruction, reconstruction_kwargs=steps)
    found = align(scan, settings, Team())
    assert (rms(found, truth, scan.geometry) <= (0.1, 0.05)).all()
    level = found.reconstruction.sum() / (found.reference.sum() / 24)
    assert abs(level - 1) < 0.05  # all the views have seen


def test_a_view_that_is_not_moved():
    scan, truth = phantom(10)
    still = [0, 4, 8]
    wrong = truth + 0.7 * ~np.isin(np.arange(10), still)
    scan = replace(scan, j_offsets=wrong[0], k_offsets=wrong[1])
    for start in ("com", "file"):
        settings = AlignSettings(maxiter=4, ignored=tuple(still), start=start, align_k=False)
        found = align(scan, settings, Team())
        np.testing.assert_array_equal(found.j_offsets[still], truth[0, still])
        np.testing.assert_array_equal(found.k_offsets, wrong[1])
        if start == "com":  # from the file it takes many iterations: those that are moved agree with each other
            assert np.abs(found.j_offsets - truth[0]).max() < 0.3


def test_sample():
    scan, _ = phantom(8)
    found = align(scan, AlignSettings(maxiter=1, sample=0.3, start="zero", methods=("gn",)), Team())
    assert np.count_nonzero(found.j_offsets) == 3


def test_gauss_newton_step_is_not_biased_by_noise():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :48]

    def image(j, k):
        return np.exp(-((y - 19 + j) ** 2 + (x - 24 + k) ** 2) / 50) + 0.5 * np.cos(0.3 * (x + k) + 0.2 * (y + j))

    steps = []
    for _ in range(40):
        view = 1.7 * image(0.2, -0.1) + 0.4 + 0.1 * rng.standard_normal(y.shape)
        steps.append(step_of("gn", image(0, 0), view, np.ones(y.shape)))
    np.testing.assert_allclose(np.mean(steps, axis=0), [0.2, -0.1], atol=0.005)
    np.testing.assert_array_equal(step_of("gn", np.ones((9, 9)), np.ones((9, 9)), np.ones((9, 9))), [0, 0])


@pytest.mark.parametrize(("method", "upsampling", "near"), [("cc", 20, 0.05), ("cc", 1, 0.5), ("masked", 1, 0.5)])
def test_correlation_step(method, upsampling, near):
    y, x = np.mgrid[:40, :41]
    first, second = (np.exp(-((y - 19 + j) ** 2 + (x - 20 + k) ** 2) / 20) for j, k in ((0, 0), (2.3, -1.2)))
    weights = np.ones(y.shape)
    if method == "masked":
        weights[:4] = 0
        second[:4] = 7
    found = step_of(method, first, second, weights, upsampling)
    np.testing.assert_allclose(found, [2.3, -1.2], atol=near)


@pytest.mark.parametrize("method", ["cc", "masked"])
def test_correlation_step_of_two_rows(method):
    """Along them; nothing tells of the other direction."""
    j = np.arange(40)[:, None]
    first, second = (np.exp(-((j - 19 + shift) ** 2) / 20) * [1, 0.8] for shift in (0, 3))
    np.testing.assert_array_equal(step_of(method, first, second, np.ones((40, 2))), [3, 0])
    np.testing.assert_array_equal(step_of(method, first.T, second.T, np.ones((2, 40))), [0, 3])


def test_levels():
    """Places of binned pixels are the means of those of their pixels, whatever is left over."""
    scan, truth = phantom(4, size=19)
    geometry = scan.geometry
    for binning in (2, 3):
        coarse = binned_geometry(geometry, binning)
        offsets = binned_offsets(truth, geometry, binning)
        for axis in (0, 1):
            place = np.arange(binning).mean() + 0.5 - geometry.shape[axis] / 2 + truth[axis]
            np.testing.assert_allclose(binning * (0.5 - coarse.shape[axis] / 2 + offsets[axis]), place)
    views, weights = np.arange(15.0).reshape(1, 3, 5), np.ones((1, 3, 5))
    weights[0, 0, 0] = 0
    values, counts = binned_views(views.astype("f4"), weights.astype("f4"), 2)
    np.testing.assert_allclose(counts[0], [[0.75, 1, 0.5], [0.5, 0.5, 0.25]])
    assert values[0, 0, 0] == 4 and values[0, 1, 2] == 14


def test_coarse_levels_end_at_the_truth():
    scan, truth = phantom(12, size=32)
    found = align(scan, AlignSettings(start="zero", bins=(2, 1), maxiter=8), Team())
    assert (rms(found, truth, scan.geometry) <= (0.03, 0.01)).all()
    assert {stage.binning for stage in plan(scan.geometry, AlignSettings(bins=(2, 1)))} == {2, 1}


def test_no_iteration():
    scan, _ = phantom(6)
    found = align(scan, AlignSettings(maxiter=0, start="zero"), Team())
    assert len(found.history) == 1 and not found.converged
    assert found.reconstruction.max() > 0 and not found.j_offsets.any()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"ignored": (12,)}, "no view 12"),
        ({"ignored": tuple(range(12))}, "all 12 views"),
        ({"crop": (0, 99, 0, 4)}, "crop"),
        ({"crop": (4, 4, 0, 4)}, "crop"),
        ({"reconstruction": "fbp"}, "tilted"),
        ({"mode": "slab"}, "tilted"),
        ({"reconstruction": "magic"}, "not known"),
        ({"reconstruction": "no_such_module_x:f"}, "cannot be imported"),
        ({"reconstruction": "math:nothing"}, "has no function"),
        ({"reconstruction_kwargs": {"steps": 3}}, "takes no"),
        ({"reconstruction_kwargs": {"maxiter": 0}}, "maxiter"),
        ({"reconstruction_kwargs": {"momentum": 1}}, "momentum"),
    ],
)
def test_refused(words, said):
    scan, _ = phantom(12, tilted=True)
    with pytest.raises(UserError, match=said):
        check(scan.geometry, AlignSettings(**words))


@pytest.mark.parametrize(
    "words",
    [
        {"align_j": False, "align_k": False},
        {"upsampling": (0,)},
        {"maxiter": -1},
        {"sample": 0.0},
        {"methods": ("x",)},
        {"start": "x"},
        {"tolerance": 0.0},
        {"bins": (0,)},
        {"upsampling": (1, 5), "methods": ("cc", "gn", "gn")},
        {"upsampling": (1.5,)},
        {"maxiter": 2.5},
        {"ignored": (0.5,)},
        {"seed": None},
        {"seed": -1},
        {"relaxation": -0.1},
        {"relaxation": float("nan")},
        {"centre_of_mass": float("inf")},
    ],
)
def test_settings_refused(words):
    with pytest.raises(UserError):
        AlignSettings(**words)


def backprojected(data_container, use_gpu, use_absorbances, no_tqdm, steps=1, seen=None):
    """A reconstruction of a user: what mitra does, from the container alone."""
    from hpcdvc.tomography.projector import make_projector
    from hpcdvc.tomography.reconstruct import mitra

    place = data_container.geometry
    projector = make_projector(data_container.scan_geometry, Team())
    projector = projector.moved(place.j_offsets_as_array, place.k_offsets_as_array)
    data, weights = (projector.measured(a[..., 0]) for a in (data_container.absorbances, data_container.weights))
    x = mitra(projector, data, weights, steps)
    return {"result": {"x": x[..., None]}, "weights": data_container.weights, "absorbances": data_container.absorbances}


@pytest.mark.mpi
def test_reconstruction_of_a_user(team):
    scan, _ = phantom(8, tilted=True)
    settings = AlignSettings(maxiter=2, reconstruction_kwargs={"maxiter": 5})
    mine = replace(settings, reconstruction=backprojected, reconstruction_kwargs={"steps": 5})
    expected, found = align(scan, settings, Team()), align(scan, mine, team)
    np.testing.assert_allclose(found.j_offsets, expected.j_offsets, atol=1e-5)
    if team.rank == 0:
        np.testing.assert_allclose(found.reconstruction, expected.reconstruction, atol=1e-5)


def test_function(shared):
    truth, _, folder = of_case(shared, "mumott_align_dual")
    path = str(folder / "data.h5")
    found = hpcdvc.phase_matching_alignment(path, {3}, np.s_[1:-1, :], maxiter=2, method="gn", upsampling=1)
    assert found.history.shape == (3, 2, 24) and found.projections.shape == (24, 30, 30)
    assert found.reconstruction.shape == (30, 30, 30)
    np.testing.assert_array_equal(found.history[-1], [found.j_offsets, found.k_offsets])
    geometry = describe_scan(path).geometry
    assert (np.sqrt((free_offsets(found.history[-1] - truth, geometry) ** 2).mean(axis=1)) < (0.2, 0.2)).all()
    with pytest.raises(TypeError):
        hpcdvc.phase_matching_alignment(path, [3])
    for upsampling in ("1,5", 1.5):
        with pytest.raises(UserError, match="whole number"):
            hpcdvc.phase_matching_alignment(path, upsampling=upsampling)
    for crop in (slice(1, 5), np.s_[1:5, 3], [slice(1, 5)]):
        with pytest.raises(UserError, match="two slices"):
            hpcdvc.phase_matching_alignment(path, projection_cropping=crop)
    with pytest.raises(ValueError, match="both directions"):
        hpcdvc.phase_matching_alignment(path, align_j=False, align_k=False)
