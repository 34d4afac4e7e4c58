"""Label images and fields of labels for tests, and moved labels by a slow twin in numpy."""

import numpy as np
import tifffile
from scipy import ndimage
from scipy.spatial.transform import Rotation
from search_cases import written

from hpcdvc.cli import main
from hpcdvc.fields.field import Field
from hpcdvc.labels.boxes import centres_of_mass
from hpcdvc.output.tsv import write_tsv

SHAPE = (30, 34, 38)
#: Labels of the balls of `balls`, with a gap, and a large one.
LABELS = (1, 2, 7, 65000)


def labelled(dtype="u4", shape=(13, 14, 17), most=9, seed=0):
    """Blocks of labels with gaps between their numbers, some of one voxel; half of it background."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, most, [-(-n // 3) for n in shape]) * (rng.random([-(-n // 3) for n in shape]) < 0.5)
    image = np.kron(small, np.ones((3, 3, 3), int))[tuple(map(slice, shape))]
    image[image == 4] = 0
    image[0, 0, 0], image[-1, -1, -1] = most + 3, most + 5
    return image.astype(dtype)


def balls(dtype="u2", shape=SHAPE):
    """Four balls, discs in two dimensions, the first two of which touch."""
    image, grid = np.zeros(shape, dtype), np.indices(shape)
    places = [(10, 10, 11), (10, 23, 11), (21, 12, 26), (20, 25, 26)]
    for label, place in zip(LABELS, places, strict=True):
        centre = np.array(place) * (np.array(shape) > 1)
        image[sum((axis - c) ** 2 for axis, c in zip(grid, centre, strict=True)) <= 36] = label
    return image


def field_of(image: np.ndarray, seed: int = 3, largest: float = 3.0, degrees: float = 12.0) -> Field:
    """Random rigid motions of all labels, and a stretch, about their centres of mass."""
    rng, flat = np.random.default_rng(seed), image.shape[0] == 1
    centres, labels = centres_of_mass(image, compact=True)
    phi = np.tile(np.eye(4), (len(labels), 1, 1))
    angles = rng.uniform(-degrees, degrees, (len(labels), 3)) * [1, not flat, not flat]
    turned = Rotation.from_euler("zyx", angles, degrees=True).as_matrix()[:, ::-1, ::-1]
    phi[:, :3, :3] = turned @ np.diag([1.0, 1.05, 0.97])
    phi[:, :3, 3] = rng.uniform(-largest, largest, (len(labels), 3)) * [not flat, 1, 1]
    count = len(labels)
    return Field(
        centres, phi, np.full(count, 2, "i4"), np.arange(count) / 7.0, np.full(count, 4, "i4"), np.full(count, 1e-4),
        extra={"label": labels.astype("u4"), "zncc": np.linspace(0.9, 1, count)},
    )  # fmt: skip


def save_case(dtype="u2", shape=SHAPE, **more) -> tuple[np.ndarray, Field]:
    """Write lab.tif and motion.tsv: `balls` and `field_of` them."""
    image = balls(dtype, shape)
    field = field_of(image, **more)
    tifffile.imwrite("lab.tif", image if shape[0] > 1 else image[0], photometric="minisblack")
    write_tsv("motion.tsv", field)
    return image, field


def moved_by_numpy(image, labels, phi, centres, dilate=0, threshold=0.5):
    """The label whose mask, moved and linear, is greatest at each voxel; and how many masks are above the threshold."""
    best, taken = np.full(image.shape, threshold, "f4"), np.zeros(image.shape, image.dtype)
    claims, flat, pad = 0, image.shape[0] == 1, abs(dilate) + 2
    wide = np.pad(image, pad)
    reach = np.arange(-abs(dilate), abs(dilate) + 1)
    z, y, x = np.meshgrid([0] if flat else reach, reach, reach, indexing="ij")
    for label, motion, centre in zip(labels, phi, centres, strict=True):
        voxels = np.argwhere(image == label)
        first, last = voxels.min(axis=0), voxels.max(axis=0) + 2 * pad
        cut = wide[tuple(slice(a, b + 1) for a, b in zip(first, last, strict=True))]
        mask = cut == label
        if dilate:
            grow = ndimage.binary_dilation if dilate > 0 else ndimage.binary_erosion
            mask = grow(mask, z * z + y * y + x * x <= dilate * dilate) & ((cut == 0) | (cut == label))
        target = centre + motion[:3, 3]
        radius = np.linalg.norm(motion[:3, :3], 2) * (np.linalg.norm(voxels - centre, axis=1).max() + pad)
        low = np.maximum(np.floor(target - radius), 0).astype(int)
        part = tuple(slice(a, max(int(b) + 1, a)) for a, b in zip(low, target + radius, strict=True))
        places = np.moveaxis(np.indices(image[part].shape), 0, -1) + low
        source = (places - target) @ np.linalg.inv(motion[:3, :3]).T + centre + pad - first
        value = _linear(mask.astype(float), source).astype("f4")
        claims += (value > np.float32(threshold)).sum()
        better = value > best[part]
        best[part][better], taken[part][better] = value[better], label
    return taken, int(claims)


def made_by_any_ranks(run_command, command: str, name: str, *words) -> None:
    """Check that 1, 2 and 3 ranks write the same bytes (folders on1, on2, on3): one file, whose name has `name`."""
    words = ("lab.tif", "-pf", "motion.tsv", *words, "--format", "hdf", "-od")
    assert main(command, [*words, "on1"]) == 0
    for ranks in (2, 3):
        done = run_command(command, *words, f"on{ranks}", ranks=ranks)
        assert done.returncode == 0, done.stderr
    first = written("on1", name)
    assert len(first) == 1 and first == written("on2", name) == written("on3", name)


def _linear(mask: np.ndarray, places: np.ndarray) -> np.ndarray:
    inside = ((places >= 0) & (places < np.array(mask.shape) - 1)).all(axis=-1)
    places = np.where(inside[..., None], places, 0)
    first = places.astype(int)
    part = places - first
    corner = [[[mask[tuple(np.moveaxis(first + [i, j, k], -1, 0))] for k in (0, 1)] for j in (0, 1)] for i in (0, 1)]
    for axis in (2, 1, 0):
        low, high = np.moveaxis(np.array(corner), axis, 0)
        corner = low + (high - low) * part[..., axis]
    return np.where(inside, corner, 0)
