"""Tomographic scans: geometry, projector, reconstruction, and alignment of views.

May import `errors`, `images`. Begin reading with `scan`.
"""
