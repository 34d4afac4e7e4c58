"""Results on disk: one HDF5 file that is result, view and archive, the text and image views beside it, and back in.

May import `errors`, `kernels`, `options`, `fields`, `images`, `ranks`. Begin reading with `schema`, then `hdf5`.
"""
