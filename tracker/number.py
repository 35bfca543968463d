"""Numbers that meet arrays on every frame, as arrays without dimensions.

NumPy turns a Python number into an array whenever it meets one. For the twenty numbers of a small
frame that costs as much as the operation itself; an array is taken as it is.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def number(value: float | np.floating[Any]) -> Any:
    """A number as an array without dimensions that cannot be changed."""
    array = np.array(value)
    array.setflags(write=False)
    return array


ZERO, HALF, ONE = number(0.0), number(0.5), number(1.0)
"""Those that occur in most formulas."""
