"""What mutants of tables are read by."""

from hpcdvc.output.tsv import read_tsv


def read(path: str) -> None:
    """The field."""
    read_tsv(path)
