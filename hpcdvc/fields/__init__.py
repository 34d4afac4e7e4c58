"""Deformation functions, rows, grids, their statuses and their algebra: arrays only.

May import `errors`, `kernels` (their records). Begin reading with `field`, then `grid` and `phi`.
"""
