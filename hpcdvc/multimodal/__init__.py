"""Images of other modalities: their joint histogram as a mixture, and the motion that makes it most likely.

May import `search` and what that may import. Begin reading with `mixture` and `components`.
"""
