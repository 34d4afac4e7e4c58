"""One module per command: what `run(options, team)` does.

May import everything but `cli` and `commands`. Begin reading with `ldic`.
"""
