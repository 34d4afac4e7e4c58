# What every extension needs to call kernels: records as addresses, and the instruction set in use. To be included.

from hpcdvc import kernels as _kernels
from hpcdvc.kernels import records as _records
from hpcdvc.kernels.arrays import address

# of the records_<group>.h that the header of the extension includes
cdef extern from *:
    unsigned int HPCDVC_RECORDS
    const char *HPCDVC_GROUP

if HPCDVC_RECORDS != _records.checksum(HPCDVC_GROUP.decode()):
    raise ImportError("the kernels were compiled for other records than hpcdvc.kernels.records has: compile them anew")


cdef inline int level() except -1:
    """Number of the instruction set in use."""
    return int(_kernels.selected()[1:])


cdef inline size_t at(object record, str kind) except 0:
    """Address of a record (array without axes)."""
    return address(record, kind, (), kind)
