"""Who the ranks are, how they agree, share and exchange, and how a run ends; the only package that knows MPI.

May import `errors`, `kernels`, `fields`. Begin reading with `team`.
"""
