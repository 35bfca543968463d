"""A torch network written to an ONNX file, complete or not at all."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

OPSET = 17
"""Version of the ONNX operators; every runtime of `models.runtime` reads it."""


def export_onnx(
    network: nn.Module,
    example: Tensor,
    path: Path,
    *,
    axes: Mapping[str, Mapping[int, str]],
    metadata: Mapping[str, str],
) -> None:
    """Write a network to ``path``, replacing what is there at once when it is complete.

    Parameters
    ----------
    network : nn.Module
        Takes one tensor and answers a tuple of tensors.
    example : Tensor
        An input to trace it with.
    path : Path
        Where the file goes. Its folder exists.
    axes : mapping
        For the input first, then for each output: its name, and the axes of it that take any
        size, by number, with a name for that size.
    metadata : mapping of str to str
        Properties that are stored in the file.
    """
    names = list(axes)
    # A file of its own for each writer: two processes at once both end with a whole one.
    handle, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    os.close(handle)
    try:
        with warnings.catch_warnings(), torch.inference_mode():
            # Traced shapes and the age of this exporter: known, and of no use to the caller.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.eval(),
                (example,),
                partial,
                opset_version=OPSET,
                input_names=names[:1],
                output_names=names[1:],
                dynamic_axes={name: dict(sizes) for name, sizes in axes.items()},
                dynamo=False,
            )
        model = onnx.load(partial)
        onnx.helper.set_model_props(model, dict(metadata))
        onnx.save(model, partial)
        os.replace(partial, path)
    finally:
        Path(partial).unlink(missing_ok=True)
