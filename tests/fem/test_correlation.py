"""Global correlation on arrays: affine fields come out, however regularised; what does not match is not measured."""

import numpy as np
import pytest
from gdic_cases import FIELD, MIDDLE, SHAPE, box, half_flat, images, unrelated

from hpcdvc.errors import RunError, UserError
from hpcdvc.fem.api import global_correlation
from hpcdvc.fem.iterates import HISTORY, Control, Journal
from hpcdvc.fem.regularisation import regularisation_matrix
from hpcdvc.fem.surfaces import surface_labels
from hpcdvc.fields.status import Status

SIDES = [f"{axis}_{end}" for axis in "zyx" for end in ("start", "end")]


def regularised(xi: float, lc: float = 12.0) -> dict:
    """All six faces are Dirichlet: an affine field is in equilibrium then."""
    points, connectivity = box(lc)
    labels = surface_labels(points, SIDES)
    dirichlet = [(k, [0, 1, 2], xi) for k in range(1, 7)]
    matrix, field = regularisation_matrix(
        points, connectivity, xi_bulk=xi, dirichlet=dirichlet, labels=labels, periods=1
    )
    return {"regularisation_matrix": matrix, "regularisation_field": field}


def measured(im1, im2, **arguments):
    points, connectivity = box(arguments.pop("lc", 12.0))
    arguments.setdefault("max_iterations", 25)
    return points, global_correlation(im1, im2, points, connectivity, return_result=True, **arguments)


def error(points, result, field=FIELD) -> np.ndarray:
    return result.displacements - field.displacement(points)


@pytest.mark.parametrize("sides", [0, 0.1, 1, 10])
def test_affine_field(sides):
    """Regularisation lengths from none to ten sides of the box."""
    how = regularised(34.0 * sides) if sides else {}
    points, result = measured(*images(), **how)
    assert result.return_status == Status.CONVERGED and (result.node_status == Status.CONVERGED).all()
    assert np.abs(error(points, result)).max() < 1e-3


@pytest.mark.parametrize("sides", [0, 1])
def test_noise(sides):
    """Errors are as large as the standard deviations say, and smaller with regularisation."""
    how = regularised(34.0 * sides) if sides else {}
    points, result = measured(*images(noise=0.05), probes=64, **how)
    ratio = error(points, result) / result.displacement_std
    assert result.return_status == Status.CONVERGED and np.abs(ratio).max() < 4.5
    assert 0.7 < np.sqrt((ratio**2).mean()) < 1.35 and (np.abs(ratio) < 3).mean() > 0.97
    assert result.displacement_std.max() < 0.05


@pytest.mark.parametrize("gradient", ["im1", "both"])
@pytest.mark.parametrize("scales", [(1, 1e-9), (1e-9, 1), (1e-9, 1e-9), (1, 1e6)])
def test_scales_of_grey_values(scales, gradient):
    """Attenuation per metre beside grey values of 16 bits: float32 holds the texture of each."""
    pair = [image.astype("f8") * scale for image, scale in zip(images(), scales, strict=True)]
    points, result = measured(*pair, criterion="znssd", gradient=gradient)
    assert result.return_status == Status.CONVERGED and np.abs(error(points, result)).max() < 1e-3
    assert result.state.gain == pytest.approx(scales[0] / scales[1], rel=1e-3)


def test_grey_values_beyond_single_precision():
    """Their squares are not finite."""
    with pytest.raises(RunError, match="numbers that are too large"):
        measured(*(image.astype("f8") * 1e25 for image in images()))


@pytest.mark.parametrize("criterion", ["znssd", "map", "ssd"])
def test_grey_values(criterion):
    """Gain and offset do not leak into the displacements; of ssd they do."""
    im1, im2 = (image.astype("f4") for image in images())
    darker = 0.8 * im2 + 2000
    points, result = measured(im1, darker, criterion=criterion)
    worst = np.abs(error(points, result)).max()
    assert (worst < 2e-3) == (criterion != "ssd")
    assert (result.node_status > 0).all() == (criterion != "ssd")
    if criterion == "znssd":
        assert result.state.gain == pytest.approx(1.25, abs=1e-3)


@pytest.mark.parametrize("change", [lambda im2: 1.05 * im2, lambda im2: im2 + 500])
def test_grey_values_as_they_are(change):
    """With ssd the same grey values, noisy or not, are measured; brighter ones are not called measured."""
    for noise in (0.0, 0.1):
        im1, im2 = (image.astype("f4") for image in images(noise=noise))
        assert measured(im1, im2, criterion="ssd")[1].return_status == Status.CONVERGED
    im1, im2 = (image.astype("f4") for image in images())
    assert measured(im1, change(im2), criterion="ssd")[1].return_status == Status.DECORRELATED


@pytest.mark.parametrize("criterion", ["znssd", "map"])
def test_grey_values_that_change_by_place(criterion):
    """Where one gain and offset are not enough, displacements are pulled; what mends them is called measured."""
    im1, im2 = (image.astype("f8") for image in images(noise=0.05))
    slope = np.linspace(-1, 1, SHAPE[0])[:, None, None]
    for changed in (im2 * (1 + 0.05 * slope), im2 + 0.3 * im1.std() * slope):
        points, result = measured(im1, changed, criterion=criterion)
        assert np.abs(error(points, result)).max() < 0.15 or criterion == "znssd"
        assert (result.node_status == (Status.CONVERGED if criterion == "map" else Status.DECORRELATED)).all()


def test_map_of_grey_values():
    """A gain that changes across the image: one for all leaves a residual that a map does not."""
    im1, im2 = (image.astype("f4") for image in images())
    slope = np.linspace(0.95, 1.05, SHAPE[0])[:, None, None].astype("f4")
    one, by_place = (measured(im1, slope * im2, criterion=criterion)[1] for criterion in ("znssd", "map"))
    assert by_place.return_status == Status.CONVERGED and by_place.state.rms < 0.3 * one.state.rms
    points = box()[0]
    assert np.abs(error(points, by_place)).mean() < 0.5 * np.abs(error(points, one)).mean()
    middles = points[box()[1]].mean(axis=1)
    assert np.corrcoef(by_place.elements["gain"], 1 / np.interp(middles[:, 0], [0, 43], [0.95, 1.05]))[0, 1] > 0.95


def test_residual_tells_a_mesh_too_coarse():
    """Where the field bends within the tetrahedra, their residual is far above that of others."""
    _, follows = measured(*images())
    _, coarse = measured(*images("wave"))
    assert np.median(coarse.elements["residual"]) > 5 * np.median(follows.elements["residual"])


def test_gradient_of_both():
    points, result = measured(*images(), gradient="both")
    assert result.return_status == Status.CONVERGED and np.abs(error(points, result)).max() < 1e-3


def test_median_filter():
    """It leaves an affine field alone, and the noise is less."""
    points, result = measured(*images(noise=0.05), median_filter_each_iteration=True)
    _, rough = measured(*images(noise=0.05))
    assert error(points, result).std() < 0.8 * error(points, rough).std()


def test_start():
    """Nothing is left to do at the end of an earlier run."""
    points, first = measured(*images())
    _, again = measured(*images(), initial_displacements=first.displacements)
    assert again.return_status == Status.CONVERGED and len(again.history) == 2 < len(first.history)
    assert np.abs(again.displacements - first.displacements).max() < 1e-3
    assert again.history.dtype == HISTORY


def blocked(image, where):
    image = image.astype("f4")
    image[where] = np.nan
    return image


def far(im1, im2):
    return im1, np.roll(im2, 17, axis=0)


NULLS = {
    "unrelated": lambda im1, im2: (im1, unrelated()),
    "im1 constant": lambda im1, im2: (np.full_like(im1, 7), im2),
    "im2 constant": lambda im1, im2: (im1, np.full_like(im2, 7)),
    "im1 masked": lambda im1, im2: (blocked(im1, ...), im2),
    "im2 masked": lambda im1, im2: (im1, blocked(im2, np.s_[:40])),
    "too far": far,
    "im1 noise": lambda im1, im2: (np.random.default_rng(5).normal(0, 1, SHAPE).astype("f4"), im2),
}
#: How they may end.
ENDS = {
    "unrelated": (Status.DECORRELATED, Status.VOLUME_CHANGE, Status.ERROR_GROWTH),
    "im1 constant": (Status.SINGULAR,),
    "im2 constant": (Status.SINGULAR,),
    "im1 masked": (Status.SINGULAR,),
    "im2 masked": (Status.LEFT_IMAGE,),
}


@pytest.mark.parametrize("xi", [0, 34.0], ids=["free", "regularised"])
@pytest.mark.parametrize("null", NULLS)
def test_nothing_to_be_measured(null, xi):
    """What cannot be measured never converges, and says why."""
    _, result = measured(*NULLS[null](*images()), **(regularised(xi) if xi else {}))
    assert result.return_status < Status.CONVERGED and (result.node_status < Status.CONVERGED).all()
    assert result.return_status in ENDS.get(null, tuple(Status))


@pytest.mark.parametrize("begin", [22, 28], ids=["half", "third"])
def test_a_part_of_another_body(begin):
    """Regularisation carries what an unrelated part pulls at into the rest: nothing has converged."""
    im1, im2 = images()
    im2 = np.concatenate([im2[:begin], unrelated()[begin:].astype(im2.dtype)])
    _, result = measured(im1, im2, **regularised(100.0))
    assert result.return_status == Status.DECORRELATED and (result.node_status < Status.CONVERGED).all()


def test_a_corner_of_another_body():
    """Nodes around which the images do not match are not measured; the others are."""
    im1, im2 = images()
    im2[26:, 27:, 28:] = unrelated()[26:, 27:, 28:]
    points, result = measured(im1, im2, **regularised(34.0))
    lost = result.node_status == Status.DECORRELATED
    assert result.return_status == Status.CONVERGED and 0 < lost.sum() < len(points) / 10
    assert (points[lost] > [26, 27, 28]).all()


def test_hole_in_im2():
    """Nodes whose surroundings im2 does not show are not measured, the others are; with regularisation all are."""
    im1, im2 = images(noise=0.05)
    _, whole = measured(im1, im2)
    im2 = blocked(im2, np.s_[30:])
    points, result = measured(im1, im2)
    lost = result.node_status == Status.LEFT_IMAGE
    assert result.return_status == Status.CONVERGED and 0 < lost.sum() < len(points)
    assert (points[lost, 0] > 27).all() and (result.node_status[points[:, 0] < 27] == Status.CONVERGED).all()
    assert np.abs(result.displacements - whole.displacements)[points[:, 0] < 20].max() < 0.02
    points, result = measured(im1, im2, **regularised(34.0))
    assert (result.node_status == Status.CONVERGED).all() and np.abs(error(points, result)).max() < 0.1


@pytest.mark.parametrize("last", [24, 28, 32])
def test_hole_in_im1(last):
    """What is left at the rim of a masked part measures no node, and spoils none."""
    im1, im2 = images(noise=0.05)
    points, result = measured(blocked(im1, np.s_[last:]), im2, probes=32)
    fine = result.node_status == Status.CONVERGED
    assert result.return_status == Status.CONVERGED and len(result.history) < 12
    assert (result.node_status[~fine] == Status.SINGULAR).all() and fine[points[:, 0] < 18].all()
    assert (np.isfinite(result.displacement_std).all(axis=1) == fine).all()
    off = (error(points, result) / result.displacement_std)[fine]
    assert np.sqrt((off**2).mean()) < 1.3 and np.abs(off).max() < 4


def test_nodes_without_texture():
    """Without regularisation they follow the others, and say so."""
    points, result = measured(*half_flat())
    flat = result.node_status == Status.SINGULAR
    assert 0 < flat.sum() < len(points) and (points[flat, 2] > 26).all()
    assert np.abs(error(points, result)[points[:, 2] < 24]).max() < 0.01 and np.abs(error(points, result)).max() < 0.5


def test_inverted_by_the_start():
    """Iterations that begin with tetrahedra turned inside out are astray."""
    start = -2.5 * (box()[0] - MIDDLE)
    _, result = measured(*images(), initial_displacements=start)
    assert result.return_status < Status.CONVERGED


BAD = {
    "one shape": lambda im1, im2, p, c: (im1, im2[1:], p, c),
    "does not lie in the image": lambda im1, im2, p, c: (im1, im2, p + 30, c),
    "(k, 4)": lambda im1, im2, p, c: (im1, im2, p, c[:, :3]),
    "(n, 3)": lambda im1, im2, p, c: (im1, im2, p[:, :2], c),
}


@pytest.mark.parametrize("words", BAD)
def test_refused(words):
    with pytest.raises(UserError) as caught:
        global_correlation(*BAD[words](*images(), *box()))
    assert words in str(caught.value)


def test_refused_arguments():
    with pytest.raises(UserError, match="belong together"):
        measured(*images(), regularisation_matrix=regularised(5.0)["regularisation_matrix"])
    with pytest.raises(UserError, match="do not fit"):
        measured(*images(), **regularised(5.0, 17.0))
    with pytest.raises(UserError, match="is a ndarray"):
        given = regularised(5.0)
        measured(*images(), **given | {"regularisation_matrix": given["regularisation_matrix"].toarray()})
    with pytest.raises(UserError, match="initial displacements"):
        measured(*images(), initial_displacements=np.zeros((3, 3)))
    with pytest.raises(UserError, match="criterion"):
        measured(*images(), criterion="zncc")


@pytest.mark.mpi
def test_ranks(team):
    """The same bits on any number of ranks."""
    points, connectivity = box()
    alone, together = (
        global_correlation(*images(noise=0.05), points, connectivity, comm=comm, return_result=True, probes=8)
        for comm in (None, team.comm)
    )
    assert alone.displacements.tobytes() == together.displacements.tobytes()
    assert alone.displacement_std.tobytes() == together.displacement_std.tobytes()
    assert alone.history.tobytes() == together.history.tobytes()


def test_defaults_are_those_of_the_command():
    from hpcdvc.options.declare import declarations
    from hpcdvc.options.gdic import Options

    known = {declared.name: declared.default for declared in declarations(Options)}
    names = ("max_iterations", "convergence", "criterion", "median", "gradient")
    assert all(getattr(Control(), name) == known[name] for name in names)
    assert Journal().earlier is None
