"""Images of two modalities: x-rays and neutrons, two energies. One Phi by the likelihood of their joint histogram.

May import `search` and what that may import. `mixture` takes a joint histogram apart into phases and the boundaries
between them, `tables` makes of it what a step needs; begin with these.
"""
