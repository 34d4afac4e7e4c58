"""Shifts of images and stacks: similarity maps, peaks and errors, one engine for whole images, windows and speckle.

May import `search` and what that may import. Begin reading with `shift`, then `dense` and `fourier`.
"""
