"""Records of two images of other modalities: see `records`, which reads this as a file."""

GROUPS = {
    "multimodal": {
        # Two images: x2 = centre + t + F (x1 - centre); grey values in bins, (grey - low) * scale from 0 to bins - 1.
        "modal_images": [
            ("im1", "volume*"),
            ("im2", "volume*"),
            ("phi", "f8", (3, 4)),
            ("centre", "f8", 3),
            ("low", "f8", 2),
            ("scale", "f8", 2),
            ("bins", "i4"),
            # Of the mixture, at nodes that span all bins of im1 (slow) and im2: log density, - score / sqrt(weight),
            # sqrt(weight), 0. Each row is followed by a node more, all rows by one more. Or NULL.
            ("table", "f4*"),
            ("nodes", "i4", 2),  # without these
        ],
        # Sums over a block, J = gradient of im2 where x2 is times (x1 - centre, 1).
        "modal_sums": [
            ("matrix", "f8", (12, 12)),  # weight J J^T
            ("right", "f8", 12),  # - score J
            ("log_likelihood", "f8"),
            ("count", "f8"),  # voxels
            ("outside", "f8"),  # voxels that count in im1, but not in im2
        ],
        # A Gaussian over the bins of im1 and im2, and the bins that it reaches.
        "modal_component": [
            ("mean", "f8", 2),
            ("precision", "f8", 3),  # inverse of the covariance: of im1, mixed, of im2
            ("height", "f8"),
            ("first", "i8", 2),
            ("stop", "i8", 2),
        ],
        # Its part of a histogram; of the bins near a phase that part, and its moments about the mean.
        "modal_share": [
            ("weight", "f8"),
            ("near", "f8"),
            ("first", "f8", 2),
            ("second", "f8", 2),
            ("mixed", "f8"),
        ],
    },
}
