"""Results on disk: one HDF5 file that is result, view and archive, and the text and image views beside it."""
