"""Fourier tools for images of any number of axes; they live in `hpcdvc.stacks`."""

from hpcdvc.stacks.fourier import convolve, correlate2d, downsample, scale, shift, smooth, upsample, zoom

__all__ = ["convolve", "correlate2d", "downsample", "scale", "shift", "smooth", "upsample", "zoom"]
