"""Search of windows and particles at whole-voxel displacements: which one matches best, and whether it is the only one.

May import `labels` and what that may import. Begin reading with `pixels`, then the headers in `cython/search`.
"""
