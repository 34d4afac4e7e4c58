"""Global DVC: one displacement field on a mesh of tetrahedra, its equations, their regularisation and solution.

May import `search` and what that may import. Begin reading with `sums`.
"""
