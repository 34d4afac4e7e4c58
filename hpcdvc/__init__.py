"""hpcdvc: Digital Volume Correlation on any number of MPI ranks."""

__version__ = "0.1.0"
