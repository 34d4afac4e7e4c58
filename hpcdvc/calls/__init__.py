"""Commands as functions of Python: signatures from the options, arrays as files for a while, results as objects.

May import everything but `cli` and `commands`. Begin reading with `call`.
"""
