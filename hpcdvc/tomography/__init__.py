"""Tomographic scans: geometry, projector, reconstruction, and alignment of views.

May import `kernels`, `ranks`. Begin reading with `beams`.
"""
