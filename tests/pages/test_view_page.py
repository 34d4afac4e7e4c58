"""What the page of hpcdvc-view is answered, without a server: every kind of result, its images, a run that goes on."""

import base64
import os
import subprocess
import time
import zlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import meshio
import numpy as np
import pytest
import tifffile
import view_cases as cases
from ldic_cases import FIELD, SHAPE, images
from one_thread import OneThread
from view_cases import CODES, GRID, RESULTS

from hpcdvc.errors import UserError
from hpcdvc.fields.status import STATUSES, Family, Status, is_measured, reason_of
from hpcdvc.output import hdf5
from hpcdvc.output.tsv import write_tsv
from hpcdvc.pages import residual, view_images
from hpcdvc.pages.view import ViewPage
from hpcdvc.pages.view_images import given_images
from hpcdvc.pages.view_planes import LEVELS, cut_mesh
from hpcdvc.pages.view_result import Mesh
from hpcdvc.pages.view_running import NOT_YET, mark_of
from hpcdvc.pages.view_source import check, paths_of, sources_of
from hpcdvc.pages.view_step import Step
from hpcdvc.runs.owner import this_process
from hpcdvc.runs.shards import Shards
from hpcdvc.steps.labels import LABEL_ROW


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("view")
    cases.save_images(found)
    cases.save_results(found)
    return found


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def page_of(*paths: Path, checks: int = 40, given: tuple = (), labels: str | None = None) -> ViewPage:
    """A page that has read its results and the images of the first."""
    page = ViewPage([str(path) for path in paths], lambda steps: given_images(given, steps, labels), _advice, 1e-3)
    page.begin(OneThread(page, checks))
    return page


def _advice(path: str, code: int) -> str:
    return f"advice on {code}"


def ask(page: ViewPage, kind: str, step: int = 0, **more):
    return page.answer({"type": kind, "step": step, **more})


def told(page: ViewPage, step: int = 0) -> dict:
    return ask(page, "step", step).content


def look(page: ViewPage, field: str, point, step: int = 0, views=((1, True, False),), **more):
    return ask(page, "look", step, field=field, point=list(map(float, point)), views=[list(v) for v in views], **more)


def values_of(content: dict, plane: np.ndarray) -> np.ndarray:
    """What the page makes of a plane."""
    found = content["low"] + (content["high"] - content["low"]) * (plane.astype(float) - 1) / (LEVELS - 1)
    return np.where(plane == 0, np.nan, found)


@pytest.mark.parametrize("kind", RESULTS)
def test_statuses_are_those_of_the_file(folder, kind):
    """Each with its count, its reason in words, and what to try: of the file, or else of the command."""
    page = page_of(folder / RESULTS[kind])
    legend = told(page)["statuses"]
    assert {one["code"]: one["count"] for one in legend} == cases.counts_of(folder / RESULTS[kind])
    assert {one["code"] for one in legend} == set(CODES.tolist()) == set(map(int, STATUSES))
    for one in legend:
        assert one["reason"] == reason_of(one["code"]) and one["measured"] == is_measured(
            one["code"], Family.REGISTRATION
        )
        wanted = "larger -hws" if kind == "grid" and one["code"] == -1 else f"advice on {one['code']}"
        assert one["advice"] == wanted


def test_planes_of_a_grid(folder):
    """Values and statuses of the nearest nodes; not measured is no number; beyond the nodes there is nothing."""
    page, field = page_of(folder / RESULTS["grid"]), hdf5.read_field(folder / RESULTS["grid"])
    grids = {axis: field.displacement[:, k].reshape(GRID.shape) for k, axis in enumerate("zyx")}
    code = field.return_status.reshape(GRID.shape)
    for view, across in ((1, 0), (2, 1), (3, 2)):
        for number in range(GRID.shape[across]):
            point = np.array(GRID.origin) + np.array(GRID.spacing) * number * (np.arange(3) == across) + 0.3
            answer = look(page, "displacement y", point, views=[(view, True, False)])
            content = answer.content["views"][str(view)]["field"]
            truth, status = (np.take(one, number, across) for one in (grids["y"], code))
            assert (answer.planes[f"status {view}"] == status).all()
            found = values_of(content, answer.planes[f"values {view}"])
            assert (np.isnan(found) == (status < 2)).all()
            np.testing.assert_allclose(found[status >= 2], truth[status >= 2], atol=1e-5)
            down, right = (k for k in range(3) if k != across)
            assert content["first"] == [GRID.origin[down], GRID.origin[right]]
    assert look(page, "displacement y", (0, 20, 20)).content["views"]["1"]["field"] == {"kind": "none"}


def test_fields(folder):
    """Components and norm, deviations, strain of F, error, iterations; none across an image in two dimensions."""
    keys = {kind: [one["key"] for one in told(page_of(folder / name))["fields"]] for kind, name in RESULTS.items()}
    for wanted in (
        "displacement norm",
        "displacement z",
        "displacement_std x",
        "vol",
        "dev",
        "error",
        "iterations",
        "zncc",
    ):
        assert wanted in keys["grid"], wanted
    assert not any(key.endswith(" z") for key in keys["flat"]) and "displacement y" in keys["flat"]
    assert "cells residual" in keys["mesh"] and "rotation x" in keys["labels"]
    assert all({"im2 - im1 after", "im2 - im1 before"} <= set(some) for some in keys.values())


def test_distribution_is_of_measured_rows(folder):
    page, field = page_of(folder / RESULTS["grid"]), hdf5.read_field(folder / RESULTS["grid"])
    found = ask(page, "distribution", field="displacement x").content
    truth = field.displacement[field.measured, 2]
    assert found["points"] == len(truth) == sum(found["counts"])
    np.testing.assert_allclose([found["shares"]["0"], found["shares"]["95"]], np.percentile(truth, [0, 95]), atol=1e-6)
    volume = ask(page, "distribution", field="vol").content["shares"]["100"]
    assert volume == pytest.approx(np.linalg.det(FIELD.F) - 1, abs=1e-6)


@pytest.mark.parametrize("kind", ["grid", "labels", "mesh"])
def test_residual_of_a_slice(folder, kind):
    """What the result explains is gone, in the slice that is asked for."""
    page = page_of(folder / RESULTS[kind])
    sizes = []
    for key in ("im2 - im1 before", "im2 - im1 after"):
        answer = look(page, key, (19, 19, 24), views=[(1, True, False)])
        content = answer.content["views"]["1"]["field"]
        values = values_of(content, answer.planes["values 1"])
        assert list(answer.planes) == ["values 1"] and values.shape == SHAPE[1:] and np.isfinite(values).sum() > 300
        sizes.append(np.sqrt(np.nanmean(values[12:28, 14:38] ** 2)))
    assert sizes[1] < 0.25 * sizes[0]


def test_residual_is_that_of_the_report(folder):
    """Brought back by the kernel of planes, and by the points of the report: the same difference between the nodes."""
    clean = cases.rows_at(GRID.positions(), FIELD)
    clean["return_status"] = 2
    path = folder / "clean-ldic.hdf"
    known = cases.metadata(folder, {"im1": "im1.tif", "im2": "im2.tif"})
    hdf5.write_field(path, clean, 0, GRID, known)
    answer = look(page_of(path), "im2 - im1 after", (19, 19, 24))
    found = values_of(answer.content["views"]["1"]["field"], answer.planes["values 1"])
    im1, im2 = (image.astype(float) for image in images())
    points = np.argwhere(np.ones(SHAPE[1:])) @ [[0, 1, 0], [0, 0, 1]] + [19.0, 0, 0]
    moved = residual.sampled(im2, points + (points - FIELD.centre) @ (FIELD.F - np.eye(3)).T + FIELD.shift)
    both = np.isfinite(found)
    known, grey = (np.where(both, one, np.nan) for one in (moved.reshape(SHAPE[1:]), im1[19]))
    assert both.sum() > 500
    np.testing.assert_allclose(found[both], (residual.like(known, grey) - grey)[both], atol=1)


def test_grey_planes_are_those_of_the_image(folder):
    page = page_of(folder / RESULTS["grid"])
    window = None
    for name, image in zip(("im1", "im2"), images(), strict=True):
        answer = look(page, "returnStatus", (19, 19, 24), views=[(2, False, True)], under=name)
        window = answer.content["window"]
        truth = np.clip(np.rint((image[:, 19].astype(float) - window[0]) * 255 / (window[1] - window[0])), 0, 255)
        assert np.abs(answer.planes["grey 2"].astype(int) - truth).max() <= 1


def test_labels_are_sent_once(folder):
    """The slice has the labels, the rows a value and a status for each."""
    page = page_of(folder / RESULTS["labels"])
    answer, rows = look(page, "displacement z", (15, 19, 24)), ask(page, "rows", field="displacement z").planes
    assert answer.content["views"]["1"]["field"]["kind"] == "labels"
    assert (answer.planes["labels 1"] == cases.label_image()[15]).all() and answer.planes["labels 1"].dtype == np.uint32
    assert (rows["label"][:, 0] == np.arange(1, 49)).all() and (rows["status"][:, 0] == cases.statuses(48)).all()
    assert (np.isnan(rows["values"][:, 0]) == (cases.statuses(48) < 2)).all()


def test_labels_without_an_image_are_points(folder, tmp_path):
    lost = tmp_path / "lost-ddic.hdf"
    lost.write_bytes((folder / RESULTS["labels"]).read_bytes())
    page = page_of(lost)
    assert "im1.tif" in told(page)["why"] and not told(page)["levels"]
    field = look(page, "displacement z", (14.5, 19, 24))
    assert field.content["views"]["1"]["field"]["kind"] == "points"
    assert set(field.planes["owner 1"][:, 0]) == set(range(16, 32))
    named = page_of(lost, given=(str(folder / "im1.tif"), str(folder / "im2.tif")), labels=str(folder / "labels.tif"))
    assert told(named)["levels"] == ["im1", "im2", "labels"]


def test_cut_of_a_mesh():
    """Triangles fill the section of a box, and values linear in space are linear in it."""
    points, cells = cases.create_cuboid((10.0, 12.0, 14.0), 4.0)
    mesh = Mesh(points, cells)
    for across, size in ((0, 12 * 14), (1, 10 * 14), (2, 10 * 12)):
        for place in (3.3, 5.0):
            _, ends, shares, corners = cut_mesh(mesh, across, place)
            a, b = (corners[:, k] - corners[:, 0] for k in (1, 2))
            assert np.abs(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).sum() / 2 == pytest.approx(size, rel=1e-6)
            values = points @ [1.0, 2.0, 3.0]
            at = values[ends[..., 0]] + shares * (values[ends[..., 1]] - values[ends[..., 0]])
            down, right = (k for k in range(3) if k != across)
            weights = np.array([1.0, 2.0, 3.0])
            np.testing.assert_allclose(at, corners @ weights[[down, right]] + weights[across] * place, atol=1e-5)


def test_mesh(folder):
    page, field = page_of(folder / RESULTS["mesh"]), hdf5.read_field(folder / RESULTS["mesh"])
    answer = look(page, "displacement x", (19.2, 19, 24))
    corners = answer.planes["corners 1"].reshape(-1, 3, 3)
    known = np.isfinite(corners[..., 2])
    points = np.concatenate([np.full((*known.shape, 1), 19.2), corners[..., :2]], axis=-1)
    truth = ((points - FIELD.centre) @ (FIELD.F - np.eye(3)).T + FIELD.shift)[..., 2]
    np.testing.assert_allclose(corners[known][:, 2], truth[known], atol=1e-4)
    assert known.any() and not known.all() and (answer.planes["owner 1"] < len(field)).all()
    inside = look(page, "cells residual", (19.2, 19, 24)).planes
    assert np.isfinite(inside["corners 1"]).all() and (answer.planes["status 1"] == inside["status 1"]).all()


def test_point_of_a_grid(folder):
    """All its values, its neighbours, its window before and after."""
    page, field = page_of(folder / RESULTS["grid"]), hdf5.read_field(folder / RESULTS["grid"])
    row = int(np.ravel_multi_index((2, 2, 3), GRID.shape))
    answer = ask(page, "point", point=list(GRID.positions()[row] + 1.4), across=0)
    found = answer.content
    assert found["row"] == row and found["status"]["code"] == 2 and found["status"]["reason"] == "converged"
    values = {name: dict(numbers) for name, numbers, _ in found["values"]}
    assert values["displacement"] == {axis: f"{field.displacement[row, k]:.6g}" for k, axis in enumerate("zyx")}
    assert values["iterations"] == {"": "3"} and values["error"] == {"": "0.5"} and len(values["Phi"]) >= 1
    assert {one["row"] for one in found["neighbours"]} == {row - 30, row + 30, row - 6, row + 6, row - 1, row + 1}
    assert found["pair"]["after"] > 0.99 > found["pair"]["before"] + 0.1 and found["pair"]["half"] == (5, 5, 5)
    assert answer.planes["im1"].shape == (11, 11)
    assert np.abs(answer.planes["after"].astype(int) - answer.planes["im1"]).mean() < 6
    assert np.abs(answer.planes["before"].astype(int) - answer.planes["im1"]).mean() > 12


def test_neighbours_of_what_is_no_displacement():
    """Pixels of hpcdvc-mmr, voxels of hpcdvc-align: no status, and their first column."""
    result = SimpleNamespace(
        columns={"residual": None, "phase_map": None},
        known=lambda name, part: np.full((1, 1, 1, 1), 2.5),
        statuses=lambda part: None,
        kind="image",
        grid=GRID,
        shape=GRID.shape,
    )
    told = Step.neighbour(result, 1)
    assert (told["status"], told["name"], told["numbers"].tolist()) == (None, "residual", [2.5])
    result.columns["displacement"] = None
    assert Step.neighbour(result, 1)["name"] == "displacement"


def test_the_window_is_deformed_as_the_row_says(tmp_path):
    """Phi turns it: here y and x change places."""
    im1 = np.random.default_rng(0).integers(0, 255, (20, 20, 20)).astype("u1")
    for name, image in (("im1.tif", im1), ("im2.tif", np.roll(im1.transpose(0, 2, 1), 2, axis=0))):
        tifffile.imwrite(tmp_path / name, image, photometric="minisblack")
    grid = cases.Grid((8.0, 9.0, 9.0), (2.0, 2.0, 2.0), (2, 1, 1))
    rows = cases.rows_at(grid.positions(), FIELD)
    rows["Phi"] = [[1, 0, 0, 2], [0, 0, 1, 0], [0, 1, 0, 0]]
    known = cases.metadata(tmp_path, {"im1": "im1.tif", "im2": "im2.tif"})
    hdf5.write_field(tmp_path / "a.hdf", rows, 0, grid, known)
    answer = ask(page_of(tmp_path / "a.hdf"), "point", point=[8, 9, 9], across=0)
    assert answer.content["pair"]["after"] == pytest.approx(1) and abs(answer.content["pair"]["before"]) < 0.2
    assert (answer.planes["after"] == answer.planes["im1"]).all()


def test_every_status_is_told_at_its_point(folder, tmp_path):
    """The advice at a point is that of the legend."""
    lost = tmp_path / "lost-ddic.hdf"
    lost.write_bytes((folder / RESULTS["labels"]).read_bytes())
    page = page_of(lost)
    for row, code in zip(range(0, 2 * len(CODES), 6), CODES[::3], strict=True):
        found = ask(page, "point", point=cases.centres()[row].tolist(), across=1).content
        assert found["row"] == row and found["status"]["code"] == code
        assert found["status"]["reason"] == reason_of(code) and found["status"]["advice"] == f"advice on {code}"


def test_point_where_there_is_none(folder):
    answer = ask(page_of(folder / RESULTS["grid"]), "point", point=[0, 0, 0], across=0)
    assert answer.content["row"] is None and "nothing" in answer.content["text"]


def test_registration_and_its_residual(folder):
    rows = cases.rows_at(FIELD.centre[None], FIELD)
    rows["return_status"] = 2
    path = folder / "r-registration.hdf"
    known = cases.metadata(folder, {"im1": "im1.tif", "im2": "im2.tif"})
    hdf5.write_field(path, rows, 0, None, known, positions=FIELD.centre[None])
    page = page_of(path)
    assert told(page)["what"] == "one registration" and told(page)["box"]["high"].tolist() == [n - 0.5 for n in SHAPE]
    sizes = []
    for key in ("im2 - im1 before", "im2 - im1 after"):
        answer = look(page, key, (19, 19, 24))
        sizes.append(np.nanstd(values_of(answer.content["views"]["1"]["field"], answer.planes["values 1"])))
    assert sizes[1] < 0.2 * sizes[0]
    assert ask(page, "point", point=[3, 3, 3], across=0).content["pair"]["after"] > 0.99


def test_files_of_other_formats(folder, tmp_path):
    """The same grid as a table, as legacy VTK and as .vti; a mesh as .vtu."""
    field = hdf5.read_field(folder / RESULTS["grid"])
    write_tsv(tmp_path / "g.tsv", field)
    cases.save_vtk(tmp_path / "g.vtk")
    for name in ("g.tsv", "g.vtk"):
        page = page_of(tmp_path / name)
        assert {one["code"]: one["count"] for one in told(page)["statuses"]} == cases.counts_of(
            folder / RESULTS["grid"]
        )
        answer = look(page, "displacement y", np.array(GRID.origin) + [6, 6, 12])
        found = values_of(answer.content["views"]["1"]["field"], answer.planes["values 1"])
        truth = field.displacement[:, 1].reshape(GRID.shape)[1]
        np.testing.assert_allclose(found[np.isfinite(found)], truth[np.isfinite(found)], atol=1e-5)
        assert "--images" in told(page)["why"]
    points, cells = cases.create_cuboid((10.0, 10.0, 10.0), 5.0)
    data = {"displacement": np.ones((len(points), 3)) * [1, 2, 3], "returnStatus": np.full(len(points), -9)}
    meshio.write(
        tmp_path / "m.vtu", meshio.Mesh(points[:, ::-1], {"tetra": cells}, data, {"strange": [np.arange(len(cells))]})
    )
    page = page_of(tmp_path / "m.vtu")
    assert {one["code"]: one["count"] for one in told(page)["statuses"]} == {-9: len(points)}
    assert "cells strange" in [one["key"] for one in told(page)["fields"]]
    assert look(page, "cells strange", (4, 4, 4)).planes["corners 1"].shape[1] == 9


def write_vti(path: Path, arrays: dict[str, np.ndarray], how: str) -> None:
    """ImageData as other programs write it."""
    parts, appended, offset = [], b"", 0
    for name, values in arrays.items():
        data = np.ascontiguousarray(values)
        kind = {"f8": "Float64", "i4": "Int32"}[data.dtype.str[1:]]
        about = f'<DataArray Name="{name}" type="{kind}" NumberOfComponents="{data.shape[1] if data.ndim > 1 else 1}"'
        raw = np.array([data.nbytes], "<u4").tobytes() + data.tobytes()
        if how == "ascii":
            text = " ".join(map(repr, data.ravel().tolist()))
            parts.append(f'{about} format="ascii">{text}</DataArray>')
        elif how == "binary":
            parts.append(f'{about} format="binary">{base64.b64encode(raw).decode()}</DataArray>')
        elif how == "zlib":
            packed = zlib.compress(data.tobytes())
            head = base64.b64encode(np.array([1, data.nbytes, 0, len(packed)], "<u4").tobytes())
            parts.append(f'{about} format="binary">{(head + base64.b64encode(packed)).decode()}</DataArray>')
        else:
            parts.append(f'{about} format="appended" offset="{offset}"/>')
            appended, offset = appended + raw, offset + len(raw)
    z, y, x = (n - 1 for n in GRID.shape)
    extent, (oz, oy, ox) = f"0 {x} 0 {y} 0 {z}", GRID.origin
    sz, sy, sx = GRID.spacing
    packing = ' compressor="vtkZLibDataCompressor"' if how == "zlib" else ""
    text = (
        f'<?xml version="1.0"?><VTKFile type="ImageData" version="1.0" byte_order="LittleEndian"{packing}>'
        f'<ImageData WholeExtent="{extent}" Origin="{ox} {oy} {oz}" Spacing="{sx} {sy} {sz}"><Piece Extent="{extent}">'
        f"<PointData>{''.join(parts)}</PointData></Piece></ImageData>"
    ).encode()
    end = b'<AppendedData encoding="raw">_' + appended + b"</AppendedData></VTKFile>" if appended else b"</VTKFile>"
    path.write_bytes(text + end)


def test_vti_of_strangers(tmp_path):
    """Neither entities nor sizes that are not there."""
    path = tmp_path / "a.vti"
    path.write_text('<!DOCTYPE a [<!ENTITY b "c">]><VTKFile>&b;</VTKFile>')
    with pytest.raises(UserError, match="entities"):
        sources_of(str(path))
    head = (
        '<VTKFile type="ImageData" byte_order="LittleEndian"{}><ImageData Origin="0 0 0" Spacing="1 1 1"><Piece Extent='
    )
    end = '<Piece Extent="0 {0} 0 {0} 0 {0}"><PointData>{1}</PointData></Piece></ImageData></VTKFile>'
    array = '<DataArray Name="zncc" type="Float64" format="{}">{}</DataArray>'
    packed = base64.b64encode(np.array([1, 2**31, 0, 9], "<u4").tobytes() + b"x").decode()
    for more, body in (
        ("", "<Array/>"),
        ("", array.format("ascii", "1 2 3")),
        ("", array.format("ascii", "words")),
        ("", array.format("binary", "!")),
        (' compressor="vtkZLibDataCompressor"', array.format("binary", packed)),
        (' compressor="vtkLZ4DataCompressor"', array.format("binary", packed)),
        ("", array.format("appended", "")),
    ):
        path.write_text(head.format(more) + end.format(9999, body))
        with pytest.raises(UserError, match="a.vti"):
            sources_of(str(path))


@pytest.mark.parametrize("how", ["ascii", "binary", "zlib", "appended"])
def test_vti(folder, tmp_path, how):
    field = hdf5.read_field(folder / RESULTS["grid"])
    moved = np.where(field.measured[:, None], field.displacement, np.nan)[:, ::-1]
    arrays = {"returnStatus": field.return_status.astype("i4"), "zncc": np.linspace(0, 1, len(field))}
    write_vti(tmp_path / "g.vti", arrays | ({} if how == "ascii" else {"displacement": moved}), how)
    page = page_of(tmp_path / "g.vti")
    assert {one["code"]: one["count"] for one in told(page)["statuses"]} == cases.counts_of(folder / RESULTS["grid"])
    answer = look(page, "zncc", np.array(GRID.origin) + [12, 0, 0])
    found = values_of(answer.content["views"]["1"]["field"], answer.planes["values 1"])
    truth = np.linspace(0, 1, len(field)).reshape(GRID.shape)[2]
    measured = field.measured.reshape(GRID.shape)[2]
    np.testing.assert_allclose(found[measured], truth[measured], atol=1e-4)
    if how != "ascii":
        answer = look(page, "displacement z", np.array(GRID.origin) + [12, 0, 0])
        found = values_of(answer.content["views"]["1"]["field"], answer.planes["values 1"])
        np.testing.assert_allclose(
            found[measured], field.displacement[:, 0].reshape(GRID.shape)[2][measured], atol=1e-4
        )


def test_series(folder, tmp_path):
    """Several results, or their list, are steps."""
    hdf5.write_series(folder / "s.hdf.series", [RESULTS["grid"], RESULTS["mesh"]], [1, 2])
    paths = paths_of((str(folder / "s.hdf.series"), str(folder / RESULTS["flat"])))
    page = page_of(*map(Path, paths))
    assert page.state()["steps"] == [RESULTS["grid"], RESULTS["mesh"], RESULTS["flat"]]
    for step, kind in enumerate(("grid", "mesh", "flat")):
        legend = {one["code"]: one["count"] for one in told(page, step)["statuses"]}
        assert legend == cases.counts_of(folder / RESULTS[kind])
    assert told(page, 1)["what"].endswith("tetrahedra")


def test_pairs_of_one_file_are_steps(tmp_path):
    rows = cases.rows_at(np.tile(FIELD.centre, (3, 1)), FIELD)
    rows["return_status"], rows["Phi"][:, 0, 3] = [2, -10, 2], [1, 2, 3]
    path = tmp_path / "s-shift.hdf"
    extra = {"step": np.array([1, 2, 3], "i4")}
    hdf5.write_field(path, rows, 0, None, {"key": "0"}, positions=np.tile(FIELD.centre, (3, 1)), extra=extra)
    page = page_of(path)
    assert page.state()["steps"] == [f"s-shift.hdf, pair {k}" for k in (1, 2, 3)]
    assert [told(page, k)["statuses"][0]["code"] for k in range(3)] == [2, -10, 2]
    assert ask(page, "distribution", 2, field="displacement z").content["shares"]["0"] == 3


def test_a_run_that_goes_on_is_followed(folder, tmp_path):
    """Its rows so far; more with each look; then the result."""
    cases.save_images(tmp_path)
    shards, rows = cases.shards_of(tmp_path), cases.rows_at(GRID.positions(), FIELD)
    path = tmp_path / "r-ldic.hdf"
    cases.add_rows(shards, rows[:50])

    def legend(page):
        return {one["code"]: one["count"] for one in told(page)["statuses"]}

    page = ViewPage([str(path)], lambda steps: given_images((), steps, None), _advice, 1e-3)
    seen = []

    class Watched(OneThread):
        def changed(self, by_page=True):
            found = legend(page)
            if not seen or seen[-1] != found:
                seen.append(found)
                if len(seen) == 1:
                    cases.add_rows(shards, rows[50:])
                elif len(seen) == 2:
                    hdf5.write_field(path, rows[:1], 0, cases.Grid(GRID.origin, GRID.spacing, (1, 1, 1)), {"key": "0"})
                    shards.clear()

    page.begin(Watched(page, 400))
    codes, counts = np.unique(rows["return_status"][:50], return_counts=True)
    some = dict(zip(codes.tolist(), counts.tolist(), strict=True))
    whole = dict(zip(*(one.tolist() for one in np.unique(rows["return_status"], return_counts=True)), strict=True))
    assert seen == [some | {NOT_YET: GRID.size - 50}, whole, {3: 1}]


def test_a_run_without_rows_yet(tmp_path):
    cases.save_images(tmp_path)
    cases.shards_of(tmp_path).begin()
    page = page_of(tmp_path / "r-ldic.hdf")
    assert [one["count"] for one in told(page)["statuses"]] == [GRID.size] and told(page)["progress"] == (0, GRID.size)
    assert np.isnan(
        values_of({"low": 0, "high": 1}, look(page, "displacement z", GRID.origin).planes["values 1"])
    ).all()


def test_a_run_that_is_dead_is_not_said_to_go_on(tmp_path):
    """By the lock that it has left; one of another machine may live."""
    cases.save_images(tmp_path)
    cases.shards_of(tmp_path).begin()
    path, lock = str(tmp_path / "r-ldic.hdf"), tmp_path / "r-ldic.lock"
    with subprocess.Popen(["true"]) as dead:
        dead.wait()
    seen = []
    for owner in (
        this_process(),
        replace(this_process(), process=dead.pid),
        replace(this_process(), machine="b"),
        None,
    ):
        lock.write_bytes(owner.written()) if owner else lock.unlink()
        seen.append((told(page_of(Path(path)))["at_work"], mark_of(path)))
    assert [one for one, _ in seen] == [True, False, True, False]
    assert seen[0][1] == seen[2][1] != seen[1][1] == seen[3][1], "it is read again when the run has died"


def test_labels_of_a_run_that_goes_on(folder, tmp_path):
    """In the image of the labels; where they lie is known from it alone."""
    cases.save_images(tmp_path)
    made_from = cases.metadata(tmp_path, {"im1": "im1.tif", "im2": "im2.tif", "labels": "labels.tif"})["provenance"]
    shards = Shards(str(tmp_path / "l-ddic"), {"options": {}, "made_from": made_from}, LABEL_ROW)
    rows = cases.rows_at(cases.centres(), FIELD, LABEL_ROW)
    rows["label"] = np.arange(1, len(rows) + 1)
    shards.begin()
    page = page_of(tmp_path / "l-ddic.hdf")
    assert page.state()["steps"] == [] and "nothing of this run can be shown yet" in page.loading
    cases.add_rows(shards, rows[20:40])
    page = page_of(tmp_path / "l-ddic.hdf")
    assert told(page)["labels"].endswith("labels.tif") and told(page)["progress"] == (20, 0)
    label = cases.label_image()[15, 15, 15]
    found = ask(page, "point", point=[15, 15, 15], across=0).content
    assert dict(found["values"][[one[0] for one in found["values"]].index("label")][1])[""] == str(label)
    assert "will be known" in found["pair"]["why"] and found["status"]["code"] == rows["return_status"][label - 1]


def test_other_images_are_not_shown(folder, tmp_path):
    """Images that have changed since are none; those of the command line must fit."""
    cases.save_images(tmp_path)
    other = tmp_path / RESULTS["grid"]
    other.write_bytes((folder / RESULTS["grid"]).read_bytes())
    tifffile.imwrite(tmp_path / "im2.tif", images()[1] + 1, photometric="minisblack")
    page = page_of(other)
    assert "im2.tif is not the image" in told(page)["why"]
    assert "im2 - im1 after" not in [f["key"] for f in told(page)["fields"]]
    with pytest.raises(UserError, match="differ in size"):
        given_images((str(tmp_path / "im1.tif"), str(tmp_path / "flat1.tif")), 1, None)
    with pytest.raises(UserError, match="2 images are needed"):
        given_images((str(tmp_path / "im1.tif"),) * 3, 1, None)


@pytest.mark.parametrize(
    "message",
    [
        {"type": "look", "views": [[9, True, True]], "point": [1, 2, 3], "field": "zncc"},
        {"type": "look", "views": [[3, 1, True]], "point": [1, 2, 3], "field": "zncc"},
        {"type": "look", "views": [], "point": [1, 2, float("nan")], "field": "zncc"},
        {"type": "look", "views": [], "point": [1, 2], "field": "zncc"},
        {"type": "look", "views": [], "point": [1, 2, 3], "field": "nonsense"},
        {"type": "look", "views": [], "point": [1, 2, 3], "field": ["zncc"]},
        {"type": "distribution", "field": None},
        {"type": "point", "point": "here"},
        {"type": "step", "step": 7},
        {"type": "step", "step": True},
        {"type": "write"},
    ],
)
def test_messages_that_make_no_sense(folder, message):
    with pytest.raises(UserError):
        page_of(folder / RESULTS["grid"]).answer({"step": 0, **message})


def test_points_far_outside_have_nothing(folder):
    page = page_of(folder / RESULTS["grid"])
    assert ask(page, "point", point=[1e9, -1e9, 0], across=0, row=10**9).content["row"] is None
    assert look(page, "zncc", (1e9, 0, 0)).content["views"]["1"]["field"] == {"kind": "none"}


@pytest.mark.parametrize(
    "name",
    ["missing.hdf", "missing.tsv", "text.hdf", "text.vti", "text.vtu", "text.vtk", "text.tsv", "a.txt", "bad.series"],
)
def test_no_result(tmp_path, name):
    (tmp_path / name).write_text("no result\n") if not name.startswith("missing") else None
    with pytest.raises(UserError, match=name):
        for path in paths_of((str(tmp_path / name),)):
            check(path)


def test_nothing_is_written_beside_the_result(folder, tmp_path, monkeypatch):
    """Neither by reading nor by caches, which go to the cache of the user."""
    monkeypatch.setattr(view_images, "factor_of", lambda shape: 1 + (min(shape) > 1))
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    times = {folder: folder.stat().st_mtime_ns}
    page = page_of(*(folder / name for name in RESULTS.values()))
    for step in range(len(RESULTS)):
        key = told(page, step)["fields"][0]["key"]
        look(page, key, (19, 19, 24) if step != 1 else (0, 20, 20), step)
        ask(page, "point", step, point=[19, 19, 24], across=0)
    page.save()
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before
    assert folder.stat().st_mtime_ns == times[folder]
    assert list((tmp_path / "cache").rglob("*.npy"))


def test_files_that_cannot_be_read_in_a_moment_are_read_later(folder, tmp_path):
    """A result that is damaged now says so, and is shown when it is whole."""
    path = tmp_path / "late-ldic.hdf"
    whole = (folder / RESULTS["grid"]).read_bytes()
    path.write_bytes(whole[:4000])
    page = ViewPage([str(path)], lambda steps: given_images((), steps, None), _advice, 1e-3)

    class Mended(OneThread):
        def tell(self, message):
            if "late-ldic.hdf" in message.content.get("text", ""):
                self.told.append(message)
                time.sleep(0.01)
                os.replace(_written(tmp_path / "x", whole), path)

    hub = Mended(page, 60)
    page.begin(hub)
    assert hub.told and told(page)["statuses"] and page.loading == ""


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_sources_know_their_meshes(folder):
    (mesh,) = sources_of(str(folder / RESULTS["mesh"]))
    points, cells = cases.create_cuboid((24.0, 24.0, 32.0), 9.0, (7.0, 8.0, 8.0))
    np.testing.assert_allclose(mesh.mesh.points, points)
    assert (mesh.mesh.cells == cells).all() and mesh.cells is not None
    assert Status.CONVERGED in STATUSES
