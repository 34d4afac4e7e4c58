"""Declarations of options, by groups that commands combine: no numerics, no numpy.

May import `errors`. Begin reading with `declare`, then one command, such as `ldic`.
"""
