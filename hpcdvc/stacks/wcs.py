"""Images of the sky: one brought onto the pixels of another by their world coordinates, and pixels as degrees.

World coordinates of FITS are those of astropy and reproject, which only this needs (the extra `hpcdvc[fits]`).
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hpcdvc.errors import UserError
from hpcdvc.images import VolumeInfo, describe, open_volume
from hpcdvc.images.fits import header_of
from hpcdvc.images.volume import reading
from hpcdvc.stacks.pair_api import cross_correlation_shifts

if TYPE_CHECKING:
    from astropy.wcs import WCS


@dataclass(frozen=True)
class Sky:
    """Where the pixels of an image lie on the sky.

    Attributes
    ----------
    info : header of the image
    wcs : its celestial coordinates
    matrix : (2, 2) degrees of the world axes per pixel along x and y: CD, or CDELT and what turns it
    """

    info: VolumeInfo
    wcs: "WCS"
    matrix: np.ndarray

    @classmethod
    def of(cls, info: VolumeInfo) -> "Sky":
        """Read them.

        Raises
        ------
        UserError
            It is no image of a FITS file, or says not where it lies; or astropy and reproject are not installed.
        """
        header = header_of(info)
        astropy_fits, wcs_module = packages()[:2]
        with _quiet(info.spec):
            wcs = wcs_module.WCS(astropy_fits.Header.fromstring(header)).celestial
            if wcs.naxis != 2 or not info.two_dimensional:
                raise UserError(f"{info.spec} has no celestial coordinates of an image (CTYPE, CRVAL, CRPIX)")
            matrix = np.asarray(wcs.pixel_scale_matrix, float)
            if not abs(np.linalg.det(matrix)) > 0:
                raise UserError(f"{info.spec} has world coordinates that do not tell its pixels apart (CD or CDELT)")
            return cls(info, wcs, matrix)

    def degrees(self, displacement: np.ndarray) -> np.ndarray:
        """(2,) displacement along the world axes, degrees, of one of the pixels (ZYX); no cosine of the declination."""
        return self.matrix @ np.asarray(displacement, float)[:0:-1]

    def bring(self, image: np.ndarray, other: "Sky") -> np.ndarray:
        """Values of an image at the pixels of this one, bilinear.

        Parameters
        ----------
        image : (ny, nx) grey values
        other : where its pixels lie

        Returns
        -------
        (ny, nx) float64 array of this image, NaN where the other one is not
        """
        reproject_interp = packages()[2]
        with _quiet(other.info.spec):
            values = np.ascontiguousarray(image, np.float64)
            shape = self.info.shape[1:]
            return reproject_interp((values, other.wcs), self.wcs, shape, order="bilinear", return_footprint=False)


def packages() -> tuple:
    """astropy.io.fits, astropy.wcs and reproject.reproject_interp; UserError where they are missing."""
    try:
        from astropy import wcs
        from astropy.io import fits
        from reproject import reproject_interp
    except ImportError as error:
        raise UserError(
            f"world coordinates need astropy and reproject, which cannot be imported ({error}): "
            'pip install "hpcdvc[fits]"'
        ) from error
    return fits, wcs, reproject_interp


@contextmanager
def _quiet(spec: str) -> Iterator[None]:
    """What astropy raises over a header as one sentence, and no word of what it mends."""
    with reading(spec), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def bright_only(image: np.ndarray, sigmas: float) -> np.ndarray:
    """Grey values above so many standard deviations of the image; the others are 0, what is no number stays so.

    Parameters
    ----------
    image : array of grey values
    sigmas : how many; the deviation is that of the pixels that are numbers
    """
    image = np.asarray(image, np.float64)
    return np.where(image <= sigmas * np.nanstd(image), 0, image)


def common_part(image1: np.ndarray, image2: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of two images that both have: what is no number in either is cut off from the sides.

    Parameters
    ----------
    image1, image2 : (ny, nx) arrays of one shape

    Returns
    -------
    Two arrays of one shape; single pixels inside that are no numbers stay
    """
    missing = ~(np.isfinite(image1) & np.isfinite(image2))
    low, high = [0, 0], list(missing.shape)
    while all(first < stop for first, stop in zip(low, high, strict=True)):
        part = missing[low[0] : high[0], low[1] : high[1]]
        sides = [part[0].mean(), part[-1].mean(), part[:, 0].mean(), part[:, -1].mean()]
        worst = int(np.argmax(sides))
        if sides[worst] == 0:
            break
        ends = high if worst % 2 else low
        ends[worst // 2] += -1 if worst % 2 else 1
    kept = slice(low[0], high[0]), slice(low[1], high[1])
    return image1[kept], image2[kept]


def cross_correlation_shifts_fits(
    fitsfile1: str | os.PathLike,
    fitsfile2: str | os.PathLike,
    return_cropped_images: bool = False,
    sigma_cut: float | bool = False,
    verbose: bool = False,
    register_method: Callable = cross_correlation_shifts,
    **kwargs: Any,
) -> tuple:
    """By how much the second of two FITS images is off, in pixels and on the sky.

    The second image is brought onto the pixels of the first by their world coordinates, bilinear; only what both have
    is compared.

    Parameters
    ----------
    fitsfile1, fitsfile2 : the images, also ``a.fits[1]``
    return_cropped_images : return what was compared, too
    sigma_cut : grey values not above so many standard deviations of their image become 0 before; True is 1
    verbose : print the result
    register_method : function of two images (ny, nx) that returns (x, y, ...), the displacement from the first to the
        second
    **kwargs : for `register_method`; for `cross_correlation_shifts` boundary is "overlap" unless it is given

    Returns
    -------
    xoff, yoff : displacement from im1 to im2, pixels of im1
    xoff_wcs, yoff_wcs : the same along the world axes, degrees: the CD matrix, or CDELT, times (xoff, yoff)
    image1, image2 : (ny, nx) float64 arrays, with `return_cropped_images`

    Raises
    ------
    UserError
        A file is no FITS image or has no celestial coordinates, the images have nothing in common, or astropy and
        reproject are not installed.

    Notes
    -----
    The convention is the peer's, which here is ours: what lies at x in im1 lies at x + u in im2. The peer's world
    shifts are products with the diagonal of CD, 0 where there is CDELT alone; these, and its bias by the pixels that
    the second image lacks, are not copied.
    """
    infos = [describe(os.fspath(path)) for path in (fitsfile1, fitsfile2)]
    sky, other = map(Sky.of, infos)
    image1, image2 = (open_volume(info)[0].astype(np.float64) for info in infos)
    image1, image2 = common_part(image1, sky.bring(image2, other))
    if not image1.size:
        raise UserError(f"{infos[0].spec} and {infos[1].spec} have no pixel in common")
    if sigma_cut:
        image1, image2 = (bright_only(image, float(sigma_cut)) for image in (image1, image2))
    if register_method is cross_correlation_shifts:
        kwargs = {"boundary": "overlap", **kwargs}
    xoff, yoff = (float(offset) for offset in register_method(image1, image2, **kwargs)[:2])
    xoff_wcs, yoff_wcs = sky.degrees([0, yoff, xoff]).tolist()
    if verbose:
        print(f"displacement (x, y): {xoff:g}, {yoff:g} pixels, {xoff_wcs:g}, {yoff_wcs:g} degrees")
    offsets = (xoff, yoff, xoff_wcs, yoff_wcs)
    return (*offsets, image1, image2) if return_cropped_images else offsets
