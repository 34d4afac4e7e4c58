"""Shifts of images and stacks: similarity maps, peaks and errors, one engine for whole images, windows and speckle.

May import `errors`, `kernels`, `options`, `fields`, `images`, `registration`, `search`. Begin reading with `fourier`.
"""
