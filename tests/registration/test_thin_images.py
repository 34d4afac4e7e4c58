"""Images with a voxel or two along an axis: nothing can be registered there, and one sentence says so."""

import numpy as np
import pytest

from hpcdvc.errors import RunError, UserError
from hpcdvc.options.parser import parse
from hpcdvc.ranks.team import Team
from hpcdvc.registration.api import register, register_multiscale
from hpcdvc.workflows import reg

THIN = {
    (2, 30, 30): "Z",
    (30, 2, 30): "Y",
    (30, 30, 2): "X",
    (30, 1, 30): "Y",
    (30, 30, 1): "X",
    (1, 2, 30): "Y",
    (1, 30, 2): "X",
    (1, 1, 30): "Y",
    (1, 30, 1): "X",
    (1, 1, 1): "Y",
}


def pair(shape):
    rng = np.random.default_rng(1)
    im1 = rng.integers(0, 50_000, shape).astype("u2")
    return im1, im1 + rng.integers(0, 10, shape).astype("u2")


@pytest.mark.parametrize("shape", THIN, ids=str)
def test_functions(shape):
    for function, levels in ((register, ()), (register_multiscale, (1,))):
        for margin in ({}, {"margin": 0}):
            with pytest.raises(UserError, match=f"leaves nothing of an image .*: [12] voxels in {THIN[shape]}$"):
                function(*pair(shape), *levels, **margin)


@pytest.mark.parametrize("shape", THIN, ids=str)
@pytest.mark.parametrize("words", ["", "-m 0", "--auto", "-bb 1", "-rig -o 1"])
def test_command(shape, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, image in zip("ab", pair(shape), strict=True):
        np.save(f"{name}.npy", image)
    with pytest.raises(UserError, match=f"leaves nothing of a.npy: [12] voxels in {THIN[shape]}$"):
        reg.run(parse(reg.Options, ["a.npy", "b.npy", *words.split()]), Team())


@pytest.mark.parametrize("shape", [(3, 30, 30), (30, 3, 30), (3, 3, 3), (4, 4, 4), (1, 3, 30), (1, 4, 4)], ids=str)
@pytest.mark.parametrize("words", ["", "--auto"])
def test_a_little_more(shape, words, tmp_path, monkeypatch):
    """What becomes of these is told by the registration."""
    monkeypatch.chdir(tmp_path)
    for name, image in zip("ab", pair(shape), strict=True):
        np.save(f"{name}.npy", image)
    try:
        reg.run(parse(reg.Options, ["a.npy", "b.npy", "-q", *words.split()]), Team())
    except RunError as error:
        assert "\n" not in str(error)
