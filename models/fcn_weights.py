"""A trained FCN as one file: its tensors, and what has to be known to build its network again.

The file is in the safetensors format, which holds tensors and text and can run no code.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from models.backbones import load_backbone
from models.errors import ModelError
from models.fcn_network import FcnNetwork
from models.fcn_segmentation import FcnSegmentationNetwork
from models.fcn_spec import METADATA, FcnSpec, read_spec


def build_fcn(spec: FcnSpec, *, pretrained: bool = False) -> FcnNetwork | FcnSegmentationNetwork:
    """A network as described, its heads untrained.

    Parameters
    ----------
    spec : FcnSpec
        What is built.
    pretrained : bool
        Start the backbone from its published weights, not from random ones.

    Raises
    ------
    InvalidInput
        A backbone, a stride or classes that there cannot be.
    WeightsError
        The published weights are not to be had.
    """
    backbone = load_backbone(spec.backbone, pretrained=pretrained)
    if spec.kind == "segmenter":
        return FcnSegmentationNetwork(backbone, spec.names, finest=spec.stride)
    return FcnNetwork(backbone, spec.names, stride=spec.stride, width=spec.width)


def save_fcn(network: FcnNetwork | FcnSegmentationNetwork, spec: FcnSpec, path: Path) -> None:
    """Write a network to ``path``, replacing what is there at once when it is complete.

    Kernels are rounded to float16, which halves the file; all else stays as it is.
    """
    tensors = {
        name: (value.half() if value.ndim == 4 else value).contiguous()
        for name, value in network.state_dict().items()
    }
    partial = path.with_name(f".{path.name}.partial")
    try:
        save_file(tensors, partial, metadata={METADATA: json.dumps(asdict(spec))})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load_fcn(path: Path) -> tuple[FcnNetwork | FcnSegmentationNetwork, FcnSpec]:
    """The network of a file, in evaluation mode, float32, and what it is.

    Raises
    ------
    ModelError
        It is no file that `save_fcn` has written, or its tensors do not fit.
    """
    spec = read_spec(path)
    network = build_fcn(spec)
    try:
        # Rounded kernels are copied into those of float32.
        network.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise ModelError(f"{path}: its tensors do not fit {spec.backbone}: {reason}") from error
    return network.eval(), spec
