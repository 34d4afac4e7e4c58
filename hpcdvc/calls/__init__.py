"""Commands as functions of Python: signatures from the options, arrays as files for a while, results as objects.

May import `workflows` and what is below them: everything but `cli` and `commands`. Begin reading with `call`.
"""
