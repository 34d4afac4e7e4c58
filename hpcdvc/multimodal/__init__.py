"""Images of two modalities: x-rays and neutrons, two energies. One Phi by the likelihood of their joint histogram.

May import `search` and what that may import. Begin reading with `pair`; `auto` finds a start for images far apart.
"""
