"""Records of the groups of kernels beside those of `hpcdvc.kernels.records`, in the same form."""

MORE_GROUPS = {
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
}
