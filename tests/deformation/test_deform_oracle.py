"""The peer's recorded deformed images: the same grey values where it interpolates, no worse where it triangulates."""

import numpy as np
import pytest
import tifffile
from scipy.spatial import Delaunay

from hpcdvc.deformation.images import Deformation, MeshMap, NeighbourMap, PhiMap
from hpcdvc.fields.phi import part_of

FIELD = "ldic-tex-field-shift/tex1-tex2-field-ldic.tsv"


@pytest.fixture(scope="module")
def oracle(shared):
    folder = shared / "oracle" / "spam"
    if not folder.is_dir():
        pytest.skip(f"no recorded cases in {folder}")
    return folder


def table(path) -> tuple[np.ndarray, np.ndarray]:
    """Positions (n, 3) and Phi (n, 4, 4) of a TSV."""
    rows = np.atleast_1d(np.genfromtxt(path, names=True))
    phi = np.tile(np.eye(4), (len(rows), 1, 1))
    names = [f"F{i}{j}" if j else f"{i.upper()}disp" for i in "zyx" for j in ("z", "y", "x", "")]
    phi[:, :3] = np.stack([rows[name] for name in names], axis=1).reshape(-1, 3, 4)
    return np.stack([rows[axis + "pos"] for axis in "ZYX"], axis=1), phi


def read(path) -> np.ndarray:
    image = tifffile.imread(path)
    return image[None] if image.ndim == 2 else image


def read_float(path) -> np.ndarray:
    """Grey values that can be subtracted."""
    return read(path).astype(float)


def deformed(oracle, mapping, order=1, image="tex1", mask=None):
    im = read(oracle / "_inputs" / f"{image}.tif")
    values, inside = Deformation(im, mapping, order, mask).planes(0, len(im))
    return values.astype(float), inside > 0


def rms(difference) -> float:
    return float(np.sqrt(np.mean(difference**2)))


@pytest.mark.parametrize(
    ("displacement_only", "recorded"), [(False, "deform-field/tex1-def"), (True, "deform-field-disp/tex1-disp-def")]
)
def test_field(oracle, displacement_only, recorded):
    mask = (read(oracle / "_inputs" / "mask1-cyl.tif") > 0).view(np.uint8)
    ours, inside = deformed(oracle, NeighbourMap(*table(oracle / FIELD), 8, displacement_only), mask=mask)
    peer = read_float(oracle / f"{recorded}.tif")
    assert (inside == (mask > 0)).all()
    assert np.abs(ours - peer)[inside].max() <= 1  # it truncates
    target = read_float(oracle / "_inputs" / "tex2-field.tif")
    assert rms((ours - target)[inside]) < rms((peer - target)[inside]) + 0.1


def test_mesh(oracle):
    positions, phi = table(oracle / FIELD)
    u = phi[:, :3, 3]
    ours, inside = deformed(oracle, MeshMap(positions, Delaunay(positions + u).simplices, u, partition=True))
    peer, target = (
        read_float(oracle / "deform-field-tet" / "tex1-tetMesh-def.tif"),
        read_float(oracle / "_inputs" / "tex2-field.tif"),
    )
    both = inside & (peer > 0)
    assert both.sum() == (peer > 0).sum()
    assert rms((ours - target)[both]) < 522
    assert np.median(np.abs(ours - peer)[both]) <= 1  # nodes on a sphere can be joined in several ways


def test_registration(oracle):
    (centre,), (phi,) = table(oracle / "reg-tex-affine" / "tex1-tex2-affine-registration.tsv")
    ours, inside = deformed(oracle, PhiMap(phi, centre))
    peer = read_float(oracle / "deform-reg" / "tex1-reg-def.tif")
    both = inside & (peer > 0)  # it leaves out sources within a voxel of the edge
    assert both.sum() == (peer > 0).sum() and inside.sum() > both.sum()
    assert np.abs(ours - peer)[both].max() <= 1


def test_rigid_registration_in_2d(oracle):
    """The peer takes a cubic B-spline there, we the o-MOMS: a small part of the contrast of 7000."""
    (centre,), phi = table(oracle / "reg-2d" / "tex2d1-tex2d2-affine-registration.tsv")
    ours, inside = deformed(oracle, PhiMap(part_of(phi, "rigid")[0], centre), 3, "tex2d1")
    peer = read_float(oracle / "deform-reg-rr-2d" / "tex2d1-reg-def.tif")
    both = inside & (peer > 0)
    assert both.mean() > 0.95
    assert rms((ours - peer)[both]) < 50
