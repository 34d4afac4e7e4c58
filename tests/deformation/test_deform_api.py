"""The functions for Python users that deform images, and what they refuse."""

import numpy as np
import pytest
import reference_deformation as slow
from deformation_cases import SHAPES, noise, some_field, some_mapping, some_mesh, some_phi, whole

from hpcdvc.deformation.images import (
    Deformation,
    MeshMap,
    NeighbourMap,
    PhiMap,
    apply_mesh_transformation,
    apply_phi,
    apply_phi_field,
)
from hpcdvc.errors import UserError


def test_two_dimensional_functions_return_two_dimensions():
    image = noise(SHAPES[2][1:])
    phi = some_phi(dimensions=2)
    phi[0, 3], phi[0, 1] = 5, 0.5  # the z part has nothing to say
    assert (apply_phi(image, phi) == whole(image[None], some_mapping("phi", SHAPES[2]))[0][0]).all()
    x, field = some_field(SHAPES[2])
    mask = image > 10000
    out = apply_phi_field(image, x, field, mask, "applyPhi", 4, 3)
    assert out.shape == image.shape and out.dtype == image.dtype and not out[~mask].any()
    assert (out == whole(image[None], NeighbourMap(x, field, 4), 3, mask[None])[0][0]).all()
    x, triangles, u = some_mesh(SHAPES[2])
    expected = whole(image[None], MeshMap(x, triangles, u))[0][0]
    assert (apply_mesh_transformation(image, x, triangles, u) == expected).all()


def test_apply_phi_about_a_point():
    image = noise(SHAPES[3])
    centre = np.array([3.0, 40.0, 10.0])
    phi = some_phi()
    expected = slow.deformed(image, slow.sources_by_phi(slow.voxels(image.shape), phi, centre), 1)[0]
    assert np.abs(apply_phi(image, phi, centre) - expected).max() <= 0.51


def test_apply_phi_field_modes(capsys):
    image, (x, phi) = noise(SHAPES[3]), some_field(SHAPES[3])
    assert (apply_phi_field(image, x, phi) == whole(image, NeighbourMap(x, phi))[0]).all()
    moved = apply_phi_field(image, x, phi, displacement_mode="interpolate", verbose=True)
    assert (moved == whole(image, NeighbourMap(x, phi, displacement_only=True))[0]).all()
    assert "21 planes" in capsys.readouterr().err


def test_the_image_is_not_touched():
    image = noise(SHAPES[3])
    before = image.copy()
    image.flags.writeable = False
    apply_phi(image, some_phi(), order=3)
    assert (image == before).all()


NAN, EYE, IMAGE = np.full((4, 4), np.nan), np.eye(4), noise((4, 5, 6))
POINTS = np.array([[0.0, 0, 0], [9, 0, 0], [0, 9, 0], [0, 0, 9]])
TET = np.array([[0, 1, 2, 3]])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: apply_phi(IMAGE, np.eye(3)), "shape (3, 3)"),
        (lambda: apply_phi(IMAGE, NAN), "not finite"),
        (lambda: apply_phi(IMAGE, np.zeros((4, 4))), "singular"),
        (lambda: apply_phi(IMAGE, EYE, (1, 2)), "centre"),
        (lambda: apply_phi(IMAGE, EYE, order=2), "order 2"),
        (lambda: apply_phi(IMAGE[0, 0], EYE, (0, 0, 0)), "shape (6,)"),
        (lambda: apply_phi(IMAGE[:0], EYE), "shape (0, 5, 6)"),
        (lambda: apply_phi(IMAGE.astype(complex), EYE), "complex128"),
        (lambda: apply_phi(IMAGE.astype("i8"), EYE), "int64"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (3, 1, 1))), "(4, 3)"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(NAN, (4, 1, 1))), "none of the 4 points"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (4, 1, 1)), n_neighbours=0), "0 neighbours"),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (4, 1, 1)), displacement_mode="x"), '"x"'),
        (lambda: apply_phi_field(IMAGE, POINTS, np.tile(EYE, (4, 1, 1)), IMAGE[1:]), "(3, 5, 6)"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET + 1, POINTS), "from 1 to 4, there are 4"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET * 1.0, POINTS), "float64"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS[1:]), "(3, 3)"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS * np.nan), "not finite"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET[:, :3], POINTS), "triangles"),
        (lambda: apply_mesh_transformation(IMAGE[0], POINTS, TET, POINTS), "triangles"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS, IMAGE[1:]), "(3, 5, 6)"),
        (lambda: apply_mesh_transformation(IMAGE, POINTS, TET, POINTS, IMAGE * 1.0), "float64"),
        (lambda: Deformation(IMAGE, MeshMap(POINTS, TET, POINTS, True), 0), "order 0"),
        (lambda: Deformation(IMAGE, PhiMap(EYE, (0, 0, 0)), 1, IMAGE), "uint16"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(call, words):
    with pytest.raises(UserError) as caught:
        call()
    assert words in str(caught.value) and "\n" not in str(caught.value)
