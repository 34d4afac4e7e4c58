"""What a registration is told: parts that check themselves, and what the kernels make of them."""

from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from hpcdvc.deformation.images import PADS as DEFORMATION_PADS
from hpcdvc.errors import UserError
from hpcdvc.fields.field import POINT
from hpcdvc.registration.filters import PADS, spline_filter
from hpcdvc.registration.journal import Journal
from hpcdvc.registration.kernel_settings import FIVE_POINTS, KernelSettings
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, Window, dimensions_of
from hpcdvc.registration.windows import WindowRegistration

WINDOW = Window((3, 4, 5))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Iterations(max_iterations=0), "max_iterations"),
        (lambda: Iterations(min_delta_phi=0), "min_delta_phi"),
        (lambda: Iterations(min_delta_phi=np.nan), "min_delta_phi"),
        (lambda: Iterations(min_delta_phi=np.inf), "at most 1"),
        (lambda: Iterations(max_iterations=2**31), "1 to 1000000"),
        (lambda: Interpolation(2), "order 2 is not known: 1, 3 or 5"),
        (lambda: Interpolation(criterion="ssq"), "'ssq' is not known: znssd or ssd"),
        (lambda: Gradient("sobel"), "'sobel' is not known"),
        (lambda: Gradient("gaussian", 8.1), "at most 8"),
        (lambda: Gradient("gaussian", 0), "positive"),
        (lambda: Settings(dimensions=4), "in 4 dimensions is not possible: 2 or 3"),
        (lambda: Settings(Window((0, 4, 4))), r"half windows of \(0, 4, 4\) voxels do not fit 3 dimensions"),
        (lambda: Settings(WINDOW, dimensions=2), "do not fit 2 dimensions"),
    ],
)
def test_refused(make, words):
    with pytest.raises(UserError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_windows_need_a_window_and_images_of_its_dimensions():
    flat, thick = np.zeros((1, 20, 20), "u1"), np.zeros((20, 20, 20), "u1")
    assert (dimensions_of(flat.shape), dimensions_of(thick.shape)) == (2, 3)
    with pytest.raises(UserError, match="a window is needed"):
        WindowRegistration(thick, thick, Settings())
    for one, two in ((flat, flat), (flat, thick), (thick, flat)):
        with pytest.raises(UserError, match="have not 3 dimensions"):
            WindowRegistration(one, two, Settings(WINDOW))
    assert len(WindowRegistration(thick, thick, Settings(WINDOW))(np.zeros(0, POINT))) == 0


@pytest.mark.parametrize("made", [Settings(WINDOW), WINDOW, Iterations(), Interpolation(), Gradient(), Journal()])
def test_nothing_changes_after_it_was_made(made):
    for name in vars(made):
        with pytest.raises(FrozenInstanceError):
            setattr(made, name, None)


def test_filters_are_not_shared_and_changed():
    """Deformed images need a longer pad than a registration; neither changes that of the other."""
    for order in (1, 3, 5):
        assert spline_filter(order, DEFORMATION_PADS[order]).pad == DEFORMATION_PADS[order] >= PADS[order]
        assert KernelSettings(Settings(interpolation=Interpolation(order))).interpolation.pad == PADS[order]


def test_whole_images_need_no_window():
    """One gradient, no curvature, nothing that would leave a voxel out."""
    for dimensions in (2, 3):
        kernel = KernelSettings(Settings(dimensions=dimensions))
        assert kernel.dimensions == dimensions and kernel.basis.shape == (12, dimensions * (dimensions + 1))
        assert not kernel.adaptive and not kernel.calibrate and kernel.curvature_threshold == 0
        assert kernel.margin == 0 and kernel.min_valid == 0
        other = KernelSettings(Settings(dimensions=dimensions), FIVE_POINTS).gradient
        assert (other.derivative == FIVE_POINTS.derivative).all() and len(kernel.gradient.derivative) > 3


def test_of_windows():
    plain = Settings(WINDOW)
    kernel = KernelSettings(plain)
    assert kernel.adaptive and not kernel.calibrate and kernel.curvature_threshold > 0
    assert kernel.half_window_size == (3, 4, 5) and kernel.margin == 1
    rigid = KernelSettings(replace(plain, iterations=Iterations(rigid=True)))
    assert rigid.curvature_threshold == 0 and rigid.basis.shape == (12, 6)
    affine = KernelSettings(replace(plain, window=replace(WINDOW, shape_order="1")))
    assert affine.curvature_threshold == 0 and not affine.shading
    assert kernel.shading and rigid.shading
    for other in (Interpolation(criterion="ssd"), Interpolation(order=1)):
        assert not KernelSettings(replace(plain, interpolation=other)).shading
    chosen = KernelSettings(replace(plain, gradient=Gradient("gaussian")))
    assert not chosen.adaptive and chosen.calibrate
    renewed = KernelSettings(replace(plain, iterations=Iterations(update_gradient=True)))
    assert not renewed.adaptive and not renewed.calibrate
