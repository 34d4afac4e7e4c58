"""hpcdvc-report as a whole, and --report of the commands that measure."""

import base64
import json
import os
import re
import shlex
import shutil
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from ldic_cases import FIELD, FLAT_FIELD, FLAT_SHAPE, images
from reg_ends import is_one_sentence, own_folder
from stack_cases import pair as stacks

import hpcdvc
from hpcdvc.cli import main
from hpcdvc.fields.status import STATUSES
from hpcdvc.output.hdf5 import read_field
from hpcdvc.pages import figures
from hpcdvc.pages.curves import histogram_bins
from hpcdvc.pages.figures import pictures_of
from hpcdvc.pages.report import write_report
from hpcdvc.pages.result_file import open_result


@pytest.fixture
def here(tmp_path, monkeypatch):
    yield from own_folder(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A folder with images and results of several kinds."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for name, image in zip(("im1.tif", "im2.tif"), images(), strict=True):
            tifffile.imwrite(name, image, photometric="minisblack")
        for name, image in zip(("flat1.tif", "flat2.tif"), images(FLAT_FIELD, FLAT_SHAPE), strict=True):
            tifffile.imwrite(name, image, photometric="minisblack")
        for name, stack in zip(("ref.tif", "sam.tif"), stacks((2, 40, 36)), strict=True):
            tifffile.imwrite(name, stack, photometric="minisblack")
        labels = np.zeros((38, 40, 49), "u1")
        labels[8:30, 8:32, 8:24], labels[8:30, 8:32, 26:42] = 1, 2
        mask = np.ones((38, 40, 49), "u1")
        mask[:, :12] = 0
        for name, image in (("labels.tif", labels), ("mask.tif", mask)):
            tifffile.imwrite(name, image, photometric="minisblack")
        lines = {
            "ldic": "im1.tif im2.tif -ns 7 -hws 6 -mf1 mask.tif",
            "flat": "flat1.tif flat2.tif -ns 12 -hws 8",
            "reg": "im1.tif im2.tif",
            "ddic": "im1.tif labels.tif im2.tif",
            "localShifts": "ref.tif sam.tif -sr 2",
            "mesh": "-cube 8 30 8 32 8 40 -lc 8",
        }
        for name, line in lines.items():
            assert main("ldic" if name == "flat" else name, [*line.split(), "-pre", name, "-od", ".", "-q"]) == 0
        mesh = next(Path().glob("mesh*.hdf"))
        assert main("gdic", ["im1.tif", "im2.tif", str(mesh), "-str", "-pre", "gdic", "-od", ".", "-q"]) == 0
    return folder


RESULTS = {
    "ldic": "ldic-ldic.hdf", "flat": "flat-ldic.hdf", "reg": "reg-registration.hdf", "ddic": "ddic-ddic.hdf",
    "localShifts": "localShifts-localShifts.hdf", "gdic": "gdic-GDIC.hdf",
}  # fmt: skip


class Page(HTMLParser):
    """What stands in a page: names of elements, addresses, handlers and pictures."""

    def __init__(self, text: str):
        super().__init__()
        self.elements, self.addresses, self.handlers, self.text = set(), [], [], ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list) -> None:
        self.elements.add(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "srcset", "data", "action")]
        self.handlers += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("name", RESULTS)
def test_page(measured, monkeypatch, tmp_path, name):
    """Self-contained, at least four pictures, the command line, each status with its count and reason."""
    monkeypatch.chdir(measured)
    assert main("report", [RESULTS[name], "-o", str(tmp_path / "a.html"), "-q"]) == 0
    text = (tmp_path / "a.html").read_text()
    page = Page(text)
    assert not page.elements & {"script", "iframe", "frame", "link", "a", "object", "form"} and not page.handlers
    assert len(page.addresses) >= 4 and all(one.startswith("data:image/png;base64,") for one in page.addresses)
    assert all(base64.b64decode(one.split(",")[1])[:4] == b"\x89PNG" for one in page.addresses)
    assert "default-src 'none'" in unescape(text) and not re.search("https?:|@import|url\\(", text)
    numbers = json.loads((tmp_path / "a.json").read_text())
    command = "ldic" if name == "flat" else name
    assert numbers["program"] == f"hpcdvc-{command}" and numbers["command"] in page.text
    statuses = hpcdvc.read(RESULTS[name]).metadata["statuses"]
    assert numbers["statuses"] == statuses
    for code, entry in statuses.items():
        assert entry["reason"] in page.text and int(code) in STATUSES
        assert re.search(rf"{code}\s+{entry['count']}\s", re.sub("<[^>]*>", " ", text)), code
    assert {path.name for path in tmp_path.iterdir()} == {"a.html", "a.json"}


def test_masked_points_are_counted(measured, monkeypatch, tmp_path):
    monkeypatch.chdir(measured)
    write_report(RESULTS["ldic"], str(tmp_path / "a.html"))
    count = np.count_nonzero(read_field(RESULTS["ldic"]).return_status == -5)
    assert json.loads((tmp_path / "a.json").read_text())["statuses"]["-5"]["count"] == count > 0


def test_statuses_are_shown_where_most_points_failed(measured, monkeypatch, tmp_path):
    """Points that failed at one end of a grid only: its middle planes would be of one colour."""
    name = shutil.copy(measured / RESULTS["ldic"], tmp_path / "some-ldic.hdf")
    with h5py.File(name, "r+") as file:
        place = next(p for p in ("VTKHDF/PointData/returnStatus", "hpcdvc/returnStatus") if p in file)
        status = file[place][...]
        assert status.ndim == 3 and min(status.shape) > 2
        status[...] = 2
        status[-1, 0, 1] = -9
        file[place][...] = status
    seen, show = {}, figures._show

    def noted(axis, cut, values, **how):
        seen.setdefault("norm" in how, []).append(cut.part)
        return show(axis, cut, values, **how)

    monkeypatch.setattr(figures, "_show", noted)
    with open_result(str(name)) as result:
        some = [picture.caption for picture in pictures_of(result, "") if picture.name == "returnStatus"]
        middles = [result.middle(k) for k in range(3)]
    assert some == ["How the points ended, on the planes where most have failed."]
    numbers = [next(k for k in part if isinstance(k, int)) for part in seen[True]]
    assert numbers == [len(status) - 1, 0, 1]
    assert [next(k for k in part if isinstance(k, int)) for part in seen[False][:3]] == middles


def test_residual(measured, monkeypatch, tmp_path):
    """What the result explains is gone from the difference of the images; who looks without images is told."""
    monkeypatch.chdir(measured)
    for name in ("ldic", "flat", "reg", "gdic"):
        write_report(RESULTS[name], str(tmp_path / "a.html"))
        residual = json.loads((tmp_path / "a.json").read_text())["residual"]
        assert residual["rms_after"] < 0.35 * residual["rms_before"], name
    monkeypatch.chdir(tmp_path)
    write_report(str(measured / RESULTS["ldic"]), "a.html")
    assert "im1.tif" in json.loads(Path("a.json").read_text())["residual"]
    assert "No residual: the images cannot be shown" in Path("a.html").read_text()


@pytest.mark.parametrize("image", [np.flip, lambda image: image[1:]], ids=["contents", "shape"])
def test_no_residual_of_images_that_have_changed(measured, monkeypatch, tmp_path, image):
    """Nothing is drawn of another image under the old name, whatever its shape."""
    monkeypatch.chdir(tmp_path)
    for name in ("im1.tif", "im2.tif", "reg-registration.hdf"):
        shutil.copy(measured / name, name)
    tifffile.imwrite("im2.tif", image(tifffile.imread("im2.tif")), photometric="minisblack")
    write_report("reg-registration.hdf", "a.html")
    told = "im2.tif is not the image any more that the result was made from"
    assert json.loads(Path("a.json").read_text())["residual"] == told
    assert f"No residual: {told}" in Path("a.html").read_text()


def test_numbers(measured, monkeypatch, tmp_path):
    """Of measured points only."""
    monkeypatch.chdir(measured)
    field = read_field(RESULTS["ldic"])
    write_report(RESULTS["ldic"], str(tmp_path / "a.html"))
    told = {one["column"]: one for one in json.loads((tmp_path / "a.json").read_text())["numbers"]}
    for k, axis in enumerate("zyx"):
        values = field.phi[field.measured, k, 3]
        one = told[f"displacement {axis}"]
        assert one["points"] == len(values) and one["median"] == pytest.approx(np.median(values), rel=1e-5)
        assert (one["least"], one["greatest"]) == pytest.approx((values.min(), values.max()), rel=1e-5)


def test_made_twice(measured, monkeypatch, tmp_path):
    """The same bytes, under another name, too; and the command as it was typed, or its parameters."""
    monkeypatch.chdir(measured)
    for name in ("a", "b"):
        write_report(RESULTS["flat"], str(tmp_path / f"{name}.html"))
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    lost = tmp_path / "lost-ldic.hdf"
    lost.write_bytes(Path(RESULTS["flat"]).read_bytes())
    write_report(str(lost), str(tmp_path / "c.html"))
    assert json.loads((tmp_path / "c.json").read_text())["command"].startswith("hpcdvc-ldic with ")


def refused(capfd, words: list[str], *told: str) -> None:
    before = set(Path().rglob("*"))
    assert main("report", words) == 2
    assert is_one_sentence(capfd.readouterr().err, *told) and set(Path().rglob("*")) == before


def test_refused(here, measured, capfd):
    """One sentence, exit code 2, no file."""
    Path("text.hdf").write_text("no HDF5\n")
    with h5py.File("other.hdf", "w") as file:
        file["a"] = 1
    mesh = next(measured.glob("mesh*.hdf"))
    refused(capfd, ["missing.hdf"], "missing.hdf", "no such file")
    refused(capfd, ["text.hdf"], "text.hdf", "not an HDF5 file")
    refused(capfd, ["other.hdf"], "other.hdf", "not a result")
    refused(capfd, [str(mesh)], "mesh without displacements")
    refused(capfd, ["a.tsv"], "a.tsv", "hpcdvc-convert")
    refused(capfd, ["missing.hdf", "-o", "a.txt"], "-o a.txt", ".html")
    cut = Path("cut.hdf")
    cut.write_bytes((measured / RESULTS["ldic"]).read_bytes()[:20000])
    refused(capfd, ["cut.hdf"], "cut.hdf")
    Path("there.html").write_text("mine")
    refused(capfd, [str(measured / RESULTS["reg"]), "-o", "there.html"], "there.html exists", "--force")
    record = measured / "reg-registration.run.json"
    before = record.read_bytes()
    own = [str(measured / RESULTS["reg"]), "-o", str(record.with_suffix(".html")), "--force"]
    refused(capfd, own, "would replace", record.name)
    assert record.read_bytes() == before and not record.with_suffix(".html").exists()
    assert main("report", [str(measured / RESULTS["reg"]), "-o", "there.html", "--force", "-q"]) == 0


def test_at_the_end_of_a_run(here, capfd, monkeypatch):
    """--report, HPCDVC_REPORT, --no-report; the last line names the command; a report that fails spoils nothing."""
    for name, image in zip(("im1.tif", "im2.tif"), images(FLAT_FIELD, FLAT_SHAPE), strict=True):
        tifffile.imwrite(name, image, photometric="minisblack")
    line = "im1.tif im2.tif -ns 15 -hws 8 --force".split()
    assert main("ldic", line) == 0
    assert capfd.readouterr().out.splitlines()[-1] == "look at it: hpcdvc-report im1-im2-ldic.hdf"
    assert not Path("im1-im2-ldic-report.html").exists()
    assert main("ldic", [*line, "--report"]) == 0
    told = capfd.readouterr().out.splitlines()
    assert "wrote im1-im2-ldic-report.html" in told and told[-1].endswith("hpcdvc-report im1-im2-ldic.hdf")
    first = Path("im1-im2-ldic-report.html").read_bytes()
    monkeypatch.setenv("HPCDVC_REPORT", "1")
    for ending in ("html", "json"):
        Path(f"im1-im2-ldic-report.{ending}").unlink()
    assert main("ldic", [*line, "--no-report"]) == 0 and not Path("im1-im2-ldic-report.html").exists()
    assert main("ldic", line) == 0 and len(Path("im1-im2-ldic-report.html").read_bytes()) > 0.9 * len(first)
    Path("im1-im2-ldic-report.html").unlink()
    Path("im1-im2-ldic-report.html").mkdir()
    capfd.readouterr()
    assert main("ldic", line) == 0
    assert "no report of im1-im2-ldic.hdf" in capfd.readouterr().err and Path("im1-im2-ldic.hdf").exists()


def test_names_that_are_no_words(here, capfd):
    """Names of files may be any bytes, and nothing of them becomes an element; the command named can be pasted."""
    names = [os.fsdecode(b"a \xff<script>$(1).tif"), 'b"><img onload=x>.tif']
    for name, image in zip(names, images(FLAT_FIELD, FLAT_SHAPE), strict=True):
        tifffile.imwrite(name, image, photometric="minisblack")
    assert main("reg", [*names, "-pre", "<b>it's"]) == 0
    line = shlex.split(capfd.readouterr().out.splitlines()[-1].removeprefix("look at it: hpcdvc-"))
    assert line == ["report", "<b>it's-registration.hdf"]
    assert main(line[0], [*line[1:], "-o", "a.html"]) == 0
    page = Page(Path("a.html").read_text("utf-8"))
    assert not {"script", "b"} & page.elements and not page.handlers and page.elements >= {"img", "table"}
    assert "<script>$(1).tif" in page.text and "<img onload=x>" in page.text


def test_numbers_that_are_none(here):
    """An image that has no value on the plane that is shown: there is no residual, and JSON that all can read."""
    pair = [image.astype("f4") for image in images()]
    pair[1][12:26] = np.nan
    for name, image in zip(("im1.tif", "im2.tif"), pair, strict=True):
        tifffile.imwrite(name, image, photometric="minisblack")
    assert main("reg", "im1.tif im2.tif -pre P -q".split()) == 0
    assert main("report", "P-registration.hdf -o a.html -q".split()) == 0
    facts = json.loads(Path("a.json").read_text(), parse_constant=lambda word: pytest.fail(word))
    assert facts["residual"]["rms_after"] is None


@pytest.mark.parametrize("numbers", [[0.97, 0.99], np.linspace(0, 1, 150), [3.0]])
def test_a_histogram_of_few_numbers_has_all_of_them(numbers):
    numbers = np.array(numbers)
    assert np.histogram(numbers, histogram_bins(numbers))[0].sum() == len(numbers)
    many = np.arange(1e4)
    assert np.histogram(many, histogram_bins(many))[0].sum() == pytest.approx(9900, abs=3)


def test_nothing_measured(here, capfd):
    """The sentence of the failure names the command, whose page says how the points ended."""
    rng = np.random.default_rng(3)
    for name in ("im1.tif", "im2.tif"):
        tifffile.imwrite(name, rng.integers(0, 60000, FLAT_SHAPE).astype("u2"), photometric="minisblack")
    assert main("ldic", "im1.tif im2.tif -ns 15 -hws 8".split()) == 1
    assert capfd.readouterr().err.splitlines()[-1].endswith("hpcdvc-report im1-im2-ldic.hdf shows it")
    assert main("report", ["im1-im2-ldic.hdf", "-q"]) == 0
    assert "Nothing was measured." in Path("im1-im2-ldic-report.html").read_text()


def test_field_is_that_of_the_truth(measured, monkeypatch, tmp_path):
    """Guard of the axes: the displacement of the middle of im1 is the mean of the numbers."""
    monkeypatch.chdir(measured)
    write_report(RESULTS["reg"], str(tmp_path / "a.html"))
    told = {one["column"]: one for one in json.loads((tmp_path / "a.json").read_text())["numbers"]}
    assert [told[f"displacement {axis}"]["mean"] for axis in "zyx"] == pytest.approx(FIELD.shift, abs=0.01)


def pictures(result: str) -> dict[str, tuple[str, int]]:
    """Caption and height, pixels, of each picture of a result, by name."""
    with open_result(result) as opened:
        drawn = list(pictures_of(opened, "not here"))
    return {one.name: (one.caption, int.from_bytes(one.png[20:24], "big")) for one in drawn}


def test_only_what_is_known_is_drawn(measured, monkeypatch):
    """No picture of a column without numbers, of z of images, or of the strain of what has only been searched."""
    monkeypatch.chdir(measured)
    flat, searched = (pictures(RESULTS[name]) for name in ("flat", "localShifts"))
    rows = {name: flat[name][1] / flat["zncc"][1] for name in ("displacement", "displacement_std", "strain")}
    assert all(1.5 < many < 2.1 for many in rows.values()), rows
    assert "displacement" in searched and not {"displacement_std", "strain", "error"} & set(searched)
    assert "strain" not in pictures(RESULTS["ddic"])  # rigid


def test_the_legend_covers_nothing(measured, monkeypatch):
    """The legend of statuses stands below its planes and their numbers, of tall and of wide ones."""
    monkeypatch.chdir(measured)
    for name in ("ldic", "flat"):
        drawn = []
        with monkeypatch.context() as patched, open_result(RESULTS[name]) as opened:
            patched.setattr(figures, "picture_of", lambda _name, _caption, figure, drawn=drawn: drawn.append(figure))
            next(pictures_of(opened, "not here"))
        (legend,) = drawn[0].legends
        top = legend.get_window_extent()
        assert top.y0 >= 0 and all(top.y1 < axis.get_tightbbox().y0 for axis in drawn[0].axes)


def test_what_is_left_out(measured, monkeypatch, tmp_path):
    """Parameters and images stand in one place each, and no title stands above nothing."""
    monkeypatch.chdir(measured)
    write_report(RESULTS["localShifts"], str(tmp_path / "a.html"))
    text = (tmp_path / "a.html").read_text()
    assert text.count("half_window_size") == 1 and "<h2>The run</h2>" in text
    lost = tmp_path / "lost.hdf"
    lost.write_bytes(Path(RESULTS["localShifts"]).read_bytes())
    write_report(str(lost), str(tmp_path / "a.html"))
    assert "<h2>The run</h2>" not in (tmp_path / "a.html").read_text()
