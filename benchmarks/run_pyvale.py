"""One run of pyvale, by its own Python: im1 im2 out window spacing crop shape filtered|as-they-are."""

import os
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def main(im1: str, im2: str, out: str, window: int, spacing: int, crop: int, shape: str, filtering: str) -> None:
    """Defaults of pyvale for all else, but for the largest displacement, which it is told."""
    images = [np.ascontiguousarray(np.asarray(Image.open(path))[crop:, crop:]) for path in (im1, im2)]
    os.chdir(out)  # the import leaves a log file where it is
    from pyvale import dic

    middle = [images[0].shape[1] - 500, images[0].shape[0] // 2]
    kernel = {} if filtering == "filtered" else {"image_filter_kernel": 1}
    dic.calculate_2d(
        *images,
        roi_mask=np.ones(images[0].shape, bool),
        seed=middle,
        subset_size=window,
        subset_step=spacing,
        shape_function=shape,
        num_threads=1,
        max_displacement=10,
        output_basepath=Path(out),
        output_below_threshold=True,
        print_level=0,
        **kernel,
    )


if __name__ == "__main__":
    main(*sys.argv[1:4], *map(int, sys.argv[4:7]), *sys.argv[7:])
