"""register and register_multiscale, as Python users call them."""

import logging

import numpy as np
import pytest
from reg_cases import CENTRE, FIELD, FLAT_FIELD, FLAT_SHAPE, LARGE, SHAPE, pair_of, worst_corner
from synthetic import Affine, Grey, lattice_texture, render

from hpcdvc import register, register_multiscale
from hpcdvc.errors import UserError
from hpcdvc.fields.phi import at_points
from hpcdvc.fields.status import Status
from hpcdvc.registration.multiscale import RegistrationResult

MASK = np.ones(SHAPE, bool)
MASK[:10, 20:] = MASK[20:24, 30:36, 10:20] = False


def start_of(field: Affine, scale: float = 1.0) -> np.ndarray:
    """(4, 4) Phi of an affine field, its displacement divided by a scale."""
    phi, k = np.eye(4), 3 - len(field.shift)
    phi[k:3, k:3], phi[k:3, 3] = field.F, field.shift / scale
    return phi


@pytest.mark.parametrize("order", [1, 3, 5])
def test_register(order):
    found = register(*pair_of(), interpolation_order=order, max_iterations=50)
    assert isinstance(found, RegistrationResult) and found.return_status == Status.CONVERGED
    assert worst_corner(found.phi, found.centre, FIELD, SHAPE) < {1: 0.025, 3: 0.001, 5: 0.0003}[order]
    assert found.centre.tolist() == CENTRE.tolist() and found.phi.shape == (4, 4) and found.variance.shape == (12,)


@pytest.mark.parametrize("shape", [FLAT_SHAPE, (1, *FLAT_SHAPE)])
def test_two_dimensions(shape):
    one, two = (image.reshape(shape) for image in pair_of("flat"))
    for found in (register(one, two), register_multiscale(one, two, 4)):
        assert worst_corner(found.phi, found.centre, FLAT_FIELD, FLAT_SHAPE) < 0.0005
        assert found.centre.tolist() == [0, *((np.array(FLAT_SHAPE) - 1) / 2)]
        assert found.phi[0].tolist() == [1, 0, 0, 0] and (found.phi[1:, 0] == 0).all()
    rigid = register(one, two, phi_rigid=True).phi[:3, :3]
    assert np.abs(rigid @ rigid.T - np.eye(3)).max() < 1e-12 and rigid[0, 0] == 1


@pytest.mark.parametrize("levels", [1, 4])
@pytest.mark.parametrize("larger", [(10, 10, 10), (5, 0, 8), (1, 7, 12)])
def test_larger_im2(larger, levels):
    """Its middle is where that of im1 is, rounded down; nothing is lost at the borders."""
    off = np.array(larger) // 2
    shape2 = np.array(SHAPE) + larger
    there = Affine(FIELD.F, FIELD.shift, CENTRE + off)
    texture = lattice_texture(1)
    big, moved = (render(texture, shape2, field) for field in (None, there))
    one = big[tuple(slice(o, o + n) for o, n in zip(off, SHAPE, strict=True))]
    found = register_multiscale(one, moved, levels, margin=1)
    assert worst_corner(found.phi, CENTRE, FIELD, SHAPE) < 0.0015 and found.centre.tolist() == CENTRE.tolist()
    if min(larger) == 10:
        assert found.valid_fraction == 1


def test_mask():
    one, two = pair_of()
    junk = np.where(MASK, one, 65535)
    at_mask = register(junk, two, im1_mask=MASK)
    middle = register(junk, two, im1_mask=MASK, return_phi_mask_centre=False)
    assert at_mask.centre == pytest.approx(np.argwhere(MASK).mean(axis=0)) and middle.centre.tolist() == CENTRE.tolist()
    assert np.abs(middle.phi - at_points(at_mask.phi, at_mask.centre, CENTRE[None])[0]).max() < 1e-12
    assert worst_corner(middle.phi, CENTRE, FIELD, SHAPE) < 0.002
    assert (middle.variance == at_mask.variance_at(CENTRE)).all()
    for mask in (MASK.astype("u1") * 3, MASK.astype("f4"), np.asfortranarray(MASK)):
        assert (register(junk, two, im1_mask=mask).phi == at_mask.phi).all()
    free = register(one, two, return_phi_mask_centre=False)
    assert (free.phi == register(one, two).phi).all()


def test_start():
    """About the centre of im1 also with a mask; its displacement may be that of binned images."""
    one, two = pair_of("large")
    for more in ({}, {"im1_mask": MASK}):
        plain = register(one, two, max_iterations=60, **more)
        started = register(one, two, phi_init=start_of(LARGE), **more)
        assert started.iterations <= 3 < plain.iterations
        assert np.abs(started.phi - plain.phi).max() < 2e-3
    binned = register(one, two, phi_init=start_of(LARGE, 4), phi_init_bin_ratio=4)
    assert (binned.phi == register(one, two, phi_init=start_of(LARGE)).phi).all()
    start = start_of(LARGE)
    register_multiscale(one, two, 4, phi_init=start, phi_init_bin_ratio=2, phi_rigid=True)
    assert (start == start_of(LARGE)).all()


@pytest.mark.parametrize("dtype", ["f2", "f8", "i8", "u8", ">u2", ">f4", ">f2", "i4"])
def test_types(dtype):
    plain = register(*(image.astype("f4") for image in pair_of(grey1=Grey(100, 20))))
    found = register(*(image.astype(dtype) for image in pair_of(grey1=Grey(100, 20))))
    assert np.abs(found.phi - plain.phi).max() < 1e-6


def test_arrays_are_left_alone():
    one, two = (np.asfortranarray(image)[::-1, :, ::-1] for image in pair_of())
    before = one.copy(), two.copy()
    for image in (one, two):
        image.flags.writeable = False
    found = register_multiscale(one, two, 4, im1_mask=MASK[::-1])
    assert (found.phi == register_multiscale(*before, 4, im1_mask=MASK[::-1].copy()).phi).all()
    assert (one == before[0]).all() and (two == before[1]).all()
    bits = register(np.arange(9**3).reshape(9, 9, 9) % 7 < 3, np.arange(9**3).reshape(9, 9, 9) % 7 < 3, margin=1)
    assert np.abs(bits.phi - np.eye(4)).max() < 1e-5


def test_margin():
    """One number, or one for each axis, as many as the image has."""
    one, two = pair_of()
    assert (register(one, two, margin=7).phi == register(one, two, margin=(7, 7, 7)).phi).all()
    for margin in (6, (5, 8, 6)):
        counted = register(one, two, margin=margin).history["voxels"][-1]
        assert counted == np.prod(np.array(SHAPE) - 2 * np.array(margin))
    one, two = pair_of("flat")
    assert register(one, two, margin=(9, 12)).history["voxels"][-1] == np.prod(np.array(FLAT_SHAPE) - (18, 24))


def test_failure_is_a_result():
    """A status says it; nothing is raised."""
    found = register(*pair_of("large"), max_iterations=2)
    assert found.return_status == Status.MAX_ITERATIONS and found.iterations == 2 and np.isfinite(found.phi).all()


def test_what_is_shown(caplog):
    with caplog.at_level(logging.INFO, "hpcdvc"):
        register_multiscale(*pair_of(), 4)
        assert not caplog.records
        found = register_multiscale(*pair_of(), 4, verbose=True)
    said = [record.getMessage() for record in caplog.records]
    assert sum("|dPhi|" in line for line in said) == len(found.history)
    assert [line.split(":")[0] for line in said if line.startswith("binning")] == [
        "binning 4",
        "binning 2",
        "binning 1",
    ]


ONE = np.zeros(SHAPE, "u1")
REFUSED = {
    "one dimension": ((ONE[0, 0], ONE), {}, r"shape \(54,\) is no image"),
    "complex": ((ONE + 1j, ONE), {}, "complex128"),
    "text": ((ONE.astype("S1"), ONE), {}, "no image"),
    "empty": ((ONE[:0], ONE[:0]), {}, "no image"),
    "one voxel": (
        (ONE[:1, :1, :1], ONE[:1, :1, :1]),
        {},
        r"margin of 0 voxels leaves nothing of .* \(1, 1, 1\): 1 voxels in Y",
    ),
    "2-D and 3-D": ((ONE[0], ONE), {}, r"\(48, 51, 54\).*\(51, 54\)"),
    "smaller im2": ((ONE, ONE[1:]), {}, r"im2 of shape \(47, 51, 54\) is smaller than im1 of shape \(48, 51, 54\)"),
    "mask of another shape": ((ONE, ONE), {"im1_mask": MASK[1:]}, r"mask of shape \(47, 51, 54\).*\(48, 51, 54\)"),
    "mask of zeros": ((ONE, ONE), {"im1_mask": MASK & False}, "mask is 0 everywhere"),
    "phi of another shape": ((ONE, ONE), {"phi_init": np.eye(3)}, r"phi_init must be a finite \(4, 4\)"),
    "phi with NaN": ((ONE, ONE), {"phi_init": np.full((4, 4), np.nan)}, "phi_init"),
    "singular phi": ((ONE, ONE), {"phi_init": np.zeros((4, 4))}, "singular"),
    "mirror": ((ONE, ONE), {"phi_init": np.diag([-1.0, 1, 1, 1])}, "mirror"),
    "margin": ((ONE, ONE), {"margin": 23}, "margin of 23 voxels leaves nothing of .*: 48 voxels in Z"),
    "negative margin": ((ONE, ONE), {"margin": -1}, "margin of -1"),
    "margins": ((ONE, ONE), {"margin": (1, 2)}, r"margin of \(1, 2\)"),
    "NaN margin": ((ONE, ONE), {"margin": np.nan}, "margin of nan"),
    "order": ((ONE, ONE), {"interpolation_order": 2}, "order 2 is not known: 1, 3 or 5"),
    "criterion": ((ONE, ONE), {"criterion": "ssq"}, "'ssq' is not known: znssd or ssd"),
    "gradient": ((ONE, ONE), {"gradient_method": "sobel"}, "'sobel' is not known"),
    "iterations": ((ONE, ONE), {"max_iterations": 0}, "max_iterations"),
    "threshold": ((ONE, ONE), {"delta_phi_min": 0}, "delta_phi_min"),
    "sigma": ((ONE, ONE), {"gradient_method": "gaussian", "gaussian_sigma": 9}, "gaussian_sigma at most 8"),
    "long": ((ONE, ONE), {"max_iterations": 2**31}, "max_iterations"),
    "threshold of infinity": ((ONE, ONE), {"delta_phi_min": np.inf}, "delta_phi"),
    "ratio of infinity": ((ONE, ONE), {"phi_init_bin_ratio": np.inf}, "phi_init_bin_ratio is inf"),
    "constant": ((ONE, ONE), {}, "im1 has the same grey value 0 everywhere"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_refused(what):
    images, options, words = REFUSED[what]
    for function, levels in ((register, ()), (register_multiscale, (1,))):
        with pytest.raises(UserError, match=words) as caught:
            function(*images, *levels, **options)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("levels", [(8,), (0,), (-4,), (1, 2), (4, 0), (np.nan,)])
def test_refused_levels(levels):
    with pytest.raises(UserError, match=f"binning {levels[0]} to .* at most 4 for images of .48, 51, 54."):
        register_multiscale(*pair_of(), *levels)


@pytest.mark.mpi
@pytest.mark.parametrize("case", ["small", "tall", "flat", "mask", "larger"])
def test_ranks_change_no_bit(team, case):
    """Ranks of a communicator that is handed over; without one, each is alone."""
    more = {"im1_mask": MASK, "update_gradient": True} if case == "mask" else {}
    one, two = pair_of(case if case in ("small", "tall", "flat") else "small")
    if case == "larger":
        two = np.pad(two, 3, mode="reflect")
    if case == "tall":
        more = {"interpolation_order": 1}
    alone = register_multiscale(one, two, 2, **more)
    together = register_multiscale(one, two, 2, comm=team.comm, **more)
    assert together.phi.tobytes() == alone.phi.tobytes() and together.history.tobytes() == alone.history.tobytes()
    assert vars(together).keys() == vars(alone).keys() and together.return_status == Status.CONVERGED


@pytest.mark.mpi
def test_errors_on_all_ranks(team):
    for what in ("constant", "mask of zeros", "smaller im2"):
        images, options, words = REFUSED[what]
        with pytest.raises(UserError, match=words):
            register(*images, comm=team.comm, **options)
    assert team.sum(1) == team.size
