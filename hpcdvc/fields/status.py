"""How a point ended: one number, one meaning, in every command and every file."""

from enum import IntEnum


class Status(IntEnum):
    """Return status of a point; 2 is the only one to trust."""

    CONVERGED = 2
    MAX_ITERATIONS = 1
    NOT_EVALUATED = 0
    ERROR_GROWTH = -1
    SINGULAR = -2
    VOLUME_CHANGE = -3
    SINGULAR_PHI = -4
    GREY_THRESHOLD = -5
    FEW_VALID_VOXELS = -6
    BAD_GUESS = -7
    LEFT_IMAGE = -8
    DECORRELATED = -9


#: status -> (reason, what to try)
STATUS_TEXT = {
    Status.CONVERGED: ("converged", ""),
    Status.MAX_ITERATIONS: (
        "maximum number of iterations reached",
        "raise -it or -dp, or give a better start with -pf",
    ),
    Status.NOT_EVALUATED: ("nothing evaluated", ""),
    Status.ERROR_GROWTH: ("the residual grew", "larger -hws, or a better start with -pf"),
    Status.SINGULAR: ("no texture: the equations are singular", "larger -hws, or skip such windows with -glt"),
    Status.VOLUME_CHANGE: ("volume ratio outside 0.2 to 3", "larger -hws, or a better start with -pf"),
    Status.SINGULAR_PHI: ("the deformation function became singular", "a better start with -pf"),
    Status.GREY_THRESHOLD: ("mean grey value outside -glt and -ght", ""),
    Status.FEW_VALID_VOXELS: ("fewer valid voxels in the window of im1 than -mc", "lower -mc, or check the mask"),
    Status.BAD_GUESS: ("the start from -pf is not finite", "filter the start field first"),
    Status.LEFT_IMAGE: ("left im2, or hit its masked voxels", "lower -mc, or a larger image"),
    Status.DECORRELATED: ("converged on grey values that do not match", "a better start with -pf"),
}
