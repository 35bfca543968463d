"""One implementation for NumPy arrays and torch tensors: their namespace, precision and checks.

Only the library that an array came from is ever imported, so NumPy callers never load torch.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import array_api_compat
import array_api_compat.numpy as numpy_namespace
import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput

if TYPE_CHECKING:
    from torch import Tensor

Array = TypeVar("Array", NDArray[Any], "Tensor")
"""A NumPy array or a torch tensor; what comes back is of the same kind, on the same device."""

AnyArray: TypeAlias = "NDArray[Any] | Tensor"
"""A further argument, of the same kind as the first one."""


def namespace(*arrays: Any) -> Any:
    """The array-API namespace that all the arguments belong to.

    Raises
    ------
    InvalidInput
        NumPy arrays and tensors are mixed, or something is neither.
    """
    if all(isinstance(array, np.ndarray) for array in arrays):
        return numpy_namespace
    try:
        return array_api_compat.array_namespace(*arrays)
    except TypeError as error:
        kinds = ", ".join(type(array).__name__ for array in arrays)
        raise InvalidInput(f"NumPy arrays or tensors of one kind expected, got {kinds}") from error


class Precision(NamedTuple):
    """What is computed in for an array of some dtype, and what is answered in."""

    compute: Any
    """float64 for integers, float32 for half precision, into which no area of a box fits."""
    answer: Any
    """The array's own dtype if it holds floats, else float64."""
    smallest: float
    """The least positive number whose inverse is finite."""
    largest: float
    """Coordinates up to here have finite squares, and sums of a few of them."""


@cache
def precision(xp: Any, dtype: Any) -> Precision:
    """How to compute with arrays of a dtype.

    Raises
    ------
    InvalidInput
        The dtype holds no real numbers.
    """
    if not xp.isdtype(dtype, ("integral", "real floating")):
        raise InvalidInput(f"an array of real numbers expected, got {dtype}")
    floats = xp.isdtype(dtype, "real floating")
    if not floats:
        compute = xp.float64
    else:
        compute = dtype if dtype in (xp.float32, xp.float64) else xp.float32
    limits = xp.finfo(compute)
    largest = 2.0 ** (math.log2(limits.max) // 2 - 3)
    answer = dtype if floats else xp.float64
    return Precision(compute, answer, float(limits.smallest_normal), largest)


def magnitude(xp: Any, array: Any, what: str) -> float:
    """The largest absolute value, 0 for an empty array; NaN and infinity are refused.

    Raises
    ------
    InvalidInput
        NaN or infinity; names the first row that has one, and its values.
    """
    values = constant(array)
    if 0 in values.shape:
        return 0.0
    # Both libraries hand NaN through a maximum, so this one pass is also the check.
    largest = float(abs(values).max())
    if math.isfinite(largest):
        return largest
    rows = xp.reshape(values, (-1, values.shape[-1])) if values.ndim > 1 else values[:, None]
    row = int(xp.argmin(xp.astype(xp.all(xp.isfinite(rows), axis=1), xp.uint8)))
    raise InvalidInput(
        f"{what}: finite numbers expected, row {row} is {rows[row].tolist()}; drop it beforehand"
    )


def to_numpy(array: Any) -> NDArray[Any]:
    """The values as a NumPy array: the same memory where they are on the CPU."""
    if isinstance(array, np.ndarray):
        return array
    values: NDArray[Any] = constant(array).cpu().numpy()
    return values


def like(array: Array, values: NDArray[Any]) -> Array:
    """Values as an array of the same kind, on the same device; their dtype stays."""
    if isinstance(array, np.ndarray):
        return values
    xp = namespace(array)
    answer: Array = xp.asarray(values, device=array.device)
    return answer


def constant(array: Any) -> Any:
    """The same numbers without their gradient."""
    return array.detach() if hasattr(array, "detach") else array
