"""Records of stacks of frames, of dense maps and their refinement: see `records`, which reads this as a file."""

GROUPS = {
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
            ("of_correlation", "i4"),  # the peak is that of the correlation, not that of the score
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
