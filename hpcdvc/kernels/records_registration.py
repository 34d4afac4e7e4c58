"""Records of windows and whole images, and of deformed images: see `records`, which reads this as a file."""

GROUPS = {
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
}
