"""One result from plan to file: what is kept safe, how work is dealt out, when a file is there.

May import `search` and what that may import. Begin reading with `job`, then `points` and `checkpoint`.
"""
