"""Images of two modalities: x-rays and neutrons, two energies. One Phi by the likelihood of their joint histogram.

May import `search` and what that may import. Begin reading with `multiscale`, `registration`, `pair`; `mixture` takes a
joint histogram apart, and `auto` finds a start for images that lie far apart.
"""
