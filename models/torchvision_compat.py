"""TorchVision beside a torch that its compiled operators do not match.

Such a TorchVision stops its own import, because ``torchvision::nms`` is missing. Here our
suppression stands in for that operator, and our RoI align for the other one that detectors need.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from threading import Lock
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from models.errors import ModelError
from models.nms import nms
from models.roi_align import roi_align

_LOCK = Lock()
_SIGNATURE = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"


def load_torchvision() -> ModuleType:
    """TorchVision, with our operators where its compiled ones cannot be loaded.

    Safe from any thread.

    Raises
    ------
    ModelError
        It is not installed, or does not import for another reason.
    """
    with _LOCK:
        try:
            return import_module("torchvision")
        except ImportError as error:
            raise ModelError("torchvision is not installed: pip install torchvision") from error
        except RuntimeError as error:
            if "torchvision::nms" not in str(error):
                raise ModelError(f"torchvision does not import: {error}") from error
        _operators()
        torchvision = import_module("torchvision")
        # Its box functions ask for the compiled library before they call the operator.
        boxes: Any = import_module("torchvision.ops.boxes")
        boxes._assert_has_ops = _nothing_to_assert
        poolers: Any = import_module("torchvision.ops.poolers")
        poolers.roi_align = roi_align
        return torchvision


@cache
def _operators() -> Any:
    """The operators whose absence stops the import; they live as long as this object."""
    library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]
    for name in ("nms", "qnms"):
        library.define(name + _SIGNATURE)
    library.impl("nms", _nms, "CompositeExplicitAutograd")
    return library


def _nms(dets: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    return nms(dets, scores, iou_threshold)


def _nothing_to_assert() -> None:
    """Stand in for the check that the compiled library is there."""
