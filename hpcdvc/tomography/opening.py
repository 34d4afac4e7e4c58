"""The way into a scan: what its file is, is told by its content."""

from hpcdvc.errors import UserError
from hpcdvc.tomography import mumott
from hpcdvc.tomography.parts import opened
from hpcdvc.tomography.scan import Scan


def describe_scan(scan: str, *, absorbances: bool = True, clipped: bool = False) -> Scan:
    """Find out what a scan is, from headers alone."""
    with opened(scan, scan) as file:
        is_mumott = mumott.is_mumott(file, scan)
    if not is_mumott:
        raise UserError(f"{scan} is no scan")
    return mumott.describe(scan, scan, absorbances, clipped)
