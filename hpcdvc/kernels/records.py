"""The records that Python and the kernels share, each declared once: `setup.py` makes the C structs of this table.

A group is that of the kernels which use it, a folder of `cython/`; what is common all may use. A field is (name, type)
or (name, type, length). Types are those of numpy, names of other records, and pointers (with a star). Arrays are ZYX,
lengths are voxels. No numpy is imported before a record is asked for: the build has none.
"""

from functools import cache
from pathlib import Path
from runpy import run_path
from zlib import crc32

GROUPS = {
    "common": {
        "volume": [
            ("data", "void*"),  # C-contiguous voxels
            ("mask", "u1*"),  # of the same shape, 0 = left out; or NULL
            ("shape", "i8", 3),
            ("type", "i4"),  # place in CHOICES["TYPE"]
        ],
        # Of the finite voxels that count.
        "grey_sums": [("sum", "f8"), ("sum_squares", "f8"), ("count", "i8")],
        # A filter by its taps: h[0], h[1] ... h[radius]; h[-k] = h[k] (smoothing) or -h[k] (derivative).
        "taps": [("radius", "i4"), ("h", "f4", 33)],
        # Gradient along one axis: derivative taps on it, smoothing taps on the two others.
        "gradient": [
            ("derivative", "taps"),
            ("smoothing", "taps"),
            ("noise", "f8"),  # variance of the gradient of unit white noise
        ],
        # A spline that interpolates grey values.
        "interpolation": [
            ("taps", "i4"),  # 2, 4 or 6 per axis; 1: the nearest voxel is copied, whatever its type means
            ("poles", "i4"),  # grey values -> spline coefficients: recursive along z and y ...
            ("pole", "f8", 2),
            ("pad", "i4"),  # voxels that the recursion needs to forget how it began
            ("prefilter", "taps"),  # ... and by these taps along x, where lanes cannot follow a recursion
            ("noise", "f8", 16),  # variance of interpolated unit noise at 16 fractions of a voxel, one axis
        ],
    },
    "search": {
        "search_settings": [
            ("plain", "i4"),  # 1: correlation of the grey values as they are; 0: of their deviations from the mean
            ("subvoxel", "i4"),
            ("min_valid", "f8"),
            ("grey_low", "f8"),
            ("grey_high", "f8"),
            ("dilate", "i4"),  # labels: radius of the ball, voxels; negative erodes
            ("min_volume", "i8"),  # labels of no more voxels have no specimen
        ],
        # A window of im1, and the displacements at which it is looked for in im2.
        "search_point": [
            ("index", "i8"),
            ("position", "f8", 3),
            ("Phi", "f8", (3, 4)),  # F deforms the window; the range lies about the displacement, rounded
            ("box_low", "i4", 3),  # first and last voxel of the window, from the rounded position
            ("box_high", "i4", 3),
            ("low", "i4", 3),  # first and last displacement, from the rounded start
            ("high", "i4", 3),
            ("label", "i8"),  # of the particle that the window holds; 0: none
            ("tried", "f8"),  # displacements that were tried before: by chance one of many correlates more
        ],
        # A window as it was read: grey values are taken as (grey - offset) * scale, 0 where a voxel does not count.
        "search_window": [
            ("status", "i4"),
            ("partial", "i4"),  # some voxels do not count
            ("whole", "f8"),  # voxels of the window, or of the particle
            ("count", "f8"),  # those that count
            ("offset", "f8"),
            ("scale", "f8"),
            ("sum", "f8"),
            ("squares", "f8"),
            ("fourth", "f8"),  # sum of fourth powers
            ("alike", "f8"),  # voxels that one independent grey value stands for
            ("quiet", "f8"),  # what noise leaves of the correlation of unrelated textures
            ("textured", "f8"),  # part of the window that has its share of the texture
        ],
        # The same of the part of im2 that is searched.
        "search_region": [
            ("partial", "i4"),
            ("count", "f8"),
            ("offset", "f8"),
            ("scale", "f8"),
            ("sum", "f8"),
            ("squares", "f8"),
            ("fourth", "f8"),
            ("alike", "f8"),
            ("quiet", "f8"),
        ],
        # Where the window was found.
        "found": [
            ("index", "i8"),
            ("displacement", "f8", 3),
            ("score", "f8"),
            ("second", "f8"),  # best score outside the peak; NaN where there is none
            ("zncc", "f8"),
            ("valid_fraction", "f8"),
            ("error", "f8"),  # sum of squared differences / sum of the grey values of im1
            ("whole", "i4", 3),  # displacement in voxels, from the rounded start
            ("return_status", "i4"),
            ("border", "i4"),  # the best score lies on the border of the range
        ],
    },
    "labels": {
        # The voxels of one label.
        "particle": [
            ("label", "i8"),
            ("volume", "i8"),  # voxels
            ("low", "i4", 3),  # first and last voxel along each axis
            ("high", "i4", 3),
            ("sum", "i8", 3),  # of the coordinates of all voxels
        ],
        # Two labels that touch, the smaller first.
        "contact": [("labels", "i8", 2), ("faces", "i8")],  # faces of voxels between them
        # A label that has moved: a voxel p of where it may be now comes from affine (p, 1).
        "moved": [
            ("label", "i8"),
            ("low", "i4", 3),  # first and last voxel of where it may be ...
            ("high", "i4", 3),
            ("box_low", "i4", 3),  # ... and of where it was, dilated
            ("box_high", "i4", 3),
            ("affine", "f8", (3, 4)),
        ],
    },
    "segmentation": {
        # The highest way from one basin of a distance map to another, the smaller number first.
        "saddle": [("basins", "i8", 2), ("height", "f8")],
    },
    "fem": {
        # A tetrahedron in one of the bricks of im1 that it touches.
        "piece": [("element", "i8"), ("brick", "i4", 3)],
        # A mesh in im1 and, with displacements, in im2.
        "mesh_images": [
            ("im1", "volume*"),
            ("im2", "volume*"),
            ("points", "f8*"),
            ("connectivity", "i8*"),
            ("displacements", "f8*"),  # or NULL
            ("pieces", "piece*"),  # those of a brick side by side
            ("count", "i8"),
            ("gradient", "taps"),  # derivative along an axis
            ("interpolation", "interpolation"),  # without poles: its prefilter is that of all axes
            ("both", "i4"),  # 1: mean of the gradients of im1 and of im2 times the gain
            ("gain", "f8"),
        ],
        # Of an element, where im1 counts: upper triangle of the sum of N_a N_b g_i g_j, index 3 a + i.
        "matrix_sums": [("matrix", "f8", 78), ("voxels", "i8")],
        # Of an element, where im1 and im2 count: sums of N_a g_i times f, g, 1; and of 1, f, g, ff, fg, gg.
        "step_sums": [
            ("F", "f8", 12),
            ("G", "f8", 12),
            ("H", "f8", 12),
            ("n", "f8"),
            ("f", "f8"),
            ("g", "f8"),
            ("ff", "f8"),
            ("fg", "f8"),
            ("gg", "f8"),
        ],
    },
}
# Files, not modules: setup.py runs this one where no hpcdvc can be imported.
for _name in ("records_multimodal.py", "records_registration.py", "records_stacks.py", "records_tomography.py"):
    GROUPS |= run_path(str(Path(__file__).with_name(_name)))["GROUPS"]
#: All of them by name.
RECORDS = {name: fields for group in GROUPS.values() for name, fields in group.items()}

#: Choices that C knows as numbers: prefix -> names, from 0 on.
CHOICES = {
    "TYPE": ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"),  # volume.type
    "BY": ("phi", "nodes", "mesh", "labels"),  # mapping.kind
}
_C_TYPES = {"void": "void", "u1": "uint8_t", "i4": "int32_t", "i8": "int64_t", "f4": "float", "f8": "double"}
#: Pointers to what the kernels write.
_FILLED = ("values", "inside", "grey", "there", "missing", "saturated", "statuses")


def c_header(group: str) -> str:
    """The records of a group as C structs hpcdvc_<name>, and a number that says which table it was."""
    guard = f"HPCDVC_RECORDS_{group.upper()}_H"
    lines = ["/* Made by setup.py of hpcdvc/kernels/records.py. */", f"#ifndef {guard}", f"#define {guard}"]
    if group == "common":
        lines.append("#include <stdint.h>")
        for prefix, names in CHOICES.items():
            lines.append(f"enum {{ {', '.join(f'{prefix}_{name.upper()}' for name in names)} }};")
    else:
        lines += ['#include "records_common.h"', f'#define HPCDVC_GROUP "{group}"']
        lines.append(f"#define HPCDVC_RECORDS {checksum(group)}u")
    for name, fields in GROUPS[group].items():
        lines += ["typedef struct {", *(f"    {_declaration(*field)};" for field in fields), f"}} hpcdvc_{name};"]
    return "\n".join([*lines, "#endif", ""])


def _declaration(field: str, kind: str, length=None) -> str:
    target, pointer = kind.rstrip("*"), kind.endswith("*")
    size = 1
    for n in length if isinstance(length, tuple) else (length or 1,):
        size *= n  # a matrix is one array of its rows
    words = ["const"] * (pointer and field not in _FILLED) + [_C_TYPES.get(target, f"hpcdvc_{target}")]
    return f"{' '.join(words)} {'*' * pointer}{field}{f'[{size}]' if length else ''}"


def checksum(group: str) -> int:
    """A number that changes with the records of a group: kernels that were compiled for others are refused."""
    return crc32(repr((GROUPS["common"], GROUPS[group], CHOICES)).encode())


@cache
def dtype(name: str):
    """The record as a numpy dtype, laid out as the C compiler does; a pointer is an address."""
    import numpy as np

    def of(kind: str):
        if kind.endswith("*"):
            return np.dtype(np.uintp)
        return dtype(kind) if kind in RECORDS else np.dtype("=" + kind)

    return np.dtype([(field, of(kind), *length) for field, kind, *length in RECORDS[name]], align=True)
