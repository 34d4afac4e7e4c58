"""Starts made of fields: what neighbours do, and a registration after motions of labels; against the exact motion."""

from dataclasses import replace

import numpy as np
import pytest
from label_cases import balls, field_of, labelled

from hpcdvc import (
    centres_of_mass,
    get_displacement_from_neighbours,
    merge_registration_and_discrete_fields,
    neighbours,
    read_tsv,
)
from hpcdvc.errors import UserError
from hpcdvc.fields.field import Field
from hpcdvc.fields.phi import at_points


def grains(seed=4):
    """36 boxes in a volume, their field, of which every fifth label was not measured, and the number of those."""
    image = np.zeros((36, 40, 44), "u4")
    for number, corner in enumerate(np.ndindex(3, 3, 4), start=1):
        image[tuple(slice(12 * k, 12 * k + 9) for k in corner)] = 3 * number
    field = field_of(image, seed)
    failed = np.arange(len(field)) % 5 == 2
    field.return_status[failed] = -9
    field.phi[failed, :3] = np.nan
    return image, field, failed


def in_the_box(image, label, margin):
    places = np.argwhere(image == label)
    low, high = np.maximum(places.min(axis=0) - margin, 0), places.max(axis=0) + margin
    return set(np.unique(image[tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))])) - {0, label}


@pytest.mark.parametrize("margin", [None, 4, 9])
def test_mean_of_those_in_the_box(margin):
    image, field, failed = grains()
    result = get_displacement_from_neighbours(image, field, neighbours_range=margin)
    labels = field.extra["label"]
    radius = (3 * 9**3 / (4 * np.pi)) ** (1 / 3)
    for row in np.flatnonzero(failed):
        near = np.isin(labels, list(in_the_box(image, labels[row], margin or int(np.ceil(radius))))) & field.measured
        assert near.sum() > 1 and np.allclose(result.phi[row, :3, 3], field.phi[near, :3, 3].mean(axis=0), atol=1e-14)
        assert (result.phi[row, :3, :3] == np.eye(3)).all() and np.isnan(result.error[row])
    assert (result.return_status[failed] == 1).all() and np.isnan(result.extra["zncc"][failed]).all()
    assert (result.phi[~failed] == field.phi[~failed]).all() and np.isnan(field.phi[failed, :3]).all()


def test_mean_of_those_in_the_mesh(tmp_path):
    image, field, failed = grains()
    path = tmp_path / "start.tsv"
    result = get_displacement_from_neighbours(image, field, str(path), "mesh")
    pairs = neighbours(image, "mesh")
    labels = field.extra["label"]
    for row in np.flatnonzero(failed):
        others = pairs[(pairs == labels[row]).any(axis=1)].sum(axis=1) - labels[row]
        near = np.isin(labels, others) & field.measured
        assert near.any() and np.allclose(result.phi[row, :3, 3], field.phi[near, :3, 3].mean(axis=0))
    assert np.allclose(read_tsv(path).phi, result.phi, rtol=1e-8)
    given = get_displacement_from_neighbours(image, field, method="mesh", centres_of_mass=centres_of_mass(image))
    assert (given.phi == result.phi).all()


def test_increment_since_the_step_before():
    image, field, failed = grains()
    before = field_of(image, seed=8)
    before.return_status[2] = -1  # as if it had never been measured
    result = get_displacement_from_neighbours(image, field, previous=before)
    labels = field.extra["label"]
    for row in np.flatnonzero(failed):
        near = np.isin(labels, list(in_the_box(image, labels[row], 6))) & field.measured & before.measured
        step = (field.phi - before.phi)[near, :3, 3].mean(axis=0)
        base = before.phi[row] if before.measured[row] else np.eye(4)
        assert np.allclose(result.phi[row, :3, 3], base[:3, 3] + step)
        assert (result.phi[row, :3, :3] == base[:3, :3]).all()


def test_rows_that_stay_as_they_are():
    """No neighbour, no specimen, and the background of spam's tables."""
    image = balls()
    field = field_of(image)
    field.return_status[:] = [-5, 2, -9, -9]
    field.extra["label"][1] = 0
    result = get_displacement_from_neighbours(image, field)
    assert (result.phi == field.phi).all() and (result.return_status == field.return_status).all()


def registration(phi, centre):
    one = np.array([2], "i4")
    return Field(np.array([centre], float), phi[None], one, one * 0.1, one, one * 0.1)


def test_registration_after_labels(tmp_path):
    image = labelled()
    field = field_of(image)
    field.return_status[1], field.extra["label"][0] = -3, 0
    phi = np.eye(4)
    phi[:3] += np.random.default_rng(1).normal(0, 0.1, (3, 4))
    path = tmp_path / "merged.tsv"
    merged = merge_registration_and_discrete_fields(registration(phi, (3, 4, 5)), field, str(path))
    assert (merged.phi[0] == field.phi[0]).all()
    for row in range(1, len(field)):
        offset = np.array([0.3, -0.2, 0.7])  # any point of the label, followed through both
        there = field.positions[row] + field.phi[row, :3, 3] + field.phi[row, :3, :3] @ offset
        there = np.array([3, 4, 5]) + phi[:3, 3] + phi[:3, :3] @ (there - [3, 4, 5])
        ours = field.positions[row] + merged.phi[row, :3, 3] + merged.phi[row, :3, :3] @ offset
        assert np.allclose(ours, there, rtol=0, atol=1e-12)
    assert (merged.return_status == field.return_status).all()
    assert np.allclose(read_tsv(path).phi, merged.phi, rtol=1e-8)
    halved = registration(at_points(phi, np.array([3.0, 4, 5]), np.array([[3.0, 4, 5]]))[0], (1.5, 2, 2.5))
    halved.phi[0, :3, 3] /= 2
    assert np.allclose(merge_registration_and_discrete_fields(halved, field, None, 2).phi, merged.phi)


def test_refused():
    image = balls()
    field = field_of(image)
    with pytest.raises(UserError, match="has one row, this field has 4"):
        merge_registration_and_discrete_fields(field, field)
    with pytest.raises(UserError, match="not finite"):
        merge_registration_and_discrete_fields(registration(np.full((4, 4), np.nan), (0, 0, 0)), field)
    with pytest.raises(UserError, match="a field of labels is needed"):
        get_displacement_from_neighbours(image, replace(field, extra=None))
    with pytest.raises(UserError, match='"contact" is not known'):
        get_displacement_from_neighbours(image, field, method="contact")
