"""Tomographic scans: geometry, projector, reconstruction, and alignment of views.

May import `errors`, `kernels`, `ranks`. Begin reading with `pair`, then `beams`.
"""
