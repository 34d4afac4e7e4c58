"""Files that pages name and that are no pairs of volumes: written into the working folder, over those of others."""

import shutil
from pathlib import Path

import gallery
import h5py
import numpy as np
import tifffile
from align_cases import save_nxtomo
from align_cases import save_scan as save_mumott
from first_hour import save_scans
from fits_files import save_fits
from modal_pairs import THREE, modal_pair, rigid
from moved_images import grains, save_image, waves
from scan_files import write_exchange
from speckle_cases import speckle_pair
from umpa_cases import MEAN, reference, sample, save_tomography, speckle, truth
from volume_files import save_nifti


def inputs() -> None:
    """The pair of other pages as raw files, and as steps of files of four dimensions."""
    pair = [tifffile.imread(f"{name}.tif") for name in ("load0", "load1")]
    size = "x".join(map(str, pair[0].shape))
    for image, names in zip(pair, (("first", "im1"), ("second", "im2")), strict=True):
        for name in (f"{names[0]}.raw", f"{names[1]}_{size}_u16.raw"):
            image.astype("<u2").tofile(name)
    save_nifti(Path("series.nii"), np.stack(pair))
    save_datasets("series.h5", scan=np.stack(pair))


def shift() -> None:
    """Four images that drift, frames of one file, and two images of the sky."""
    frames = [waves((96, 90), (0.7 * day, -1.2 * day), noise=0.1, periodic=False) for day in range(4)]
    for day, frame in enumerate(frames):
        save_image(f"day{day}.tif", frame)
    save_datasets("movie.h5", **{"entry/data": np.stack(frames).astype("f4")})
    sky = {"CTYPE1": "'RA---TAN'", "CTYPE2": "'DEC--TAN'", "CRVAL1": 30.0, "CRVAL2": -5.0}
    sky |= {"CRPIX1": 45.0, "CRPIX2": 48.0, "CD1_1": -3e-4, "CD1_2": 0.0, "CD2_1": 0.0, "CD2_2": 3e-4}
    for night, frame in enumerate(frames[:2], 1):
        save_fits(f"night{night}.fits", (None, {}), (frame.astype("f4"), sky))


def local_shifts() -> None:
    """Two stacks of speckle, and two images of a slow field."""

    def field(y: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return 0.4 + 0.01 * y, -0.7 + 0.005 * x

    for names, frames, shape in ((("ref", "sample"), 5, (60, 64)), (("load0", "load1"), 1, (90, 96))):
        for name, image in zip(names, speckle_pair(shape, field, frames=frames, noise=0.03)[:2], strict=True):
            save_image(f"{name}.tif", image if frames > 1 else image[0])


def noise() -> None:
    """A small part of the first volume, scanned twice more."""
    part = tifffile.imread("load0.tif")[:56, :56, :56].astype(float)
    for seed, name in enumerate(("load0", "rest0", "rest1")):
        image = part + 250 * np.random.default_rng(seed).standard_normal(part.shape)
        tifffile.imwrite(f"{name}.tif", image.astype("u2"), photometric="minisblack")


def which_window() -> None:
    """The scan of cement."""
    shutil.copyfile("tests/data/cement.tif", "cement.tif")


def umpa() -> None:
    """A scan with flats and darks, one whose sample is stepped, and a tomographic one of three blocks."""
    height, width = (shape := reference(1)[0].shape)
    for name, stack in (("ref", reference()), ("sam", sample())):
        save_datasets(f"{name}.nxs", **{"entry/data": stack.astype("f4")})
    save_image("flats.tif", np.full((2, *shape), 1.0))
    save_image("darks.tif", np.zeros((2, *shape)))
    y, x = np.mgrid[:height, :width].astype(float)
    save_image("diffuser.tif", MEAN + speckle(0, y, x))
    positions = [(0, 0), (3, 1), (-2, 4), (1, -3), (4, 2), (-4, -1)]
    moved = [np.roll(truth()["u"], position, axis=(0, 1)) for position in positions]
    save_image("steps.tif", np.stack([MEAN + speckle(0, y - u[..., 0], x - u[..., 1]) for u in moved]))
    Path("positions.txt").write_text("".join(f"{dy} {dx}\n" for dy, dx in positions))
    save_tomography("three.h5", 3, 3, frames=2)
    with h5py.File("three.h5") as file:
        save_datasets("scan.h5", ref=file["ref"][..., :32, :32], sam=np.repeat(file["sam"][..., :32, :32], 267, axis=0))


def speckle_phase() -> None:
    """A scan of 16 frames, smaller than that of the page."""
    save_datasets("scan.h5", ref=reference(16).astype("u2"), sam=sample(0, 16).astype("u2"))


def align() -> None:
    """A scan with flats, and its absorbances as pages; scans in two other formats."""
    write_exchange(Path("tooth.h5"))
    save_mumott("data.h5")
    save_nxtomo("scan.nxs")
    with h5py.File("scan.nxs") as file:
        detector = file["entry/instrument/detector"]
        key, frames = detector["image_key"][:], detector["data"][:].astype("f4")
        angles = file["entry/sample/rotation_angle"][:][key == 0]
    light = (frames[key == 0] - frames[key == 2].mean(0)) / (frames[key == 1].mean(0) - frames[key == 2].mean(0))
    save_image("projections.tif", -np.log10(np.clip(light, 1e-4, 1)))
    Path("angles.txt").write_text("\n".join(map(str, angles)) + "\n")


def fourier() -> None:
    """Frames, a stack, a volume and a kernel."""
    for frame in range(3):
        save_image(f"frame-{frame}.tif", grains((48, 50), (1.3 * frame, -2.6 * frame)))
    save_image("speckle.tif", grains((48, 50), (0, 0)))
    save_image("radiographs.tif", np.stack([grains((40, 42), (0, step)) for step in range(3)]))
    save_image("volume.tif", volume := grains((20, 22, 24), (0, 0, 0)))
    save_datasets("volume.h5", **{"entry/data": volume})
    np.save("kernel.npy", np.full((3, 3, 3), 1 / 27))
    for name, displacement in (("im1", (0, 0)), ("im2", (3, -2))):
        save_image(f"{name}.tif", grains((48, 50), displacement))


def mmr() -> None:
    """A body of three phases by two modalities, some degrees apart, and a mask."""
    shape = (56, 60, 64)
    images = modal_pair(shape, rigid(shape, 4, 8.0, 0.05), 4, THREE, feature=7.0)
    for name, image in zip(("x-rays", "neutrons"), images, strict=True):
        save_image(f"{name}.tif", 200 * image + 20)
    mask = np.zeros(shape)
    mask[5:-5, 5:-5, 5:-5] = 1
    save_image("specimen.tif", mask)


def save_datasets(path: str, **arrays: np.ndarray) -> None:
    """Write arrays into an HDF5 file, under their names."""
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values


def cement() -> None:
    """The cement of the gallery."""
    gallery.save_cement(Path())


def samples() -> None:
    """What the gallery offers for download; the speckle scan is a smaller one."""
    gallery.save_downloads(Path())
    gallery.save_cement(Path())
    gallery.save_grains(Path())
    save_datasets("glass.h5", ref=reference(16).astype("u2"), sam=sample(0, 16).astype("u2"))


#: Page -> what writes its files.
OWN_FILES = {
    "docs/first_hour.md": lambda: save_scans(Path()),
    "docs/inputs.md": inputs,
    "docs/gallery.md": samples,
    "docs/paraview.md": cement,
    "docs/guide/shift.md": shift,
    "docs/guide/localShifts.md": local_shifts,
    "docs/guide/noise.md": noise,
    "docs/which_window.md": which_window,
    "docs/guide/umpa.md": umpa,
    "docs/guide/align.md": align,
    "docs/guide/fourier.md": fourier,
    "docs/guide/mmr.md": mmr,
    "docs/guide/mmr-graphical.md": mmr,
    "docs/speckle_phase.md": speckle_phase,
}
