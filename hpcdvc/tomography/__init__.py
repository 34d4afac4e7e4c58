"""Tomographic scans: geometry, projector, reconstruction, and alignment of views.

May import `errors`, `images`, `kernels`, `output`, `ranks`, `stacks`. Begin reading with `align`.
"""
