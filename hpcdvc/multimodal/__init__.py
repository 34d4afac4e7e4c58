"""Images of two modalities: x-rays and neutrons, two energies. One Phi by the likelihood of their joint histogram.

May import `search` and what that may import. `auto` finds a start for images that lie far apart, by `ratio_scan`.
"""
