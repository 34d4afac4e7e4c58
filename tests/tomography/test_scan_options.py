"""Options that name a scan."""

import pytest

from hpcdvc.errors import UserError
from hpcdvc.options.align import Options


def test_the_size_of_the_volume():
    assert Options(scan="a.h5").volume_shape is None
    assert Options(scan="a.h5", volume=("auto",)).volume_shape is None
    assert Options(scan="a.h5", volume=("7", "8", "9")).volume_shape == (7, 8, 9)


@pytest.mark.parametrize(
    "words", [("7", "8"), ("7", "8", "0"), ("7", "8", "x"), ("auto", "8", "9"), ("7", "8", "9" * 9)]
)
def test_sizes_that_are_none(words):
    with pytest.raises(UserError, match="-volume takes auto or three whole numbers"):
        Options(scan="a.h5", volume=words)
