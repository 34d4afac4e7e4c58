"""hpcdvc-label as a whole: packings with known truth, tables, bad input, results that other commands take."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from packings import count_right, drawn, packing
from reg_ends import check_end, files, own_folder, play_command, save
from scipy import ndimage
from search_cases import written
from synthetic import Affine, lattice_texture, render

from hpcdvc.cli import main
from hpcdvc.labels.boxes import bounding_boxes, centres_of_mass, volumes
from hpcdvc.output.hdf5 import read_field
from hpcdvc.output.outlines import draw_labels
from hpcdvc.steps import segments


@pytest.fixture(scope="module")
def truth():
    return drawn(*packing(24, 7, radius=8, spread=0.3))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, truth):
    for _ in own_folder(tmp_path, monkeypatch):
        play_command(monkeypatch, "label")
        save("im.tif", (truth > 0).astype("u1"))
        # half a second each
        monkeypatch.setattr(segments, "draw_labels", lambda path, *_: Path(path).touch())
        yield tmp_path


def noisy(truth, contrast, seed=0):
    """A grey image: noise of standard deviation 20, grains so many of these brighter."""
    rng = np.random.default_rng(seed)
    return np.clip(200 + 20 * (contrast * (truth > 0) + rng.normal(0, 1, truth.shape)), 0, 65535).astype("u2")


def label(*words, image="im.tif", code=0):
    """The labels; overwrites."""
    assert main("label", [image, "--force", *map(str, words)]) == code
    return tifffile.imread(f"{Path(image).stem}-labels.tif")


def table(path="im-labels.tsv"):
    lines = Path(path).read_text().splitlines()
    names = "Label Volume Zpos Ypos Xpos Zmin Zmax Ymin Ymax Xmin Xmax".split()
    assert lines[0].split("\t") == names
    return dict(zip(names, np.array([line.split("\t") for line in lines[1:]], float).T, strict=True))


def test_spheres_that_touch(truth):
    labels = label()
    assert labels.dtype == np.uint8 and np.unique(labels).tolist() == list(range(25))
    assert count_right(labels, truth) == 24 and ((labels > 0) == (truth > 0)).all()
    rows, volume = table(), volumes(labels, compact=True)[0]
    assert (rows["Label"] == np.arange(1, 25)).all() and (rows["Volume"] == volume).all()
    assert np.allclose(np.stack([rows[f"{axis}pos"] for axis in "ZYX"], 1), centres_of_mass(labels)[1:], atol=1e-6)
    ends = np.stack([rows[f"{axis}{end}"] for axis in "ZYX" for end in ("min", "max")], 1)
    assert (ends == bounding_boxes(labels)[1:]).all()


@pytest.mark.parametrize("contrast", [6, 4])
def test_noisy_grey_values(truth, contrast):
    save("im.tif", noisy(truth, contrast))
    labels = label()
    assert labels.max() == 24 and count_right(labels, truth) == 24


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("contrast", [None, 6, 4])
def test_500_spheres(seed, contrast):
    truth = drawn(*packing(500, 10 + seed))
    save("im.tif", (truth > 0).astype("u1") if contrast is None else noisy(truth, contrast, seed))
    labels = label()
    assert labels.dtype == np.uint16 and count_right(labels, truth) >= 490 and abs(int(labels.max()) - 500) <= 10


def test_more_and_fewer_labels(truth):
    """Two spheres deep in each other, and a packing: -h too small splits, too large merges."""
    grid = np.indices((24, 24, 32))
    deep = sum(((grid[0] - 12) ** 2 + (grid[1] - 12) ** 2 + (grid[2] - c) ** 2 <= 81) for c in (12, 19)) > 0
    save("deep.tif", deep.astype("u1"))
    assert [label("--h-maxima", h, image="deep.tif").max() for h in (0.1, 1)] == [2, 1]
    fewer, right = label("--h-maxima", 5), label()
    assert fewer.max() < 24 == right.max() and ((fewer > 0) == (right > 0)).all()


def test_masks_of_any_two_values(truth):
    expected = label()
    for low, high in ((0, 255), (3, 7)):
        save("two.tif", np.where(truth > 0, high, low).astype("u1"))
        assert (label(image="two.tif") == expected).all()
    save("grey.tif", (1000 + 3000 * (truth > 0)).astype("i4"))
    assert (label(image="grey.tif") == expected).all()
    assert (label("-thr", 1500, 5000, image="grey.tif") == expected).all()


def test_border_and_volume(truth):
    cut = truth[:, 20:, :]
    save("im.tif", (cut > 0).astype("u1"))
    kept, dropped = label(), label("--border", "drop")
    touching = np.unique([kept[0].max(), *kept[:, 0].ravel()])
    assert 0 < dropped.max() < kept.max() == len(np.unique(kept)) - 1
    assert dropped.max() == kept.max() - np.count_nonzero(touching)
    assert not dropped[:, 0].any() and np.unique(dropped).tolist() == list(range(dropped.max() + 1))
    sizes = volumes(kept)[1:]
    least = int(np.sort(sizes)[3])
    assert (volumes(label("--min-volume", least))[1:] == sizes[sizes >= least]).all()
    record = json.loads(Path("im-labels.run.json").read_text())
    assert record["labels"] == (sizes >= least).sum() and record["small"] == 3


def test_region(truth):
    """The box is an image of its own, in its place in the whole one."""
    inside = (slice(5, 40), slice(8, 44), slice(0, 38))
    save("part.tif", np.ascontiguousarray((truth > 0)[inside].astype("u1")))
    expected = np.zeros(truth.shape, "u1")
    expected[inside] = label("--border", "drop", image="part.tif")
    assert (label("--border", "drop", "--roi", 5, 40, 8, 44, 0, 38) == expected).all() and expected.any()
    assert table()["Zmin"].min() >= 5


def test_specks_are_left_out_and_thin_grains_can_be_kept():
    image = np.zeros((20, 20, 30), "u1")
    image[4:13, 4:13, 4:13] = 1
    image[16:18, 16:18, 20] = 1
    save("im.tif", image)
    assert label().max() == 1 and label("--h-maxima", 0.5).max() == 2


def test_two_dimensions():
    y, x = np.indices((60, 90))
    discs = sum(((y - 30) ** 2 + (x - c) ** 2 <= 100) for c in (20, 40, 60)) > 0
    save("im.tif", discs.astype("u1"))
    labels = label()
    assert labels.shape == (60, 90) and labels.max() == 3 and label("--border", "drop").max() == 3
    assert (table()["Zpos"] == 0).all() and (
        table()["Volume"] == ndimage.sum_labels(labels > 0, labels, (1, 2, 3))
    ).all()


def test_many_labels_take_a_wider_type():
    image = np.zeros((3, 40, 40), "u1")
    image[1, ::2, ::2] = 1
    save("im.tif", image)
    assert label("--h-maxima", 0).dtype == np.uint16 and table()["Label"][-1] == 400


def test_pictures_show_the_slices(monkeypatch, truth):
    drawn_cuts = []
    monkeypatch.setattr(segments, "draw_labels", lambda path, cuts, title: drawn_cuts.append((path, cuts, title)))
    labels = label()
    ((path, cuts, title),) = drawn_cuts
    assert path == "im-labels.png" and "24 labels" in title
    assert (cuts["Y"].marks == labels[:, cuts["Y"].place]).all() and (cuts["Y"].grey == (cuts["Y"].marks > 0)).all()


@pytest.mark.slow
def test_other_commands_take_them(truth):
    """Labels of a textured packing are measured where they have gone to, and their column is painted."""
    motion = Affine(np.eye(3), np.array([1.5, -0.75, 0.5]), (np.array(truth.shape) - 1) / 2)
    save("lab.tif", (truth > 0).astype("u1"))
    assert main("label", ["lab.tif"]) == 0
    texture = lattice_texture(1)
    for name, moved in (("a.tif", None), ("b.tif", motion)):
        save(name, render(texture, truth.shape, moved).astype("f4"))
    assert main("ddic", ["a.tif", "lab-labels.tif", "b.tif", "-od", "."]) == 0
    field = read_field("a-b-ddic.hdf")
    assert field.measured.sum() >= 22 and np.allclose(field.phi[field.measured, :3, 3], [1.5, -0.75, 0.5], atol=0.05)
    assert main("labelField", ["lab-labels.tif", "-pf", "a-b-ddic.hdf", "-col", "Zdisp"]) == 0
    assert main("ldic", ["a.tif", "b.tif", "-hws", "6", "-ns", "12", "-mf1", "lab-labels.tif"]) == 0


@pytest.mark.parametrize("words, said", [
    (["--h-maxima", "-1"], "--h-maxima"),
    (["--border", "cut"], "--border"),
    (["--min-volume", "0"], "--min-volume"),
    (["-thr", "300"], "is above 300"),
    (["--min-volume", "999999"], "no grain of im.tif is left: 24 of fewer voxels"),
])  # fmt: skip
def test_bad_input(capfd, words, said):
    check_end(capfd, ["im.tif", *words], [said], 2, "label")
    assert not [path for path in files() if "labels" in path]


@pytest.mark.parametrize("value", [0, np.nan])
def test_nothing_there(capfd, value):
    save("im.tif", np.full((5, 6, 7), value, "f4"))
    check_end(capfd, ["im.tif"], ["im.tif holds"], 2, "label")
    save("im.tif", np.zeros((5, 6, 7), "u1"))
    check_end(capfd, ["im.tif"], ["im.tif holds"], 2, "label")


def test_refused_without_the_memory(capfd, monkeypatch):
    monkeypatch.setattr("hpcdvc.steps.segments.node_memory", lambda: 1e8)
    check_end(capfd, ["im.tif"], ["GB of memory", "there are 0.1 GB"], 2, "label")


def test_dry_run_force_and_resume(capfd):
    assert main("label", ["im.tif", "--dry-run"]) == 0
    assert "MB shared" in capfd.readouterr().out
    assert main("label", ["im.tif"]) == 0
    check_end(capfd, ["im.tif"], ["im-labels.tif exists"], 2, "label")
    check_end(capfd, ["im.tif", "--h-maxima", "2", "--resume"], ["made with other parameters"], 2, "label")
    Path("im-labels.tsv").unlink()
    assert main("label", ["im.tif", "--resume"]) == 0 and len(table()["Label"]) == 24


def test_any_ranks(run_command, truth, monkeypatch):
    monkeypatch.setattr(segments, "draw_labels", draw_labels)
    save("im.tif", noisy(truth, 5))
    assert main("label", ["im.tif", "-od", "on1"]) == 0
    ranks = 2
    done = run_command("label", "im.tif", "-od", f"on{ranks}", ranks=ranks)
    assert done.returncode == 0, done.stderr
    assert written("on1", "labels") == written(f"on{ranks}", "labels")
    assert Path("on1/im-labels.png").read_bytes()[:4] == b"\x89PNG"
