"""Images of two modalities: x-rays and neutrons, two energies. One Phi by the likelihood of their joint histogram.

May import `search` and what that may import. Begin reading with `pair`, then `multiscale`; `auto` finds a start for
images that lie far apart.
"""
