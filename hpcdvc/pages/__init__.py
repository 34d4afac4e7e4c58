"""What people look at: the report of a result.

May import all below `workflows`. Begin reading with `report`.
"""
