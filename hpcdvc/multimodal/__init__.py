"""Images of two modalities: their joint histogram as a mixture of phases, and the Phi that makes it most likely.

May import `search` and what that may import. Begin reading with `multiscale` (from level to level), `registration` (the
iterations of one), `mixture` and `components`. `auto` finds a start for images that lie far apart, by `ratio_scan`.
"""
