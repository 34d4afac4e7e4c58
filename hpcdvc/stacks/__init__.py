"""Shifts of images and stacks: similarity maps, peaks and errors, one engine for whole images, windows and speckle.

May import `search` and what that may import. Begin reading with `dense`, then the headers in `cython/stacks`.
"""
