"""Tomographic scans: geometry, projector, reconstruction, and alignment of views.

May import `errors`, `fields`, `images`, `kernels`, `options`, `output`, `ranks`, `stacks`. Begin reading with `align`.
"""
