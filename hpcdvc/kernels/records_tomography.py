"""Records of projections of volumes: see `records`, which reads this as a file."""

GROUPS = {
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
