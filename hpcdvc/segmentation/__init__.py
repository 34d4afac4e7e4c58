"""Masks and labels made of grey values. All voxels are the same on any number of ranks.

May import `labels` and what that may import. Begin reading with `threshold`, then `morphology`, `basins`.
"""
