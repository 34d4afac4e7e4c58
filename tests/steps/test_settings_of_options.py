"""From options to settings: every option arrives where it belongs, and the defaults of both are the same."""

from dataclasses import fields

import numpy as np
import pytest

from hpcdvc.images import VolumeInfo, describe
from hpcdvc.options import ldic, reg
from hpcdvc.registration.settings import Gradient, Interpolation, Iterations, Settings, Window
from hpcdvc.steps.settings import settings_of, task_of, window_of

REGISTRATION = {
    "max_iterations": 7,
    "min_delta_phi": 0.02,
    "rigid": True,
    "update_gradient": True,
    "interpolation_order": 5,
    "criterion": "ssd",
    "gradient_method": "gaussian",
    "gaussian_sigma": 2.5,
}
WINDOW = {"mask_coverage": 0.7, "grey_low_threshold": 3.0, "grey_high_threshold": 9.0, "shape_order": "1"}
PARTS = (Iterations(7, 0.02, True, True), Interpolation(5, "ssd"), Gradient("gaussian", 2.5))


@pytest.fixture(params=[2, 3])
def image(request, tmp_path) -> VolumeInfo:
    np.save(tmp_path / "im1.npy", np.zeros((1 if request.param == 2 else 40, 40, 40), "u1"))
    return describe(str(tmp_path / "im1.npy"))


def both(image: VolumeInfo, windows: dict, **options: object) -> tuple[Settings, Settings]:
    """Settings of hpcdvc-ldic and of hpcdvc-reg."""
    of_windows = ldic.Options(images=(image.spec, image.spec), half_window_size=6, **options, **windows)
    of_images = reg.Options(im1=image.spec, im2=image.spec, **options)
    return settings_of(of_windows, image, window_of(of_windows, image)), task_of(of_images, image).settings


def test_defaults(image):
    """Declared by the options; those of the settings, for Python users, are the same."""
    dimensions, half = (2, (0, 6, 6)) if image.two_dimensional else (3, (6, 6, 6))
    of_windows, of_images = both(image, {})
    assert of_windows == Settings(Window(half), dimensions)
    # hpcdvc-reg asks for more, as a whole image is known better than a window
    assert of_images == Settings(dimensions=dimensions, iterations=Iterations(min_delta_phi=1e-4))


def test_options_arrive(image):
    dimensions, half = (2, (0, 6, 6)) if image.two_dimensional else (3, (6, 6, 6))
    of_windows, of_images = both(image, WINDOW, **REGISTRATION)
    assert of_windows == Settings(Window(half, 0.7, 3.0, 9.0, "1"), dimensions, *PARTS)
    assert of_images == Settings(None, dimensions, *PARTS)
    for settings in both(image, {}, rigid=True, min_delta_phi=1e-3):
        assert settings.iterations == Iterations(rigid=True)
    # nothing of what has an option is left at its default here
    plain = both(image, {})[0]
    for part in ("window", "iterations", "interpolation", "gradient"):
        given, default = getattr(of_windows, part), getattr(plain, part)
        same = {f.name for f in fields(given) if getattr(given, f.name) == getattr(default, f.name)}
        assert same <= {"half_size", "read_margin", "min_zncc"}
