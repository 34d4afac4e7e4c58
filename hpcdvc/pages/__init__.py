"""What people look at: the report of a result.

May import `steps` and what that may import. Begin reading with `report`.
"""
