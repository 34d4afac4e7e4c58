"""The mesh of a mask: it follows the mask, has no bad tetrahedra, and is made of a few planes at a time."""

import h5py
import numpy as np
import pytest
import tifffile
from mesh_cases import SHAPE, depth_in_mask, determinants, edges, mask, mean_edge, surface

from hpcdvc.errors import UserError
from hpcdvc.fem import coarse
from hpcdvc.fem.body import Body, cell_factor
from hpcdvc.fem.coarse import Coarse, coarse_bytes, coarse_mask, coarse_sizes
from hpcdvc.fem.mesh import lattice
from hpcdvc.fem.quality import Quality, bodies, orient
from hpcdvc.fem.refine import refine
from hpcdvc.fem.stuffing import stuff
from hpcdvc.images import describe
from hpcdvc.ranks.team import Team


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Coarse copies of the mask by lc."""
    path = tmp_path_factory.mktemp("mask") / "mask.tif"
    tifffile.imwrite(path, mask(), compression="zlib")
    info = describe(str(path))
    return lambda lc: coarse_mask(info, cell_factor(lc), Team())


def smallest_angle(points: np.ndarray, cells: np.ndarray) -> float:
    """Between two faces of a tetrahedron, degrees."""
    corners = points[cells]
    normals = []
    for a, b, c in ((1, 2, 3), (0, 3, 2), (0, 1, 3), (0, 2, 1)):
        normal = np.cross(corners[:, b] - corners[:, a], corners[:, c] - corners[:, a])
        normals.append(normal / np.linalg.norm(normal, axis=1)[:, None])
    cosines = [-(normals[i] * normals[k]).sum(axis=1) for i in range(4) for k in range(i)]
    return np.degrees(np.arccos(np.max(cosines)))


@pytest.mark.parametrize("lc", [3.0, 5.0, 9.0])
def test_mesh_follows_the_mask(copies, lc):
    body = Body(copies(lc), lc, "mask.tif")
    points, cells, left_out = body.mesh()
    assert left_out == 0 and np.array_equal(np.unique(cells), np.arange(len(points)))
    assert (points >= 0).all() and (points <= np.array(SHAPE) - 1).all()
    assert depth_in_mask(points).min() > -0.25 * lc  # round its rims
    outer = points[np.unique(surface(cells))]
    inner = ((outer > 0.3) & (outer < np.array(SHAPE) - 1.3)).all(axis=1)
    assert np.abs(depth_in_mask(outer[inner])).mean() < 0.06 * lc
    volume = mask()[1:-1].sum() + mask()[[0, -1]].sum() / 2  # to the middles of the outer voxels
    assert determinants(points, cells).sum() / 6 == pytest.approx(volume, rel=0.012 * lc)
    assert 0.75 * lc < mean_edge(points, cells) < 1.05 * lc
    found = Quality.of(points, cells)
    assert (found.bodies, found.inverted, found.flat) == (1, 0, 0)
    assert determinants(points, cells).min() > 0 and smallest_angle(points, cells) > 10


def test_sizes_are_followed_where_the_surface_is_fine(copies):
    """Short edges at one end only: the surface is there as exact as it is with short edges everywhere."""

    def sizes(places):
        return np.clip(2.5 + 0.25 * places[:, 0], 2.5, 14)

    points, cells, _ = Body(copies(2.5), 14.0, "mask.tif", sizes, 2.5).mesh()
    found = Quality.of(points, cells)
    assert (found.bodies, found.inverted, found.flat) == (1, 0, 0)
    assert determinants(points, cells).min() > 0 and found.aspect[1] < 30
    assert depth_in_mask(points).min() > -1.5
    ends = points[edges(cells)]
    lengths, heights = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), ends.mean(axis=1)[:, 0]
    assert lengths[heights < 8].mean() < 4 < 6 < lengths[heights > 32].mean()


def test_mask_that_fills_its_image():
    """The surface is that of the middles of the outer voxels, and as good as elsewhere."""
    shape = (12, 11, 13)
    points, cells, _ = Body(Coarse(np.ones(shape, "f4"), 1, shape), 2.0, "m").mesh()
    np.testing.assert_allclose([points.min(axis=0), points.max(axis=0)], [[0, 0, 0], [11, 10, 12]], atol=0.05)
    assert smallest_angle(points, cells) > 10
    assert determinants(points, cells).sum() / 6 == pytest.approx(11 * 10 * 12, rel=0.05)


def test_parts_that_do_not_hang_together():
    """Two balls that touch at no face: the larger one is meshed."""
    places = np.indices((40, 40, 80)).reshape(3, -1).T
    balls = [
        np.linalg.norm(places - centre, axis=1) < radius for centre, radius in (((20, 20, 22), 15), ((20, 20, 65), 10))
    ]
    values = (balls[0] | balls[1]).reshape(40, 40, 80).astype("f4")
    points, cells, left_out = Body(Coarse(values, 1, (40, 40, 80)), 5.0, "m").mesh()
    assert left_out == 1 and points[:, 2].max() < 40 and len({*bodies(cells)}) == 1
    assert Quality.of(points, cells).volume == pytest.approx(
        4 / 3 * np.pi * 15**3, rel=0.08
    )  # chords of a ball of three edges


@pytest.mark.parametrize(
    ("values", "lc", "words"),
    [
        (np.zeros((9, 9, 9), "f4"), 3.0, "m.tif is an empty mask"),
        (np.pad(np.ones((1, 1, 1), "f4"), 20), 12.0, "m.tif: its body is too small or too thin for edges of 12 voxels"),
        (np.broadcast_to(np.float32(1), (2000, 2000, 2000))[:1], 1e-3, "nodes: give a larger lc"),
    ],
)
def test_refused(values, lc, words):
    with pytest.raises(UserError, match=words):
        Body(Coarse(values, 1, values.shape), lc, "m.tif").mesh()


@pytest.mark.parametrize("graded", [False, True])
def test_stuffing_of_a_rough_function(graded):
    """Signs that change from node to node: no inverted or flat tetrahedron, no crack."""
    points, cells = lattice(np.array([6, 6, 6] if graded else [12, 12, 12]))
    points *= 12
    if graded:
        points, cells = refine(points, orient(points, cells), lambda places: 0.6 + 0.15 * places[:, 0])
    noise = np.random.default_rng(5).normal(0, 1, (14, 14, 14)).astype("f4")

    def inside(places):
        border = np.minimum(places, 12 - places).min(axis=1) - 0.47
        return np.minimum(Coarse(noise, 1, noise.shape).at(places), border)

    found, tetrahedra = stuff(points, cells, inside)
    tetrahedra = orient(found, tetrahedra)
    quality = Quality.of(found, tetrahedra)
    assert len(tetrahedra) > 3000 and (quality.inverted, quality.flat) == (0, 0) and quality.aspect[1] < 20
    corners = np.unique(surface(tetrahedra))
    corners = corners[corners < len(points)]  # nodes of the lattice are at the surface where they were moved onto it:
    assert len(corners) > 100 and (found[corners] != points[corners]).any(axis=1).all()  # there is no crack at others


@pytest.mark.parametrize("kind", ["zlib", "chunks", "mapped", "npy"])
def test_coarse_copies(tmp_path, kind, monkeypatch):
    """The same whatever the file, in slabs of any thickness; what partial cells at the ends lack is outside."""
    volume = (np.random.default_rng(3).random((23, 17, 19)) < 0.5).astype(np.float32)
    volume[3, 4, 5] = np.nan
    path = tmp_path / ("m.h5" if kind == "chunks" else "m.npy" if kind == "npy" else "m.tif")
    if kind == "chunks":
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=volume, chunks=(5, 8, 8), compression="gzip")
    elif kind == "npy":
        np.save(path, volume)
    else:
        tifffile.imwrite(path, volume, compression="zlib" if kind == "zlib" else None)
    padded = np.zeros((24, 18, 21))
    padded[:23, :17, :19] = (volume != 0) & (volume == volume)
    cells = padded.reshape(8, 3, 6, 3, 7, 3).mean(axis=(1, 3, 5))
    info = describe(str(path))
    for voxels in (2**26, 3 * 3 * 17 * 19, 1):
        monkeypatch.setattr(coarse, "VOXELS", voxels)
        np.testing.assert_allclose(coarse_mask(info, 3, Team()).values, cells, rtol=1e-6)
    assert coarse_bytes(info.shape, 3) == 4 * 8 * 6 * 7


def test_coarse_sizes(tmp_path):
    volume = np.full((6, 6, 6), 9, "f4")
    volume[0, 0, 0], volume[1, 1, 1], volume[5, 5, 5], volume[3:, :3, :3] = 4, 6, 0.2, 0
    volume[0, 4, 4], volume[0, 4, 5] = np.nan, -3
    np.save(tmp_path / "s.npy", volume)
    found = coarse_sizes(describe(str(tmp_path / "s.npy")), 3, 8.0, Team())
    assert found.values.tolist() == [[[4, 8], [8, 8]], [[8, 8], [8, 1]]]
    assert found.at(np.array([[1, 1, 1], [1, 1, 2.5]]), mode="nearest") == pytest.approx([4, 6])


@pytest.mark.mpi
def test_coarse_copy_by_ranks(team, shared_tmp_path):
    path = shared_tmp_path / "m.h5"
    if team.rank == 0:
        with h5py.File(path, "w") as file:
            file.create_dataset("data", data=mask(), chunks=(7, 16, 16), compression="gzip")
    team.barrier()
    found = coarse_mask(describe(str(path)), 4, team).values
    expected = mask()[:40, :60, :].astype(float)
    expected = np.pad(expected, ((0, 0), (0, 0), (0, 2))).reshape(10, 4, 15, 4, 16, 4).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
