"""hpcdvc-umpa on scans whose refraction, transmission and dark field are known: measured, left out, moved, masked."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from umpa_cases import FRAMES, HEIGHT, MEAN, WIDTH, reference, sample, save_scan, save_tomography, speckle, truth

import hpcdvc
from hpcdvc.options.umpa import Options
from hpcdvc.ranks.team import connect
from hpcdvc.steps import row_measure
from hpcdvc.workflows import umpa

WORDS = {"search_range": (3,), "dark_field": True, "quiet": True, "prefix": "P"}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_scan()


def run(ref="ref.tif", sam="sam.tif", **words):
    """A run in this process; what is in its file."""
    paths = umpa.run(Options(ref=ref, sam=sam, **{**WORDS, "force": True, **words}), connect())
    return hpcdvc.read(paths[0])


def rms(found, expected):
    return float(np.sqrt(np.nanmean((found - expected) ** 2)))


def errors(result, projection=None, part=np.s_[:, :]):
    """rms errors of displacement, transmission and visibility, and the part of the pixels that are measured."""
    t, at = truth(projection or 0), slice(None) if projection is None else projection
    found = [rms(result.displacement[at][part][..., 1:], t["u"][part])]
    names = [name for name in ("transmission", "visibility") if name in result.names]
    return *found, *(rms(result[name][at][part], t[name][part]) for name in names), result.measured[at][part].mean()


def write(name, stack):
    tifffile.imwrite(name, stack, photometric="minisblack")


def same(a, b):
    """Whether two results have the same bits."""
    assert a.names == b.names
    return all(np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f") for name in a.names)


@pytest.mark.parametrize("values", ["subpixel", "pixel"])
def test_truth(values):
    found = errors(run(values_at=values))
    print(found)
    bounds = (0.06, 0.003, 0.025) if values == "subpixel" else (0.06, 0.006, 0.09)
    assert all(error < bound for error, bound in zip(found, bounds, strict=False)) and found[-1] > 0.65
    if values == "pixel":
        assert found[2] > 0.03


def test_without_dark_field():
    write("sam.tif", np.rint(sample(visibility=1)).astype("u2"))
    result = run(dark_field=False, tif=True)
    found = errors(result)
    print(found)
    assert found[0] < 0.035 and found[1] < 0.003
    assert result.names == ["displacement", "returnStatus", "cost", "transmission"]
    names = ("Ydisp", "Xdisp", "cost", "returnStatus", "transmission")
    assert {path.name for path in Path().glob("*.tif")} - {"ref.tif", "sam.tif"} == {f"P-umpa-{n}.tif" for n in names}
    for name, values in {"Xdisp": result.displacement[..., 2], "transmission": result["transmission"]}.items():
        image = tifffile.imread(f"P-umpa-{name}.tif")
        assert image.shape == (HEIGHT, WIDTH) and np.array_equal(image, values, equal_nan=True)


def test_not_measured_is_no_number():
    result = run()
    lost = ~result.measured
    assert lost.any() and set(np.unique(result.return_status)) <= {2, -6, -9, -10, -11}
    for name in ("displacement", "transmission", "visibility"):
        assert np.isnan(result[name][lost]).all() and np.isfinite(result[name][~lost]).all()
    edge = np.ones((HEIGHT, WIDTH), bool)
    edge[3:-3, 3:-3] = False
    assert (result.return_status[edge] == -6).all()


@pytest.mark.parametrize("how", ["h5", "npy", "folder", "f4"])
def test_containers(how):
    """The same grey values, however they are stored, are the same result."""
    plain = run()
    stacks = {name: tifffile.imread(f"{name}.tif") for name in ("ref", "sam")}
    if how == "h5":
        with h5py.File("scan.nxs", "w") as file:
            for name, stack in stacks.items():
                file.create_dataset(f"entry/{name}", data=stack, chunks=(2, 13, 17), compression="gzip")
        other = run("scan.nxs:/entry/ref", "scan.nxs:/entry/sam")
    elif how == "npy":
        for name, stack in stacks.items():
            np.save(f"{name}.npy", stack)
        other = run("ref.npy", "sam.npy")
    elif how == "folder":
        for name, stack in stacks.items():
            Path(name).mkdir()
            for k, frame in enumerate(stack):
                tifffile.imwrite(f"{name}/frame_{k}.tif", frame)
        other = run("ref", "sam", out_dir="out")
    else:
        for name, stack in stacks.items():
            np.save(f"{name}.npy", stack.astype("f4"))
        other = run("ref.npy", "sam.npy")
    assert same(plain, other)


@pytest.mark.parametrize(
    "words", [{}, {"frame_masks": "masks.tif"}, {"peak_method": "gn"}, {"mean": "local"}, {"mean": "frame"}]
)
def test_rows_in_memory_change_nothing(words):
    """Also where pixels are clipped, and where others are masked."""
    sam = tifffile.imread("sam.tif")
    sam[2, 17, 20], sam[:, 31, 31] = 65535, 65535
    write("sam.tif", sam)
    write("masks.tif", (np.random.default_rng(4).uniform(size=sam.shape) > 0.02).astype("u1"))
    assert same(run(**words), run(chunk=5, **words))


def test_flats_and_darks():
    """The pattern of the detector goes, and no other."""
    gain = 1 + 0.3 * np.random.default_rng(1).uniform(-1, 1, (HEIGHT, WIDTH))
    dark = 200 + 30 * np.random.default_rng(2).uniform(-1, 1, (HEIGHT, WIDTH))
    write("flats.tif", np.rint(np.stack([5000 * gain + dark, 7000 * gain + dark])).astype("u2"))
    write("darks.tif", np.rint(np.stack([dark, dark])).astype("u2"))
    for name, stack in {"ref": reference(), "sam": sample()}.items():
        write(f"raw-{name}.tif", np.rint(stack * gain + dark).astype("u2"))
    corrected = errors(run("raw-ref.tif", "raw-sam.tif", flats="flats.tif", darks="darks.tif"))
    raw = errors(run("raw-ref.tif", "raw-sam.tif"))
    print(corrected, raw)
    assert corrected[0] < 0.07 and corrected[1] < 0.004 and corrected[2] < 0.03
    assert raw[1] > 2 * corrected[1]


def test_beam_that_drifts():
    """-mean frame: each frame is divided by its mean, transmission is that of both stacks."""
    flux = 1 + 0.2 * np.sin(np.arange(FRAMES) * 2.0)
    write("sam.tif", np.rint(sample() * flux[:, None, None] / flux.mean()).astype("u2"))
    drifted, steady = errors(run()), errors(run(mean="frame"))
    print(drifted, steady)
    assert steady[0] < 0.06 and steady[1] < 0.006 and steady[2] < 0.025
    assert drifted[2] > 2 * steady[2]


def test_local_mean():
    """-mean local: the reference need not be of one brightness."""
    beam = 1 + 0.5 * np.sin(np.arange(WIDTH) / 8)
    for name, stack in {"ref": reference(), "sam": sample()}.items():
        write(f"{name}.tif", np.rint(stack * beam).astype("u2"))
    found, plain = errors(run(mean="local")), errors(run())
    print(found, plain)
    assert found[2] < 0.06 and found[2] < 0.7 * plain[2]


def test_steps():
    chosen = (0, 2, 3, 7)
    for name in ("ref", "sam"):
        write(f"few-{name}.tif", tifffile.imread(f"{name}.tif")[list(chosen)])
    assert same(run(steps=chosen), run("few-ref.tif", "few-sam.tif"))


def test_frames_that_tell_nothing(run_command):
    """They are left out of both stacks, and said."""
    ref, sam = (tifffile.imread(f"{name}.tif").astype("f4") for name in ("ref", "sam"))
    expected = run(steps=(0, 1, 3, 4, 6, 7, 8))
    sam[2], ref[5] = np.nan, 700
    write("ref.tif", ref), write("sam.tif", sam)
    done = run_command("umpa", "ref.tif", "sam.tif", "-sr", 3, "-df", "-pre", "Q")
    assert done.returncode == 0, done.stderr
    for sentence in (
        "frame 2 of sam.tif is left out of both stacks: it is NaN everywhere",
        "frame 5 of sam.tif is left out of both stacks: the reference is 700 everywhere",
    ):
        assert sentence in done.stderr
    found = hpcdvc.read("Q-umpa.hdf")
    assert same(found, expected)
    assert json.loads(Path("Q-umpa.run.json").read_text())["frames_left_out"] == 2


@pytest.mark.parametrize(("grey", "status"), [(700, -2), (65535, -15), (np.nan, -6)])
def test_stacks_that_tell_nothing(grey, status, run_command):
    kind = "f4" if np.isnan(grey) else "u2"
    write("sam.tif", np.full((FRAMES, HEIGHT, WIDTH), grey, kind))
    done = run_command("umpa", "ref.tif", "sam.tif", "-sr", 3, "-pre", "P")
    assert done.returncode == 1 and f"no pixel was measured, most end with status {status}" in done.stderr
    result = hpcdvc.read("P-umpa.hdf")
    assert (result.return_status == status).all() and np.isnan(result.displacement).all()


def test_saturated_pixels():
    """A spot that is clipped in all frames, and single pixels in single frames, which are left out there."""
    sam = tifffile.imread("sam.tif")
    sam[:, 18:26, 20:30] = 65535
    sam[3, 30, 40] = 65535
    write("sam.tif", sam)
    result = run()
    assert (result.return_status[18:26, 20:30] == -15).all() and (result.return_status == -15).sum() < 300
    near = result.displacement[28:33, 38:43, 1:] - truth()["u"][28:33, 38:43]
    assert result.measured[28:33, 38:43].all() and rms(near, 0) < 0.1


def test_frame_masks():
    """What the masks take of a frame does not count there; what they take of all has no specimen."""
    sam = tifffile.imread("sam.tif")
    clean = run()
    rng = np.random.default_rng(4)
    mask = (rng.uniform(size=sam.shape) > 0.1).astype("u1")
    mask[:, 20:34, 20:40] = 0
    sam[mask == 0] = rng.integers(0, 60000, (mask == 0).sum())
    write("sam.tif", sam), write("masks.tif", mask)
    result = run(frame_masks="masks.tif")
    assert (result.return_status[24:30, 24:36] == -5).all()
    found, expected = errors(result), errors(clean)
    print(found, expected)
    assert found[0] < 1.3 * expected[0] and found[1] < 1.5 * expected[1] and found[2] < 1.5 * expected[2]
    ruined = run()
    assert not ruined.measured.any() or errors(ruined)[1] > 10 * found[1]


def test_sample_that_moves():
    """-pos: the diffuser stays, the sample is at another place in each frame; one reference serves all."""
    positions = [(0, 0), (5, -3), (-4, 2), (7, 6), (-6, -5), (3, 8)]
    t = truth()
    stack = np.empty((len(positions), HEIGHT, WIDTH))
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    for k, (dy, dx) in enumerate(positions):
        # what lies at x of the sample is seen at x + position
        moved = {name: shifted(t[name], dy, dx, name != "u") for name in ("u", "transmission", "visibility")}
        pattern = speckle(0, y - moved["u"][..., 0], x - moved["u"][..., 1])
        stack[k] = moved["transmission"] * (MEAN + moved["visibility"] * pattern)
    write("sam.tif", np.rint(stack).astype("u2"))
    write("ref.tif", np.rint(MEAN + speckle(0, y, x)).astype("u2"))
    Path("pos.txt").write_text("".join(f"{dy} {dx}\n" for dy, dx in positions))
    inside = np.s_[10:-10, 10:-10]  # the sample ends where its first frame does
    found = errors(run(positions="pos.txt"), part=inside)
    print(found)
    assert found[0] < 0.09 and found[1] < 0.004 and found[2] < 0.04 and found[-1] > 0.98
    few = run(positions="pos.txt", steps=(0, 1, 2, 3))
    assert few.measured[inside].all() and errors(few, part=inside)[1] < 0.004


def shifted(values, dy, dx, fill):
    """values at x appear at x + (dy, dx)."""
    out = np.full_like(values, fill)
    rows, columns = (slice(max(d, 0), n + min(d, 0)) for d, n in ((dy, HEIGHT), (dx, WIDTH)))
    out[rows, columns] = values[slice(max(-dy, 0), HEIGHT + min(-dy, 0)), slice(max(-dx, 0), WIDTH + min(-dx, 0))]
    return out


def test_phase():
    """-integrate: the displacement is the gradient of the phase, up to its factor."""
    result = run(integrate=True)
    phase, measured = result["phase"], result.measured
    expected = truth()["phase"] - truth()["phase"][measured].mean()
    print(rms(phase, expected), rms(expected[measured], 0))
    assert np.isfinite(phase[measured]).mean() > 0.99 and np.isnan(phase[~measured]).all()
    assert rms(phase, expected) < 0.05 * rms(expected[measured], 0)  # windows round off
    with h5py.File("P-umpa.hdf") as file:
        assert file["VTKHDF/CellData/phase"].attrs["unit"] in ("pixel^2", b"pixel^2")
    other = run(integrate=True, pixel=1.5, distance=2.0, energy=20.0)["phase"]
    wavelength = 1.2398419843320026e-9 / 20
    np.testing.assert_allclose(other, phase * 2 * np.pi * 1.5e-6**2 / (wavelength * 2), rtol=1e-5)
    with h5py.File("P-umpa.hdf") as file:
        assert file["VTKHDF/CellData/phase"].attrs["unit"] in ("radian", b"radian")


def test_unrelated_speckle():
    """What is not of one diffuser is hardly ever believed."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(float)
    write("sam.tif", np.rint(np.stack([MEAN + speckle(50 + k, y, x) for k in range(FRAMES)])).astype("u2"))
    for words in ({}, {"dark_field": False}, {"mean": "frame"}, {"mean": "local"}):
        assert run(**words).measured.mean() < 0.01


@pytest.mark.parametrize("dark_field", [False, True])
def test_gauss_newton(dark_field):
    """-pm gn goes on on the grey values."""
    if not dark_field:
        write("sam.tif", np.rint(sample(visibility=1)).astype("u2"))
    inside = np.s_[10:-10, 10:-10]
    found, plain = (errors(run(peak_method=how, dark_field=dark_field), part=inside) for how in ("gn", "taylor"))
    print(found, plain)
    assert found[0] < (0.9 if dark_field else 1.1) * plain[0] and found[-1] > 0.99
    assert found[1] < 0.005 and (not dark_field or found[2] < 0.03)


@pytest.mark.parametrize("words", [{}, {"dark_field": False}, {"mean": "frame"}, {"frame_masks": "masks.tif"}])
def test_graphics_card(words, monkeypatch):
    """The arrays of a graphics card, by numpy in place of cupy: the same to 1e-4 pixel."""
    write("masks.tif", (np.random.default_rng(4).uniform(size=(FRAMES, HEIGHT, WIDTH)) > 0.02).astype("u1"))
    plain = run(**words)
    for module in (umpa, row_measure):
        monkeypatch.setattr(module, "array_module", lambda device, rank=0: np)
    other = run(device="cuda", **words)
    both = plain.measured & other.measured
    assert both.sum() > 0.99 * plain.measured.sum() and both.sum() > 0.99 * other.measured.sum()
    for name in ("displacement", "transmission", *("visibility",) * ("visibility" in plain.names)):
        assert np.abs(plain[name] - other[name])[both].max() < 1e-4


def test_nodes():
    """-ns: a table of the nodes of a grid, which are pixels of the maps."""
    whole, nodes = run(), run(node_spacing=6, tif=True)
    y, x = nodes.positions[:, 1:].astype(int).T
    assert len(nodes) == 7 * 8 and not (y % 6).any() and not (x % 6).any()
    np.testing.assert_array_equal(nodes.return_status, whole.return_status[y, x])
    measured = nodes.measured
    assert measured.any()
    np.testing.assert_array_equal(nodes.displacement[measured, 1:], whole.displacement[y, x, 1:][measured])
    for name in ("transmission", "visibility", "cost"):
        np.testing.assert_array_equal(nodes.extra[name][measured], whole[name][y, x][measured])
    assert Path("P-umpa-visibility.tif").exists()


# tomography


def test_projections():
    """Each as a scan of its own, with the reference of its block; stacks that programs for tomography read."""
    save_tomography("scan.h5", 4, 2)
    result = run("scan.h5:/ref", "scan.h5:/sam", tif=True, integrate=True)
    assert result.return_status.shape == (4, HEIGHT, WIDTH)
    with h5py.File("scan.h5") as file:
        ref, sam = file["ref"][...], file["sam"][...]
    for p in range(4):
        write("ref.tif", ref[p // 2]), write("sam.tif", sam[p])
        single = run(prefix="one", integrate=True)
        for name in single.names:
            np.testing.assert_array_equal(single[name], result[name][p])
        assert errors(result, p)[1] < 0.005
    with h5py.File("P-umpa.hdf") as file:
        assert set(file["entry"]) == {
            "Xdisp", "Ydisp", "cost", "phase", "returnStatus", "transmission", "visibility"
        }  # fmt: skip
        for name, values in {"Ydisp": result.displacement[..., 1], "visibility": result["visibility"]}.items():
            data = file[f"entry/{name}/data"]
            assert data.shape == (4, HEIGHT, WIDTH) and data.dtype == np.float32
            np.testing.assert_array_equal(data[...], values)
            np.testing.assert_array_equal(tifffile.imread(f"P-umpa-{name}.tif"), values)


def test_blocks():
    save_tomography("scan.h5", 4, 2)
    result = run("scan.h5:/ref", "scan.h5:/sam", blocks=(0, 1))
    mean = [np.nanmean(result["transmission"][p]) for p in range(4)]
    assert mean[0] == pytest.approx(0.8, abs=0.02) and mean[1] == pytest.approx(0.8 / 1.2, abs=0.02)


def test_frames_of_projections_that_tell_nothing(caplog):
    save_tomography("scan.h5", 3, chunks=(2, 3, 20, 52), compression="gzip")
    with h5py.File("scan.h5", "r+") as file:
        file["sam"][1, 3] = 5
        file["sam"][2] = 5
    with caplog.at_level("WARNING"):
        result = run("scan.h5:/ref", "scan.h5:/sam")
    assert "6 frames of 2 projections tell nothing" in caplog.text
    assert errors(result, 0)[-1] > 0.6 and errors(result, 1)[-1] > 0.6
    assert (result.return_status[2] == -2).all()
