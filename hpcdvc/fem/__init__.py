"""Finite elements: meshes of tetrahedra, and the displacements of all their nodes at once, mechanically regularised.

May import `search` and what that may import. Begin reading with `mesh`, then `sums`, `correlation`.
"""
