"""From options and files to what numerics take; the place that may name flags.

May import `stacks`, `runs`, `fem`, `multimodal`, `tomography`, `segmentation` and what that may import. Begin reading
with `start`.
"""
