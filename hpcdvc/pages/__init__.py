"""What people look at: the report of a result, and pages that a small server in the command shows in a browser.

May import `steps` and what that may import. Begin reading with `report`, and with `page`, then `server`.
"""
