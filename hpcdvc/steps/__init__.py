"""From options and files to what numerics take; the place that may name flags.

May import `segmentation`, `stacks`, `runs`, `fem`, `multimodal`, `tomography` and what
that may import. Begin reading with `start`.
"""
