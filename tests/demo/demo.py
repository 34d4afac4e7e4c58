"""What the commands do, on real images: `make demo`. Writes everything into ./demo-output/.

1. A real CT volume of cement with a shear band whose displacement is known exactly: the quintic spline through the
   CT voxels, lightly smoothed, is taken as the object, and BOTH images are that function evaluated at the voxels of a
   finer grid (0.8 CT voxels) that meets the CT voxels nowhere in particular. So neither image is an interpolation of
   the other, the truth is exact, and the texture is real. Both images get noise of their own, the second one another
   brightness and contrast.
2. Two frames of a real tensile test, where nobody knows the truth: registered as a whole, then locally, from there.
3. The cement torn apart: one half stays, the other one has moved by more than ten voxels, and nobody says so.
4. Grains of cement close together, each moved and turned for itself: one motion per label.
5. The cement of 1 again, as one continuous field on a mesh of tetrahedra, from the windows as the start.
"""

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import tifffile
from scipy import ndimage

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "data"
REPOSITORY = HERE.parent.parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(REPOSITORY)]

import pictures  # noqa: E402
from grains import packing  # noqa: E402
from synthetic import Affine, Grey, ShearBand, image_texture, render, rotation, translation  # noqa: E402

from hpcdvc.output.hdf5 import read_field  # noqa: E402

OUT = Path("demo-output")
SIZE, PITCH, FIRST = 126, 0.8, 9.6  # voxels of the images; size of a voxel and place of the first one in CT voxels
HALF_WINDOW, SPACING = 8, 6
CENTRE = np.full(3, (SIZE - 1) / 2)
NORMAL = np.array([0.82, 0.0, 0.57])
BAND = ShearBand(slip=2.4 * np.array([-0.57, 0.0, 0.82]), normal=NORMAL, point=CENTRE, width=6.0)
COMPRESSION = Affine(np.diag([0.988, 1.004, 1.004]), np.array([0.3, -0.4, 0.6]), CENTRE)
TRUTH = COMPRESSION + rotation(0.3, CENTRE) + BAND
TORN = (2.4, 11.7, 6.2)


def program(name: str) -> str:
    """The word that starts a program of the environment that runs this script, short enough to copy."""
    path = Path(sys.executable).with_name(name)
    if not path.exists():
        found = shutil.which(name) or sys.exit(f"demo: {name} is missing, run `make demo`")
        path = Path(found)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def run(name: str, *arguments) -> None:
    """Run a command on two ranks, and show how."""
    installed = Path(sys.executable).with_name(name).exists()
    script = [program(name)] if installed else [sys.executable, str(REPOSITORY / "bin" / name)]
    words = [program("mpiexec"), "-n", "2", *script, *map(str, arguments)]
    print("\n$", shlex.join(words), flush=True)
    done = subprocess.run(words, timeout=300, check=False)
    if done.returncode:
        sys.exit(f"demo: {name} ended with code {done.returncode}")


def where(stem: str, *images: Path) -> None:
    """Say what was written."""
    print("  for ParaView   ", OUT / f"{stem}.hdf")
    print("  for a table    ", OUT / f"{stem}.tsv")
    for image in images:
        print("  for the eye    ", image)


def make_pair() -> None:
    """Write cement-0.tif and cement-1.tif."""
    volume = ndimage.gaussian_filter(tifffile.imread(DATA / "cement.tif").astype(float), 0.8)
    texture = image_texture((volume - volume.mean()) / volume.std(), PITCH, FIRST)
    before = Grey(mean=25000, contrast=4000, noise=0.05)
    after = Grey(mean=25000, contrast=4000, noise=0.05, gain=0.9, offset=0.4)
    for number, (field, grey) in enumerate(((None, before), (TRUTH, after))):
        image = render(texture, (SIZE,) * 3, field, grey, seed=number)
        tifffile.imwrite(OUT / f"cement-{number}.tif", image, photometric="minisblack")


def report(name: str, errors: np.ndarray, converged: np.ndarray, expected: np.ndarray) -> None:
    """One line of the table of errors."""
    good = errors[converged]
    figures = np.median(good), np.percentile(good, 95), good.max(), np.median(expected[converged])
    print(f"  {name:<28}{len(errors):>6}{converged.mean():>11.1%}", *(f"{figure:>9.4f}" for figure in figures))


def cement() -> None:
    """The volume with the shear band."""
    make_pair()
    images = [OUT / f"cement-{number}.tif" for number in (0, 1)]
    run("hpcdvc-ldic", *images, "-hws", HALF_WINDOW, "-ns", SPACING, "-od", OUT, "-pre", "cement", "--force")
    field = read_field(OUT / "cement-ldic.hdf")
    errors = np.linalg.norm(field.displacement - TRUTH.displacement(field.positions), axis=1)
    converged = field.measured
    inside = np.abs(BAND.distance(field.positions)) < HALF_WINDOW + BAND.width
    print(f"\nError against the truth (voxel), slip {np.linalg.norm(BAND.slip):.1f} across {4 * BAND.width:.0f} voxels")
    print(f"  {'':<28}{'nodes':>6}{'converged':>11}{'median':>10}{'95 %':>10}{'largest':>10}{'own estimate':>14}")
    expected = np.sqrt(field.extra["variance"][:, 3::4].sum(axis=1))
    for name, some in (("windows away from the band", ~inside), ("windows that meet the band", inside)):
        report(name, errors[some], converged[some], expected[some])
    pngs = pictures.volume(OUT, field, TRUTH, BAND, [tifffile.imread(i) for i in images])
    where("cement-ldic", *pngs)


def tensile() -> None:
    """The two frames of the tensile test."""
    frames = [DATA / f"tensile_{number}.tif" for number in (151, 170)]
    shown = [Path("tests/data") / f.name if Path("tests/data").resolve() == DATA else f for f in frames]
    place = ("-od", OUT, "-pre", "tensile", "--force")
    run("hpcdvc-reg", *shown, "-bb", 8, *place, "-q")
    phi = read_field(OUT / "tensile-registration.hdf").phi[0]
    print(f"  the middle has moved by {phi[1, 3]:.2f} pixels, and the bar is {100 * (phi[1, 1] - 1):.1f} % longer")
    run("hpcdvc-ldic", *shown, "-pf", OUT / "tensile-registration.hdf", "-hws", 20, "-ns", 10, *place)
    field = read_field(OUT / "tensile-ldic.hdf")
    converged = field.measured
    u, std = field.displacement[converged, 1], np.sqrt(field.extra["variance"][converged, 7])
    print(f"\n  axial displacement {u.min():.1f} to {u.max():.1f} pixels, random error about {np.median(std):.4f}")
    where("tensile-ldic", *pictures.bar(OUT, field, [tifffile.imread(f) for f in frames]))


def torn() -> None:
    """The cement in two pieces."""
    volume = ndimage.gaussian_filter(tifffile.imread(DATA / "cement.tif").astype(float), 0.8)
    texture = image_texture((volume - volume.mean()) / volume.std(), PITCH, 2 * FIRST)
    shape, middle = (52, 64, 104), 52
    before, stays = (
        render(texture, shape, None, Grey(mean=25000, contrast=4000, noise=0.05), seed=seed) for seed in (2, 3)
    )
    moves = render(texture, shape, translation(TORN), Grey(mean=25000, contrast=4000, noise=0.05), seed=4)
    after = np.where(np.arange(shape[2]) < middle, stays, moves)
    # the crack is empty
    after[:, :, middle : middle + int(TORN[2])] = 12000
    for number, image in enumerate((before, after)):
        tifffile.imwrite(OUT / f"torn-{number}.tif", image, photometric="minisblack")
    images = [OUT / f"torn-{number}.tif" for number in (0, 1)]
    run("hpcdvc-ldic", *images, "-hws", HALF_WINDOW, "-ns", SPACING, "-od", OUT, "-pre", "torn", "--force")
    field = read_field(OUT / "torn-ldic.hdf")
    y, left = field.displacement[:, 1], field.positions[:, 2] < middle
    for name, side, truth in (("left", left, 0.0), ("right", ~left, TORN[1])):
        some = field.measured & side
        print(f"  {name:<6}{some.sum():>5} nodes, moved along y by {np.median(y[some]):6.3f} voxels, truth {truth:.3f}")
    where("torn-ldic")


def grains() -> None:
    """Labelled grains."""
    volume = ndimage.gaussian_filter(tifffile.imread(DATA / "cement.tif").astype(float), 0.8)
    texture = image_texture((volume - volume.mean()) / volume.std(), PITCH, 30.0)
    some = packing(lambda points: texture(np.mod(points, 90.0)), 3, 9.0, gap=1.0)
    files = [OUT / f"grains-{name}.tif" for name in ("0", "labels", "1")]
    for path, image in zip(files, (some.image(False, 0.05, 1), some.labels(), some.image(True, 0.05, 2)), strict=True):
        tifffile.imwrite(path, image, photometric="minisblack")
    run("hpcdvc-ddic", *files, "-od", OUT, "-pre", "grains", "--force")
    field = read_field(OUT / "grains-ddic.hdf")
    good, truth = field.measured, some.truth(field.positions)
    wrong = np.linalg.norm(field.displacement - truth[:, :, 3], axis=1)[good]
    cosine = (np.einsum("nij,nij->n", field.phi[good, :3, :3], truth[good, :, :3]) - 1) / 2
    angle = np.degrees(np.arccos(np.clip(cosine, -1, 1)))
    figures = f"{np.median(wrong):.4f} voxel, {np.median(angle):.3f} degrees"
    print(f"  {good.sum()} of {len(good)} labels, median error {figures}")
    where("grains-ddic")


def mesh() -> None:
    """The volume with the shear band, on a mesh."""
    box = [edge for _ in range(3) for edge in (13, SIZE - 14)]
    run("hpcdvc-mesh", "-cube", *box, "-lc", 14, "-od", OUT, "-pre", "box", "--force", "-q")
    images, start = [OUT / f"cement-{number}.tif" for number in (0, 1)], OUT / "cement-ldic.hdf"
    words = (OUT / "box-lc14.0.hdf", "-pf", start, "-str", "-od", OUT, "-pre", "cement", "--force")
    run("hpcdvc-gdic", *images, *words)
    field = read_field(OUT / "cement-GDIC.hdf")
    wrong = np.linalg.norm(field.displacement - TRUTH.displacement(field.positions), axis=1)
    away = np.abs(BAND.distance(field.positions)) > 3 * BAND.width
    figures = f"{np.median(wrong[away]):.4f} voxel away from the band, {np.median(wrong[~away]):.4f} at it"
    print(f"\n  {field.measured.sum()} of {len(field)} nodes, median error {figures}")
    where("cement-GDIC")


#: What is shown, and what shows it.
PARTS = (
    (
        "Cement, real CT texture, a known shear band; 5 % noise, contrast -10 %, brightness +40 % of the contrast",
        cement,
    ),
    ("Tensile test, real frames: their registration is the start", tensile),
    (f"Cement torn apart, one half moved by {TORN} voxels (ZYX): a jump that is found without a start", torn),
    ("Grains of cement close together, 27 labels: each has moved and turned for itself, up to 3 degrees", grains),
    ("The cement of 1 on a mesh: one continuous displacement field", mesh),
)


def main() -> None:
    """All parts, each with the time it takes: most of it goes into the images, whose truth is known."""
    OUT.mkdir(exist_ok=True)
    start = time.monotonic()
    print(f"{len(PARTS)} measurements on small real images, in {OUT}/, about 20 s in all")
    for number, (title, show) in enumerate(PARTS, 1):
        begin = time.monotonic()
        print(f"\n{number}. {title}", flush=True)
        show()
        print(f"  {time.monotonic() - begin:.1f} s, with the making of images and pictures", flush=True)
    print(f"\nAll of it: {time.monotonic() - start:.0f} s. Next: docs/quickstart.md, or your own images")


if __name__ == "__main__":
    main()
