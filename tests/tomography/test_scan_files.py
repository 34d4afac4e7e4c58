"""Scans of every kind hold the same views, from the same directions; and those of the recorded cases."""

import pickle

import h5py
import numpy as np
import pytest
import scan_files as files

from hpcdvc.tomography.geometry import Geometry, Goniometer
from hpcdvc.tomography.normalise import crosses_borders
from hpcdvc.tomography.opening import describe_scan

PLAIN = {"data": "raw/images", "angles": "where/degrees", "flat": "raw/white", "dark": "raw/black"}


def read_all(scan):
    """(n, J, K) values and weights, from a scan that another process has described."""
    scan = pickle.loads(pickle.dumps(scan))
    return np.array([scan.read(view) for view in range(scan.geometry.views)]).swapaxes(0, 1)


@pytest.fixture
def scans(tmp_path):
    stack, angles = files.write_stack(tmp_path)
    return {
        "mumott": describe_scan(files.write_mumott(tmp_path / "mumott")),
        "NXtomo": describe_scan(files.write_nxtomo(tmp_path / "nxtomo.nx")),
        "DataExchange": describe_scan(files.write_exchange(tmp_path / "exchange.h5")),
        "HDF5": describe_scan(files.write_plain(tmp_path / "plain.hdf"), **PLAIN),
        "stack": describe_scan(stack, angles=angles),
    }


def test_all_kinds_hold_the_same_views(scans):
    truth = files.absorbances()
    for kind, scan in scans.items():
        values, weights = read_all(scan)
        assert scan.kind == kind
        assert values.dtype == np.float32 and values.shape == truth.shape, kind
        # the beam beside the sample is told from the views: blobs have tails
        assert np.abs(values - truth).max() < 2e-3, kind
        assert (weights == 1).all(), kind


def test_directions_of_all_kinds_are_those_of_the_angles(scans):
    angles = np.deg2rad(files.ANGLES)
    for kind, scan in scans.items():
        geometry = scan.geometry
        assert np.allclose(geometry.u, np.stack([np.cos(angles), np.sin(angles), 0 * angles], 1), atol=1e-15), kind
        assert np.allclose(geometry.p, np.stack([-np.sin(angles), np.cos(angles), 0 * angles], 1), atol=1e-15), kind
        assert np.array_equal(geometry.w, np.tile([0.0, 0, 1], (files.VIEWS, 1))), kind
        assert geometry.single_axis and geometry.volume == (files.J, files.J, files.K), kind
        assert np.allclose(geometry.inner, angles) and not geometry.outer.any(), kind


def test_offsets_of_mumott_are_kept(scans):
    steps = np.arange(files.VIEWS)
    assert np.array_equal(scans["mumott"].j_offsets, 0.25 * steps)
    assert np.array_equal(scans["mumott"].k_offsets, -0.5 * steps)
    assert not scans["NXtomo"].j_offsets.any()


def test_all_files_that_are_read_are_named(tmp_path):
    def outsource(file):
        for name in ("projections/2/diode", "exchange/data"):
            if name in file:
                with h5py.File(tmp_path / "other.h5", "w") as other:
                    other["x"] = file[name][()]
                del file[name]
                file[name] = h5py.ExternalLink("other.h5", "x")

    for write in (files.write_mumott, files.write_exchange):
        scan = describe_scan(write(tmp_path / "scan.h5", change=outsource))
        assert scan.views.files == (str(tmp_path / "scan.h5"), str(tmp_path / "other.h5"))
        assert np.abs(scan.read(2)[0] - files.absorbances()[2]).max() < 2e-3


def test_smaller_views_keep_where_they_look(tmp_path):
    def cut(file):
        group = file["projections/2"]
        for name in ("diode", "data"):
            values = group[name][()]
            del group[name]
            group[name] = values[:-3, :-2]

    whole = describe_scan(files.write_mumott(tmp_path / "a.h5"))
    part = describe_scan(files.write_mumott(tmp_path / "b.h5", change=cut))
    values, weights = part.read(2)
    assert part.geometry.shape == (files.J, files.K)
    assert np.abs(values[:-3, :-2] - whole.read(2)[0][:-3, :-2]).max() < 1e-4
    assert not weights[-3:].any() and not weights[:, -2:].any() and weights[:-3, :-2].all()
    # its middle was 1.5 pixels below that of the others
    assert np.allclose(part.j_offsets - whole.j_offsets, [0, 0, 1.5, 0, 0])
    assert np.allclose(part.k_offsets - whole.k_offsets, [0, 0, 1, 0, 0])


def test_old_names_and_given_directions_of_mumott(tmp_path):
    def rename(file):
        for group in file["projections"].values():
            for new, old in (("inner_angle", "rotations"), ("outer_angle", "tilts"), ("j_offset", "offset_j")):
                group.move(new, old)
        file["volume_shape"] = [30, 31, 32]
        file["inner_axis"] = [0.0, 0, 2]
        file["projections/1/inner_axis"] = [0.0, 0, -1]

    scan = describe_scan(files.write_mumott(tmp_path / "old.h5", change=rename))
    assert scan.geometry.volume == (30, 31, 32)
    assert scan.j_offsets[3] == 0.75
    signs = np.array([-1, 1, -1, -1, -1])
    assert np.allclose(scan.geometry.u[:, 1], signs * np.sin(np.deg2rad(files.ANGLES)))
    assert describe_scan(scan.spec, volume=(7, 8, 9)).geometry.volume == (7, 8, 9)


def test_values_as_they_are_stored(tmp_path):
    views = files.light()
    values, weights = read_all(describe_scan(files.write_mumott(tmp_path / "a.h5"), absorbances=False))
    assert np.allclose(values, 0.75 * views, rtol=1e-6) and (weights == 1).all()
    values, _ = read_all(describe_scan(files.write_exchange(tmp_path / "b.h5"), absorbances=False))
    assert np.allclose(values, 100 + views, rtol=1e-6)


def test_weights_of_mumott_count(tmp_path):
    def weigh(file):
        weights = np.full((files.J, files.K, 2), 0.5)
        weights[3, 4] = 0.5, 0
        file["projections/0/weights"] = weights

    _, weights = describe_scan(files.write_mumott(tmp_path / "a.h5", change=weigh)).read(0)
    assert weights[3, 4] == 0 and weights[3, 5] == 0.5


def test_tilts_are_given_in_every_way(tmp_path):
    tilts = np.array([0.0, 0, 10, 10, -5])
    scan, angles = files.write_stack(
        tmp_path, text="\n".join(f"{a}, {t} # x" for a, t in zip(files.ANGLES, tilts, strict=True))
    )
    (tmp_path / "tilts.txt").write_text("\n".join(map(str, tilts)))
    (tmp_path / "turns.txt").write_text("# degrees\n\n" + "\n".join(map(str, files.ANGLES)))
    turns = str(tmp_path / "turns.txt")
    both = describe_scan(scan, angles=angles).geometry
    apart = describe_scan(scan, angles=turns, tilt=str(tmp_path / "tilts.txt")).geometry
    same = describe_scan(scan, angles=turns, tilt="10").geometry
    assert np.array_equal(both.w, apart.w) and not both.single_axis
    assert np.allclose(both.w[2], [-np.sin(both.inner[2]) * np.sin(both.outer[2]), *both.w[2, 1:]])
    assert np.allclose(same.outer, np.deg2rad(10))
    assert np.array_equal(both.rotations[2:4].round(12), same.rotations[2:4].round(12))


def test_radian_is_radian(tmp_path):
    def turn(file):
        del file["exchange/theta"]
        file["exchange/theta"] = np.deg2rad(files.ANGLES)
        file["exchange/theta"].attrs["units"] = "radians"

    scan = describe_scan(files.write_exchange(tmp_path / "a.h5", turn))
    assert np.allclose(scan.geometry.inner, np.deg2rad(files.ANGLES))


def test_pixels_without_light_have_no_weight(tmp_path):
    def spoil(file):
        frames = file["entry/instrument/detector/data"]
        frames[1, 5, 7] = frames[0, 5, 7]

    values, weights = describe_scan(files.write_nxtomo(tmp_path / "a.nx", spoil)).read(1)
    assert weights[7, 5] == 0 and values[7, 5] == 0 and weights.sum() == weights.size - 1


def test_a_stack_of_light_with_frames_in_files_of_their_own(tmp_path):
    import tifffile

    scan, angles = files.write_stack(tmp_path, 100 + files.light())
    for name, value in (("flat", 100 + files.BEAM), ("dark", 100)):
        tifffile.imwrite(
            tmp_path / f"{name}.tif", np.full((3, files.K, files.J), value, "f4"), photometric="minisblack"
        )
    flat, dark = str(tmp_path / "flat.tif"), str(tmp_path / "dark.tif")
    both = describe_scan(scan, angles=angles, flat=flat, dark=dark)
    assert both.views.files == (scan, flat, dark) and not both.views.notes
    assert np.abs(read_all(both)[0] - files.absorbances()).max() < 2e-3
    # the beam is seen beside the sample
    alone = describe_scan(scan, angles=angles, dark=dark)
    assert np.abs(read_all(alone)[0] - files.absorbances()).max() < 2e-3
    assert "there are no frames without beam" in describe_scan(scan, angles=angles, flat=flat).views.notes[0]


def test_frames_that_are_stored_together_are_the_same(tmp_path):
    def together(file):
        views = file["exchange/data"][()]
        del file["exchange/data"]
        file.create_dataset("exchange/data", data=views, chunks=(2, 7, 8), compression="gzip")

    apart = read_all(describe_scan(files.write_exchange(tmp_path / "a.h5")))
    assert np.array_equal(read_all(describe_scan(files.write_exchange(tmp_path / "b.h5", together))), apart)


def test_rotations_come_back_from_directions():
    rng = np.random.default_rng(3)
    goniometer = Goniometer(p=np.array([0.0, 0, 1]), w=np.array([0.0, 1, 0]), outer_axis=np.array([0.6, 0.8, 0]))
    inner, outer = rng.uniform(-3, 3, (2, 6))
    geometry = Geometry.of_angles(inner, outer, (4, 5), goniometer=goniometer)
    assert np.allclose(geometry.rotations, goniometer.rotations(inner, outer), atol=1e-14)
    # R turns what the view sees into the frame of the laboratory
    assert np.allclose(np.einsum("nij,nj->ni", geometry.rotations, geometry.p), goniometer.p, atol=1e-14)


@pytest.mark.parametrize("name", ["mumott_align_single", "mumott_align_dual"])
def test_recorded_directions(shared, name):
    folder = shared / "oracle" / "seeds234" / name
    scan = describe_scan(str(folder / "data.h5"))
    assert np.abs(scan.geometry.u - np.load(folder / "truth_U.npy")).max() < 1e-14
    assert np.abs(scan.geometry.w - np.load(folder / "truth_W.npy")).max() < 1e-14
    assert scan.geometry.single_axis == (name == "mumott_align_single")


def test_recorded_absorbances_of_mumott(shared):
    folder = shared / "oracle" / "seeds234" / "mumott_pieces"
    scan = describe_scan(str(folder / "data.h5"), background="percentile")
    values, weights = read_all(scan)
    assert np.abs(values - np.load(folder / "out_absorbances.npy")).max() < 1e-7
    assert np.array_equal(weights, np.load(folder / "out_cutoff_mask.npy"))
    assert np.array_equal(scan.j_offsets, np.load(folder / "out_j_offsets.npy"))
    assert np.array_equal(scan.geometry.rotations, np.load(folder / "out_rotations.npy"))
    assert scan.geometry.volume == (22, 25, 24)


def test_recorded_nxtomo_and_stack_are_one_scan(shared):
    folder = shared / "oracle" / "seeds234" / "align_nxtomo"
    raw = describe_scan(str(folder / "scan.nx"))
    stack = describe_scan(str(folder / "projections.tif"), angles=str(folder / "angles.txt"))
    assert np.abs(raw.geometry.u - np.load(folder / "truth_U.npy")).max() < 1e-14
    assert np.allclose(raw.geometry.u, stack.geometry.u)
    for view in (0, 17):
        difference = raw.read(view)[0] - stack.read(view)[0]  # photons
        assert abs(difference.mean()) < 1e-3 and difference.std() < 6e-3


@pytest.mark.parametrize(
    "name, options, views, shape, uneven",
    [
        ("tomo_tooth/tooth.h5", {}, 181, (640, 2), 0.01),
        (  # the beam has moved since the flat was taken
            "tomo_standard_projections/projections.h5",
            {"data": "data", "angles": "angle_deg", "flat": "flat", "dark": "dark"},
            *(91, (160, 135), 0.04),
        ),
    ],
)
def test_real_scans(shared, name, options, views, shape, uneven):
    scan = describe_scan(str(shared / "data" / name), **options)
    assert scan.geometry.views == views and scan.geometry.shape == shape
    values, weights = scan.read(40)
    # there is air at the left and the right
    assert np.abs(np.median(values[:5])) < uneven and np.abs(np.median(values[-5:])) < uneven
    assert weights.mean() > 0.99 and not crosses_borders(values, weights)
