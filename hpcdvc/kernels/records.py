"""The records that Python and the kernels share, each declared once: `setup.py` makes the C structs of this table.

A group is that of the kernels which use it, a folder of `cython/`; what is common all may use. A field is (name, type)
or (name, type, length). Types are those of numpy, names of other records, and pointers (with a star). Arrays are ZYX,
lengths are voxels. No numpy is imported before a record is asked for: the build has none.
"""

from functools import cache
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
    "registration": {
        "settings": [
            ("dimensions", "i4"),  # 2 or 3
            ("half", "i4", 3),  # of windows ...
            ("margin", "i4"),  # ... and voxels of im2 that are read around them
            ("znssd", "i4"),  # 1: gain and offset of each window eliminated; 0: plain sum of squares
            ("max_iterations", "i4"),
            ("update_gradient", "i4"),
            ("min_delta_phi", "f8"),
            ("min_valid", "f8"),
            ("grey_low", "f8"),
            ("grey_high", "f8"),
            ("min_zncc", "f8"),
            ("near", "f8"),  # see hpcdvc.registration.control
            ("growth", "f8"),
            ("least_volume_ratio", "f8"),
            ("greatest_volume_ratio", "f8"),
            ("least_variance", "f8"),
            ("least_contrast", "f8"),
            ("unknowns", "i4"),  # columns of the basis
            ("basis", "f8", 144),  # the change of the 12 entries of Phi per unknown: basis[12 * row + column]
            ("rigid", "i4"),
            ("curvature_threshold", "f8"),  # of F; 0: no correction
            ("shading", "i4"),  # slopes of gain and offset are taken out where the residual shows them
            ("interpolation", "interpolation"),
            ("curvature_interpolation", "interpolation"),
            ("keys_noise", "f8", 16),  # as interpolation.noise, of Keys' interpolation
            ("gradient", "gradient"),  # in use at first
            ("smooth_gradient", "gradient"),  # taken where the residual says that noise is high, if `adaptive`
            ("true_gradient", "gradient"),  # what the first falls short of, if `calibrate`
            ("adaptive", "i4"),
            ("calibrate", "i4"),
            ("noise_with_smooth", "f8"),  # covariance with the first gradient, of unit white noise
            ("noise_with_true", "f8"),
        ],
        # One point to be measured: where, and the deformation function to start from.
        "point": [("index", "i8"), ("position", "f8", 3), ("Phi", "f8", (3, 4))],
        # One label to be measured: its centre of mass, the deformation function to start from, its number, and its box.
        "label_point": [
            ("index", "i8"),
            ("position", "f8", 3),
            ("Phi", "f8", (3, 4)),
            ("label", "i8"),
            ("low", "i4", 3),  # first and last voxel along each axis
            ("high", "i4", 3),
        ],
        "label_settings": [
            ("dilate", "i4"),  # radius of the ball, voxels; negative erodes
            ("keep_others", "i4"),  # 1: dilated voxels count even if they are of other labels
            ("min_volume", "i8"),  # labels of no more voxels, dilated, have no specimen
        ],
        # One measured point, as the kernels fill it, the shards store it and the ranks exchange it.
        "row": [
            ("index", "i8"),  # row number in the field
            ("Phi", "f8", (3, 4)),  # first three rows of the 4x4 deformation function, ZYX
            ("variance", "f8", 12),  # variances of the twelve entries of Phi
            ("error", "f8"),  # sum of squared residuals / sum of grey values of im1
            ("delta_phi_norm", "f8"),  # norm of the last change of Phi
            ("zncc", "f8"),  # zero-mean normalised correlation of the two windows
            ("valid_fraction", "f8"),  # part of the window that took part
            ("return_status", "i4"),
            ("iterations", "i4"),
            ("curvature", "f4", 3),  # what the displacement is more than that of an affine window
            ("curvature_part", "f4"),  # part that the window took of the curvature that it saw
        ],
        # Two whole images at a trial: x2 = centre + t + F (x1 - centre), grey values taken as (grey - offset) * scale.
        "trial": [
            ("phi", "f8", (3, 4)),
            ("centre", "f8", 3),
            ("offset1", "f8"),
            ("offset2", "f8"),
            ("scale", "f8"),
            ("tile", "i8", 3),
            ("finite", "i4"),  # no voxel of either image is NaN or infinite
            ("contrast", "i4"),  # measure what interpolation takes of the contrast
            ("residual", "i4"),  # sum up the squares of im1 - gain im2 - shift, in units of the sums
            ("gain", "f8"),
            ("shift", "f8"),
        ],
        # Sums over a block that do not change with Phi as long as the same voxels count.
        "reference": [
            ("known", "f8"),  # 1: of all voxels of the block, and up to date
            ("n", "f8"),
            ("a", "f8"),
            ("aa", "f8"),
            ("g", "f8", 12),
            ("ag", "f8", 12),
            ("M", "f8", (12, 12)),
        ],
        # Sums over a block with im2 under Phi.
        "match": [
            ("b", "f8"),
            ("bb", "f8"),
            ("ab", "f8"),
            ("bg", "f8", 12),
            ("residual", "f8"),
            # over every third plane of each tile, what interpolation takes of the contrast: voxels, sums of b and b^2,
            # and of b^2 that was squared before it was interpolated
            ("contrast_n", "f8"),
            ("contrast_b", "f8"),
            ("contrast_bb", "f8"),
            ("interpolated_bb", "f8"),
        ],
    },
    "deformation": {
        # A displaced node: a voxel p near it comes from p - t + G (p - y), G = F^-1 - I.
        "node": [("y", "f8", 3), ("t", "f8", 3), ("G", "f8", 9)],
        # A displaced tetrahedron: a voxel p in it comes from affine (p - origin, 1).
        "tetrahedron": [
            ("origin", "f8", 3),  # its first node
            ("inverse", "f8", 9),  # times p - origin: barycentric coordinates of its other nodes
            ("affine", "f8", 12),
            ("gain", "f8"),  # of the grey value
            ("low", "f8", 3),
            ("high", "f8", 3),
        ],
        "mapping": [
            ("kind", "i4"),  # place in CHOICES["BY"]
            ("affine", "f8", 12),  # "phi": source = affine (p, 1)
            # "nodes": in the order of the cubic cells they lie in
            ("nodes", "node*"),
            ("starts", "i8*"),  # first node of each cell, and the number of nodes
            ("count", "i8"),
            ("cells", "i8", 3),
            ("low", "f8", 3),  # corner of the first cell
            ("cell", "f8"),  # size of a cell
            ("neighbours", "i4"),
            ("displacement_only", "i4"),  # G = 0
            # "mesh": those that touch the slab; "labels": all, and which of them every voxel of the image lies in
            ("tetrahedra", "tetrahedron*"),
            ("tetrahedra_count", "i8"),
            ("labels", "i4*"),
        ],
        "slab": [
            ("image", "volume*"),
            ("spline", "interpolation*"),
            ("map", "mapping*"),
            ("mask2", "u1*"),  # of the deformed image, 0 = not wanted; or NULL
            ("first", "i8"),  # planes, of one layer of tiles
            ("last", "i8"),
            ("type", "i4"),  # of the values, as volume.type
            ("values", "void*"),  # zeros, to be filled
            ("inside", "u1*"),
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
            ("both", "i4"),  # 1: mean of the gradients of im1 and of im2
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
    "stacks": {
        # Rows of the frames of a stack, as they are read.
        "band": [
            ("data", "f4*"),  # (frames, rows, columns); NaN: no grey value, infinite: a saturated one
            ("level", "f8*"),  # of each frame: what is taken off, and the factor on the rest
            ("scale", "f8*"),
            ("frames", "i8"),
            ("rows", "i8"),
            ("columns", "i8"),
        ],
        # The same as the kernels want them: frames side by side, pixels beyond the image too.
        "stack": [
            ("grey", "f4*"),  # (rows, frames, columns), 0 where there is none
            ("there", "f4*"),  # of the same shape, 1 or 0; or NULL
            ("missing", "f4*"),  # (rows, columns): in so many frames there is no grey value ...
            ("saturated", "f4*"),  # ... because it is saturated
            ("frames", "i8"),
            ("rows", "i8"),
            ("columns", "i8"),
        ],
        # Windows of one stack that are compared with those of the other at all displacements of a range.
        "dense": [
            ("own", "stack"),  # from the first row and column of the first window on
            ("other", "stack"),  # from those of its first displacement on
            ("metric", "i4"),  # see stacks.h
            ("half", "i4", 2),  # of the windows, yx
            ("lags", "i4", 2),  # displacements along each axis ...
            ("beyond", "i4", 2),  # ... of which 1 at each end lies beyond the range, or 0 where that is one value
            ("step", "i4"),  # every step-th row and column is measured
            ("rows", "i8"),  # so many
            ("columns", "i8"),
            ("partial", "i4"),  # grey values that are missing in some frames are left out there
            ("local_mean", "i4"),
            ("peak", "i4"),  # see stacks.h
            ("peak_size", "i4"),
            ("peak_dim", "i4"),
            ("whole_values", "i4"),  # transmission and visibility are those of the nearest pixel
            ("level", "f8", 2),  # grey value of own and other that was taken off, in the units of the rest
            ("least_score", "f8"),
            ("taps_y", "f4*"),  # window function, 2 half + 1 values, whose sum is 1
            ("taps_x", "f4*"),
            ("values", "f4*"),  # (rows, columns, 5): displacement yx from the first one of the range, score, T, V
            ("statuses", "i4*"),  # (rows, columns)
        ],
    },
    "refine": {
        # Frames of the template, whose pixels the windows stand on, and of the other image, which is warped. Rows of
        # both are those of the image from `first` on, between MARGIN more on all sides.
        "refinement": [
            ("grey", "f4*"),  # of the template, (frames, rows, columns)
            ("coefficients", "f4*"),  # of the spline of the other image, of the same shape
            ("grey_missing", "u1*"),  # 1: pixel that is not there, of the same shape; or NULL
            ("other_missing", "u1*"),
            ("grey_counts", "i4*"),  # pixels missing in any frame above and left of (row, column), one more of each
            ("other_counts", "i4*"),
            ("frames", "i8"),
            ("rows", "i8"),  # with the margins
            ("columns", "i8"),
            ("first", "i8"),
            ("height", "i8"),  # of the image
            ("width", "i8"),
            ("half", "i4"),  # of windows
            ("affine", "i4"),  # 1: six unknowns; 0: a translation
            ("partial", "i4"),  # 1: pixels missing in some frames are left out there; 0: no window has any
            ("most_iterations", "i4"),
            ("weights", "f4*"),  # of the pixels of a window
            ("tolerance", "f8"),  # step at the edge of the window, pixels
            ("most_moved", "f8"),  # from the start, pixels
        ],
        "refine_point": [("pixel", "i8", 2), ("start", "f8", 2)],  # of the window; its displacement in the other image
        "refined": [
            ("displacement", "f8", 2),
            ("std", "f8", 2),
            ("gradient", "f8", 4),  # of the displacement, per pixel: y along y, y along x, x along y, x along x
            ("start_score", "f8"),  # correlation at the start
            # Weighted sums over window and frames, of the template I and the other image R: 1, I, R, II, IR, RR
            ("moments", "f8", 6),
            ("iterations", "i4"),
            ("return_status", "i4"),
        ],
    },
    "tomography": {
        # A view: which voxels its rays cross, and where voxels fall on it. The main axis is the one that rays are
        # most parallel to; slice i of it is crossed by the ray of pixel (j, k), on the other axes b < c, at
        # start + slice i + pixel (j, k).
        "beam": [
            ("axis", "i4"),  # the main one: 0 x, 1 y, 2 z
            ("start", "f8", 2),
            ("slice", "f8", 2),
            ("pixel", "f8", 4),  # b along j, b along k, c along j, c along k
            ("length", "f8"),  # of a ray between two slices
            ("origin", "f8", 2),  # voxel (x, y, z) falls on pixel origin + voxel (x, y, z)
            ("voxel", "f8", 6),  # j along x, y, z; k along x, y, z
            ("reach", "f8", 2),  # pixels whose rays take of a voxel are nearer than that along j and k
            ("row", "i8"),  # of a single axis: pixel k lies at z = +-k + row + fraction
            ("fraction", "f8"),
        ],
        "projection": [
            ("data", "void*"),  # read: a volume or views, with zeros around
            ("values", "void*"),  # filled: views or planes of a volume, without
            ("beams", "beam*"),
            ("count", "i8"),  # of beams
            ("volume", "i8", 3),  # xyz, without the zeros
            ("view", "i8", 2),  # jk
            ("first", "i8"),  # of the planes
            ("planes", "i8"),
        ],
    },
}
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
