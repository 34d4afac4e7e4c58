"""Deformed images: where their voxels come from, and what then differs from another image.

May import `registration` and what that may import. Begin reading with `mappings`, then `images`.
"""
