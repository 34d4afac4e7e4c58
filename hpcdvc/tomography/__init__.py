"""Tomographic scans: geometry, projector, reconstruction, and alignment of views.

May import `errors`, `images`, `kernels`, `options`, `output`, `ranks`, `stacks`. Begin reading with `align`.
"""
