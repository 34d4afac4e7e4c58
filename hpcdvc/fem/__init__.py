"""Finite elements: meshes of tetrahedra, their quality, and what is solved on them.

May import `search` and what that may import. Begin reading with `mesh`, then `quality`.
"""
