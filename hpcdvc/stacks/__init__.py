"""Shifts of images and stacks: similarity maps, peaks and errors, one engine for whole images, windows and speckle.

May import `errors`, `fields`, `ranks`, `registration`. Begin reading with `shift`.
"""
