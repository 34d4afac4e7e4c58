"""Tomographic scans: geometry, projector, reconstruction, and alignment of views.

May import `errors`, `kernels`, `ranks`, `images`, `options`, `output`, `stacks`. Begin reading with `align`.
"""
