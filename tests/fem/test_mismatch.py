"""Where im2 matches im1 in a part of the mesh alone, or less well there: what is called measured, and how well."""

import numpy as np
import pytest
from gdic_cases import FIELD, LENGTHS, ORIGIN, SHAPE, images, unrelated

from hpcdvc.fem.api import global_correlation
from hpcdvc.fem.mesh import create_cuboid
from hpcdvc.fem.regularisation import regularisation_matrix
from hpcdvc.fields.status import Status


def measured(im1, im2, xi, lc=17.0, **how):
    """Nodes and result, regularised in the bulk alone or not (0)."""
    points, connectivity = create_cuboid(LENGTHS, lc, ORIGIN)
    if xi:
        matrix, field = regularisation_matrix(points, connectivity, xi_bulk=xi)
        how |= {"regularisation_matrix": matrix, "regularisation_field": field}
    return points, global_correlation(im1, im2, points, connectivity, return_result=True, max_iterations=40, **how)


@pytest.mark.parametrize(("begin", "xi"), [(35, 15.0), (36, 15.0), (37, 0)])
def test_an_end_of_another_body_in_large_tetrahedra(begin, xi):
    """Not called measured though they hold more of what matches; what is measured all the same is."""
    im1, im2 = images(spacing=2.1)
    im2 = np.concatenate([im2[:begin], unrelated(2.1)[begin:].astype(im2.dtype)])
    points, found = measured(im1, im2, xi)
    off = np.abs(found.displacements - FIELD.displacement(points)).max(axis=1)
    lost = found.node_status == Status.DECORRELATED
    assert off.max() > 1.5 and lost.sum() >= 5
    assert off[found.node_status == Status.CONVERGED].max(initial=0) < 0.5


@pytest.mark.parametrize("xi", [0, 20.0], ids=["free", "regularised"])
@pytest.mark.parametrize("change", ["noise", "brighter", "curved"])
def test_what_matches_less_well_is_measured(change, xi):
    """Strong noise in a part of im2, a bright spot, displacements that large tetrahedra cannot follow."""
    im1, im2 = (image.astype("f4") for image in images("wave" if change == "curved" else "affine"))
    if change == "noise":
        im2[25:] += np.random.default_rng(3).normal(0, 0.5 * im2.std(), im2[25:].shape).astype("f4")
    elif change == "brighter":
        im2 *= 1 + 0.3 * np.exp(-((np.indices(SHAPE) - 23) ** 2).sum(axis=0) / 150)
    _, found = measured(im1, im2, xi)
    assert found.return_status == Status.CONVERGED and (found.node_status == Status.CONVERGED).all()


@pytest.mark.parametrize("xi", [0, 15.0], ids=["free", "regularised"])
def test_standard_deviations_know_where_the_noise_is(xi):
    """Those of nodes in a noisy part are not those of the mesh; elsewhere none becomes smaller."""
    im1, im2 = (image.astype("f4") for image in images(noise=0.02))
    im2[25:] += np.random.default_rng(3).normal(0, 0.4 * im2.std(), im2[25:].shape).astype("f4")
    points, found = measured(im1, im2, xi, 8.0, probes=64)
    ratio = (found.displacements - FIELD.displacement(points)) / found.displacement_std
    assert np.sqrt((ratio[points[:, 0] > 32] ** 2).mean()) < 1.6
    assert np.sqrt((ratio[points[:, 0] < 18] ** 2).mean()) < 0.7
