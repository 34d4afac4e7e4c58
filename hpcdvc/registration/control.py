"""Numbers that steer and judge Gauss-Newton iterations, the same for windows and for whole images.

The kernel of the windows is handed them (kernel_settings.py), that of whole images reads them here (gauss_newton.py).
Why there are two, and what is different on purpose: docs/theory/registration.md, "One control, two loops".
"""

#: Norm of the change of Phi from which on the residual is mostly noise and error of interpolation, hardly motion.
NEAR = 0.1
#: The residual has grown when so much of it is more than all of the one before.
GROWTH = 0.8
#: Least and greatest det F: no material is squeezed or stretched like that between two images, iterations astray are.
VOLUME_RATIO = (0.2, 3.0)
#: Least variance of what is compared, in units of its own mean square about what is subtracted from the image:
#: below, float32 holds no texture beside its rounding. Each image is judged on its own scale of grey values.
LEAST_VARIANCE = 1e-10
#: Least part of the standard deviation that trilinear interpolation can leave; where less is found there is hardly any
#: texture in the planes that were looked at, and nothing is corrected.
LEAST_CONTRAST = 0.5
