"""Grey values of deformed images: types, masks, voxels that are not finite, slabs and instruction sets."""

import os
import subprocess
import sys

import numpy as np
import pytest
import reference_deformation as slow
from deformation_cases import KINDS, SHAPES, noise, some_mapping, some_phi, sources, whole

from hpcdvc.deformation.images import PLANES, Deformation, PhiMap, apply_phi
from hpcdvc.kernels import supported


def test_identity_keeps_every_bit():
    for dtype in ("u1", "i1", "u2", "i2", "u4", "i4", "f4"):
        image = noise((17, 20, 70), dtype)
        assert (apply_phi(image) == image).all() and apply_phi(image).dtype == image.dtype


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i2", "u4", "i4"])
def test_integers_are_rounded_and_clipped(dtype):
    """Overshoot of a spline at steps between the ends of a type does not wrap, and the mean has no bias."""
    limits = np.iinfo(dtype)
    image = np.where(noise((16, 20, 40)) % 2, limits.max, limits.min).astype(dtype)
    phi = np.eye(4)
    phi[:3, 3] = 0.5, 0.5, 0.25
    reals, inside = whole(image, PhiMap(phi, (0, 0, 0)), 3, dtype=np.float64)
    values, _ = whole(image, PhiMap(phi, (0, 0, 0)), 3)
    assert values.dtype == image.dtype and (reals[inside > 0] > limits.max).any() and (reals < limits.min).any()
    assert (values == np.clip(np.rint(reals), limits.min, limits.max)).all()


def test_large_offsets_keep_their_digits():
    """A small contrast on 4e9 or 1e6: float32 alone would lose it."""
    shape, phi = (16, 20, 40), some_phi(0.02)
    small = noise(shape, "u1")
    source = slow.sources_by_phi(slow.voxels(shape), phi, (8, 10, 20))
    for offset, dtype in ((4e9, "u4"), (-2e9, "i4"), (1e6, "f4"), (1e9, "f8")):
        image = (small + offset).astype(dtype)
        for order in (1, 3):
            expected, inside = slow.deformed(image.astype(float), source, order)
            values = whole(image, PhiMap(phi, (8, 10, 20)), order, dtype=np.float64)[0]
            assert np.abs(values - expected)[inside].max() < 0.02


@pytest.mark.parametrize("dtype", ["u4", "f8", "i8", "u8", "bool", "f2"])
def test_order_0_copies_labels_of_any_type(dtype):
    shape = (16, 20, 40)
    image = (
        (noise(shape, "u1") > 60)
        if dtype == "bool"
        else (noise(shape, "u4") * (1.0 if dtype == "f2" else 130001.0)).astype(dtype)
    )
    phi = some_phi()
    source = slow.sources_by_phi(slow.voxels(shape), phi, (7.5, 9.5, 19.5))
    assert (apply_phi(image, phi, order=0) == slow.deformed(image, source, 0)[0]).all()


@pytest.mark.parametrize("kind", ["phi", "field"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_voxels_that_are_not_finite(kind, dtype):
    """They spoil what leans on them and nothing else."""
    shape = SHAPES[3]
    image = noise(shape, dtype)
    image[5:9, 10:14, 20:40], image[3, 3, 3] = np.nan, np.inf
    with np.errstate(invalid="ignore"):
        expected, expected_inside = slow.deformed(image, sources(kind, shape))
    good = expected_inside & np.isfinite(expected)
    values, inside = whole(image, some_mapping(kind, shape))
    assert 100 < (expected_inside & ~good).sum() < 3000
    assert ((inside > 0) == good).all() and (np.isnan(values) == (expected_inside & ~good)).all()
    assert np.abs(values - expected)[good].max() < 1e-3
    for order in (0, 3):
        values, found = whole(image, some_mapping(kind, shape), order)
        assert np.isfinite(values[found > 0]).all()
        assert (found == inside).all() or order == 0
    finite = np.isfinite(image)
    assert np.abs(apply_phi(image) - image)[finite].max() <= (0 if dtype == "f4" else 1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("order", [0, 1, 3, 5])
def test_slabs_do_not_matter(kind, order):
    shape = (37, 35, 70)
    mask = noise(shape, "u1", seed=4) > 40
    mask[20:, :, 30:] = False
    deformation = Deformation(noise(shape), some_mapping(kind, shape), order, mask)
    values, inside = deformation.planes(0, 37)
    assert inside.any() and not inside[~mask].any() and not values[~mask].any()
    for cuts in ((0, PLANES, 2 * PLANES, 37), (0, 8, 37), (0, 1, 20, 23, 37)):
        parts = [deformation.planes(a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True)]
        assert (np.concatenate([part[0] for part in parts]) == values).all()
        assert (np.concatenate([part[1] for part in parts]) == inside).all()


@pytest.mark.parametrize("kind", KINDS)
def test_masked_voxels_only_leave_gaps(kind):
    shape = SHAPES[3]
    mask = (noise(shape, "u1", seed=5) > 60).view(np.uint8)
    full, masked = (whole(noise(shape), some_mapping(kind, shape), 1, m) for m in (None, mask))
    for a, b in zip(full, masked, strict=True):
        assert (np.where(mask, a, 0) == b).all()


SCRIPT = """
import sys, numpy as np
from deformation_cases import KINDS, SHAPES, noise, some_mapping, whole
from hpcdvc.kernels import selected
shape = SHAPES[3]
runs = {f"{k}{o}": whole(noise(shape), some_mapping(k, shape), o, dtype="f8")[0] for k in KINDS for o in (1, 3, 5)}
np.savez(sys.argv[1], name=selected(), **runs)
"""


def test_instruction_sets_agree(tmp_path):
    results = []
    for level in supported():
        env = dict(os.environ, HPCDVC_ISA=level, PYTHONPATH=os.pathsep.join([*sys.path]))
        path = tmp_path / f"{level}.npz"
        subprocess.run([sys.executable, "-c", SCRIPT, str(path)], env=env, check=True, timeout=60)
        results.append(np.load(path))
    assert [str(result["name"]) for result in results] == list(supported())
    for other in results[1:]:
        for key in set(other.files) - {"name"}:
            difference = np.abs(other[key] - results[0][key])
            assert (difference > 0.1).mean() < 1e-4, key  # a source at the very edge may be in or out
            assert np.median(difference) < 0.01, key
