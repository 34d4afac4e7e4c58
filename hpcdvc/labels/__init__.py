"""Label images: which particles there are, where they lie, how large they are.

May import `deformation` and what that may import. Begin reading with `scan`, then `boxes`.
"""
