"""Image correlation: windows, whole images from coarse to fine, and the search for a start.

May import `output` and what that may import. Begin reading with `windows` for points, `api` for whole images.
"""
