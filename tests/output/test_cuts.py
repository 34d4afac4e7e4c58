"""Figures of results: `Result.plot`."""

import numpy as np
import pytest
from affine_field import GRID, GRID_2D, METADATA, affine_rows

import hpcdvc
from hpcdvc.errors import UserError
from hpcdvc.output import hdf5
from hpcdvc.output.dense_result import DenseResult
from hpcdvc.output.notebook import Result

FAILED = [3]


def field(folder, grid=GRID, labels=False) -> Result:
    """A field with one node that has failed."""
    positions = GRID.positions() + 0.25 if labels else grid.positions()
    extra = {"label": np.arange(len(positions), dtype="u4") + 5} if labels else {}
    rows = affine_rows(positions, FAILED)
    hdf5.write_field(
        folder / "a.hdf",
        rows,
        0,
        None if labels else grid,
        METADATA,
        positions=positions if labels else None,
        extra=extra,
    )
    return hpcdvc.read(folder / "a.hdf")


def panels(figure) -> dict[str, object]:
    """Panels by their title; colour bars have none."""
    return {axes.get_title(): axes for axes in figure.axes if axes.get_title()}


def said(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_cuts_through_a_volume(tmp_path):
    """Three cuts of three components, as they stand in the grid, and the statuses in words."""
    found = field(tmp_path)
    figure = found.plot()
    drawn = panels(figure)
    places = [GRID.origin[k] + GRID.shape[k] // 2 * GRID.spacing[k] for k in range(3)]
    cuts = [f"{axis} = {place:g}" for axis, place in zip("zyx", places, strict=True)]
    names = [*(f"displacement in {axis}" for axis in "zyx"), "return status"]
    assert list(drawn) == [f"{name}, {cut}" for cut in cuts for name in names]
    shown = drawn[f"displacement in x, {cuts[1]}"]
    expected = found.displacement[:, 2].reshape(GRID.shape)[:, GRID.shape[1] // 2]
    np.testing.assert_array_equal(np.ma.filled(shown.images[0].get_array(), np.nan), expected)
    assert (shown.get_xlabel(), shown.get_ylabel()) == ("x (voxel)", "z (voxel)")
    left, right, bottom, top = shown.images[0].get_extent()
    assert (left, top) == tuple(GRID.origin[k] - GRID.spacing[k] / 2 for k in (2, 0)) and right > left and bottom > top
    assert shown.patch.get_hatch() and shown.child_axes, "what is not measured is hatched, and there is a colour bar"
    assert said(figure) == [
        f"2: converged ({len(found) - 1})",
        "1: maximum number of iterations reached (1)",
        "no value",
    ]


def test_one_cut_of_one_column(tmp_path):
    found = field(tmp_path)
    place = GRID.origin[0] + 1.4 * GRID.spacing[0]
    figure = found.plot("zncc", z=place)
    assert figure._repr_png_().startswith(b"\x89PNG"), "a notebook shows it"
    drawn = panels(figure)
    name = f"zncc, z = {GRID.origin[0] + GRID.spacing[0]:g}"
    assert list(drawn) == [name, name.replace("zncc", "return status")]
    np.testing.assert_array_equal(drawn[name].images[0].get_array(), found["zncc"].reshape(GRID.shape)[1])


def test_image_and_points(tmp_path):
    """An image has one layer and no z; points are seen along y."""
    assert list(panels(field(tmp_path, GRID_2D).plot())) == ["displacement in y", "displacement in x", "return status"]
    labels = field(tmp_path, labels=True)
    figure = labels.plot("Zdisp")
    assert list(panels(figure)) == ["Zdisp, seen along y", "return status, seen along y"]
    assert len(panels(figure)["Zdisp, seen along y"].collections[0].get_offsets()) == len(labels) - 1


def test_pixels():
    """A value for each pixel: an image, with what is not measured hatched, or cuts through a stack of them."""
    status = np.where(np.arange(42).reshape(6, 7) % 5, 2, -6).astype("i4")
    values = np.where(status[..., None] == 2, np.arange(126.0).reshape(6, 7, 3), np.nan)
    image = DenseResult("a.hdf", {}, {"displacement": values, "returnStatus": status})
    figure = image.plot()
    drawn = panels(figure)
    assert list(drawn) == ["displacement in y", "displacement in x", "return status"]
    shown = np.ma.filled(drawn["displacement in x"].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(shown, values[..., 2])
    assert said(figure)[0] == "2: converged (33)" and said(figure)[2] == "no value"
    stack = DenseResult("a.hdf", {}, {"grey": np.arange(60.0).reshape(3, 4, 5)})
    assert list(panels(stack.plot(z=2))) == ["grey, z = 2", "return status, z = 2"]
    with pytest.raises(KeyError, match="no column 'gray': did you mean grey?"):
        stack.plot("gray")


def test_what_cannot_be_drawn(tmp_path):
    found = field(tmp_path)
    with pytest.raises(UserError, match="x = 1000 is outside the grid, from"):
        found.plot(x=1000)
    with pytest.raises(UserError, match="F has 9 numbers at each point: plot one of Fzz, "):
        found.plot("F")
    with pytest.raises(UserError, match="Phi has 12 numbers at each point: plot one of Fzz, "):
        found.plot("Phi")
    with pytest.raises(KeyError, match="no column 'colour'"):
        found.plot("colour")
    with pytest.raises(UserError, match="points have no grid that could be cut: leave out y"):
        field(tmp_path, labels=True).plot(y=10)
