"""Image correlation: windows, whole images from coarse to fine, and the search for a start.

May import `output` and what that may import. Begin reading with `settings`, what a registration is told; then

* for points `windows`: the iterations are in its kernel, which reads `kernel_settings` with the `filters` in them
* for whole images from the outside in `api`, `task`, `multiscale`, `gauss_newton`, `pair`; `levels` makes coarse copies
* for a start `find_start`, which tries the `candidates`

`control` has the numbers by which windows and whole images are judged alike.
"""
