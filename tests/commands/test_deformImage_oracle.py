"""The command lines of the peer's recorded cases: the same images, and residuals not larger than the peer's.

The rms of the residual is taken as for the recorded figures: in the mask, at least 14 voxels from the faces.
"""

import shlex
from pathlib import Path

import numpy as np
import pytest
import tifffile

BORDER = 14
#: Case -> rms of the residual that spam reaches; undeformed it is 3159.
FIELDS = {"deform-field": 367.3, "deform-field-disp": 582.3, "deform-field-tet": 521.0}


@pytest.fixture
def run_case(shared, run_command, tmp_path):
    """run_case(name, *more): (our image, the peer's, folder of the inputs); floats."""

    def run(name: str, *more):
        folder = shared / "oracle" / "spam" / name
        words = shlex.split((folder / "cmd.txt").read_text())[1:]
        words[words.index("-od") + 1] = str(tmp_path)
        done = run_command("deformImage", *words, *more, cwd=folder, ranks=None if "-np" in words else 2)
        assert done.returncode == 0, done.stderr
        (theirs,) = folder.glob("*.tif")
        ours = tmp_path / theirs.name
        assert tifffile.imread(ours).dtype == tifffile.imread(shared_input(words[0], folder)).dtype
        return tifffile.imread(ours).astype(float), tifffile.imread(theirs).astype(float), folder.parent / "_inputs"

    return run


def shared_input(word: str, folder: Path) -> Path:
    return (folder / word).resolve()


def inner(image: np.ndarray, border: int) -> np.ndarray:
    return image[tuple(slice(border, n - border) for n in image.shape)]


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


@pytest.mark.parametrize("case", FIELDS)
def test_fields(case, run_case):
    ours, theirs, inputs = run_case(case)
    im1, im2, mask = (
        tifffile.imread(inputs / f"{name}.tif").astype(float) for name in ("tex1", "tex2-field", "mask1-cyl")
    )
    measured = inner(mask > 0, BORDER)
    if case == "deform-field-tet":
        assert not (ours == 0)[theirs > 0].any(), "every voxel of the hull has a value"
        measured &= inner(theirs > 0, BORDER)
    else:
        assert rms(inner(im1 - im2, BORDER)[measured]) == pytest.approx(3159, abs=0.5)
    left, peer = (rms(inner(image - im2, BORDER)[measured]) for image in (ours, theirs))
    print(f"{case}: {left:.2f} (peer {peer:.2f})")
    assert left <= FIELDS[case] and left <= peer * 1.001
    # they cut off what we round; where two nodes are equally far away, they take one of them
    difference = np.abs(ours - theirs)
    assert np.median(difference) <= 1 and np.percentile(difference, 99) <= 2


def test_registration(run_case):
    ours, theirs, _ = run_case("deform-reg")
    both = inner((ours > 0) & (theirs > 0), 2)
    assert both.sum() > 0.85 * both.size
    assert np.abs(inner(ours - theirs, 2)[both]).max() <= 1
    assert (ours > 0).sum() >= (theirs > 0).sum(), "they lose the outermost voxels"


def test_rigid_part_in_two_dimensions(run_case):
    """They always use a cubic B-spline in 2-D, an o-MOMS differs by a thousandth of the contrast, more at the edges."""
    ours, theirs, inputs = run_case("deform-reg-rr-2d", "-o", "3")
    both = inner((ours > 0) & (theirs > 0), 12)
    difference = inner(ours - theirs, 12)[both]
    contrast = np.std(tifffile.imread(inputs / "tex2d1.tif"))
    print(f"largest difference {np.abs(difference).max():.0f}, contrast {contrast:.0f}")
    assert both.sum() > 0.99 * both.size
    assert np.abs(difference).max() < 5e-3 * contrast and rms(difference) < 1e-3 * contrast
