"""Compiled loops over arrays: they know nothing else.

May import nothing of hpcdvc. Begin reading with the headers in `cython/`.
"""
