"""Jobs for batch systems: what a command needs, from its dry run, and the file that SLURM, PBS or LSF is given.

May import `steps` and what that may import. Begin reading with `plan`, then `job_file`.
"""
