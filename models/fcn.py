"""Classifiers turned into fully convolutional networks: a grid of answers for an image of any size.

A dense layer after flattening a map of 7x7 is a convolution of 7x7 with the same weights, and after
global pooling one of 1x1 behind a pooling window that slides. At the size that the classifier was
trained for the converted network gives one cell with the classifier's answer; on a larger image one
cell for each position of that window, a stride of the backbone apart, in a single look.

A cell equals the classifier's answer for its window cut out of the image, as long as the backbone
pads nothing and pools nothing globally. Padding makes a cut-out see zeros where the whole image has
pixels, and squeeze-and-excitation weighs channels by the whole image; there the head still equals
the classifier's head on each window of the backbone's map.

Source: Long, Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation",
CVPR 2015.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, fx, nn

from models.errors import InvalidInput, ModelError
from models.fcn_head import HeadStep, convolutional_head, head_step


class FullyConvolutional(nn.Module):
    """A backbone and a head of convolutions.

    Attributes
    ----------
    backbone : nn.Module
        [N, 3, H, W] to a map [N, C, H / stride, W / stride].
    head : nn.Module
        That map to a grid [N, K, rows, columns], whatever its size.
    """

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """Answers [N, K, rows, columns] for images [N, 3, H, W] not below the training size."""
        grid: Tensor = self.head(self.backbone(images))
        return grid


def to_fully_convolutional(
    model: nn.Module, input_size: int | tuple[int, int]
) -> FullyConvolutional:
    """A classifier's dense layers as convolutions with the same weights.

    Understood are flattening or global pooling (adaptive, of a fixed size, or a mean), then dense
    layers with activations, dropout and normalisation between them; also an adaptive pooling to a
    grid before the flattening, as in AlexNet and VGG. The model itself is left as it is.

    Parameters
    ----------
    model : nn.Module
        [N, 3, H, W] to [N, K]; what ``torch.fx`` can trace.
    input_size : int or (int, int)
        The size it was trained for: side, or height and width, in pixels.

    Returns
    -------
    FullyConvolutional
        In evaluation mode, with weights of its own.

    Raises
    ------
    InvalidInput
        The model does not take that size, or does not answer [N, K].
    ModelError
        The model cannot be traced, or its head is of another kind; the message names the layer.
    """
    height, width = (input_size, input_size) if isinstance(input_size, int) else input_size
    network = trace(model)
    _measure(network, height, width)
    steps, last = _split(network)
    head = convolutional_head(steps)
    _end_at(network, last)
    return FullyConvolutional(network, head).eval()


class _Tracer(fx.Tracer):
    """Normalisation layers stay whole, also a library's own kinds of them."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, nn.LayerNorm) or super().is_leaf_module(m, module_qualified_name)


def trace(model: nn.Module) -> fx.GraphModule:
    """The graph of a model in evaluation mode; its weights are copied.

    Raises
    ------
    ModelError
        What its forward does depends on values.
    """
    training = model.training
    model.eval()
    try:
        graph = _Tracer().trace(model)
        return fx.GraphModule(deepcopy(model), graph)
    except (fx.proxy.TraceError, TypeError) as error:
        raise ModelError(
            f"{type(model).__name__} cannot be traced, its forward depends on values: {error}"
        ) from error
    finally:
        model.train(training)


def note_shapes(network: fx.GraphModule, images: Tensor) -> Any:
    """Run a network, and note the shape of every tensor on the way as its node's ``shape``."""
    return _Shapes(network).run(images)


class _Shapes(fx.Interpreter):
    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        n.meta["shape"] = tuple(value.shape) if isinstance(value, Tensor) else ()
        return value


def _measure(network: fx.GraphModule, height: int, width: int) -> None:
    """Note the shape of every value at the training size."""
    weight = next(network.parameters(), torch.zeros(()))
    probe = torch.zeros(2, 3, height, width, dtype=weight.dtype, device=weight.device)
    try:
        with torch.no_grad():
            answer = note_shapes(network, probe)
    except RuntimeError as error:
        raise InvalidInput(
            f"input_size: the model does not take [N, 3, {height}, {width}]: {error}"
        ) from error
    if not isinstance(answer, Tensor) or answer.ndim != 2:
        shape = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
        raise InvalidInput(f"model: a classifier that answers [N, K] expected, it gives {shape}")


def _split(network: fx.GraphModule) -> tuple[list[HeadStep], fx.Node]:
    """The steps of the head, first to last, and the last node of the backbone."""
    node: Any = _output(network).args[0]
    steps: list[HeadStep] = []
    while (step := head_step(network, node)) is not None:
        steps.append(step)
        node = node.args[0]
    if len(node.meta["shape"]) != 4:
        raise ModelError(
            f"the head goes through {node.name!r} ({node.op} {node.target}), which is none of: "
            "flattening, pooling, dense layer, activation, dropout, normalisation"
        )
    return steps[::-1], node


def _end_at(network: fx.GraphModule, last: fx.Node) -> None:
    """Make a node the answer, and drop what comes after it."""
    _output(network).args = (last,)
    network.graph.eliminate_dead_code()
    network.recompile()
    network.delete_all_unused_submodules()


def _output(network: fx.GraphModule) -> fx.Node:
    node: fx.Node = next(iter(reversed(network.graph.nodes)))
    return node
