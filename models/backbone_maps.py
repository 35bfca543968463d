"""A classifier's maps at strides of 8, 16 and 32, found in its graph.

The graph is cut behind the last value of each stride, so that any network whose maps halve on the
way becomes a backbone, whatever its layers are called.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import fx, nn

from models.errors import ModelError
from models.fcn import note_shapes, trace
from models.fcn_backbone import IMAGENET, STRIDES, Backbone, Colours

_PROBE = 256
"""Side of the image whose maps are looked at: of none of them is a usual head's grid the size."""


def backbone_of(classifier: nn.Module, colours: Colours = IMAGENET) -> Backbone:
    """The part of a classifier that gives maps, without its head. It is taken over.

    Its convolutions and poolings are padded so that every map is exactly as large as the image
    divided by the stride; at the border it then sees a little otherwise than the classifier.

    Parameters
    ----------
    classifier : nn.Module
        Takes normalised images [N, 3, H, W].
    colours : Colours
        How they are normalised.

    Raises
    ------
    ModelError
        It cannot be traced, or does not have these maps.
    """
    _pad(classifier)
    network = trace(classifier)
    try:
        with torch.no_grad():
            note_shapes(network, torch.zeros(1, 3, _PROBE, _PROBE))
    except (RuntimeError, AssertionError) as error:
        raise ModelError(
            f"backbone: it takes no image of {_PROBE}x{_PROBE}: {str(error).splitlines()[0]}"
        ) from error
    ends = [_neck(network, stride) for stride in STRIDES]
    _keep(network, ends)
    first = next(iter(network.graph.nodes))
    parts = [
        _between(network, begin, end) for begin, end in zip([first, *ends], ends, strict=False)
    ]
    channels = [node.meta["shape"][1] for node in ends]
    return Backbone(
        (parts[0], parts[1], parts[2]), (channels[0], channels[1], channels[2]), colours
    )


def _pad(model: nn.Module) -> None:
    """Pad whatever steps over an image so that it leaves no border out."""
    layer: Any
    for layer in model.modules():
        pools = isinstance(layer, nn.MaxPool2d) and not layer.ceil_mode
        if pools or (isinstance(layer, nn.Conv2d) and layer.dilation == (1, 1)):
            size, step = _pair(layer.kernel_size), _pair(layer.stride)
            if size[0] > step[0]:
                layer.padding = (size[0] // 2, size[1] // 2)


def _pair(value: Any) -> tuple[int, int]:
    """What torch gives as one number or as two."""
    return value if isinstance(value, tuple) else (value, value)


def _keep(network: fx.GraphModule, maps: list[fx.Node]) -> None:
    """See to it that no layer overwrites a map that is an answer, too."""
    for reader in (reader for node in maps for reader in node.users):
        layer: Any = network.get_submodule(str(reader.target)) if reader.op == "call_module" else 0
        if hasattr(layer, "inplace"):
            layer.inplace = False


def _neck(network: fx.GraphModule, stride: int) -> fx.Node:
    """The last map of a stride that all that follows is made of."""
    side = _PROBE // stride
    nodes: list[fx.Node] = list(network.graph.nodes)
    place = {node: number for number, node in enumerate(nodes)}
    oldest = len(nodes)  # of what is read further on
    for number, node in reversed(list(enumerate(nodes))):
        if oldest >= number and node.meta["shape"][2:] == (side, side):
            return node
        oldest = min([oldest, *(place[other] for other in node.all_input_nodes)])
    raise ModelError(
        f"backbone: no map of stride {stride}; networks with maps at strides of {STRIDES} expected"
    )


def _between(network: fx.GraphModule, begin: fx.Node, end: fx.Node) -> fx.GraphModule:
    """The part of a network from one value to another."""
    graph = fx.Graph()
    copies = {begin: graph.placeholder("values")}
    nodes = list(network.graph.nodes)
    for node in nodes[nodes.index(begin) + 1 : nodes.index(end) + 1]:
        copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[end])
    part = fx.GraphModule(network, graph)
    part.graph.eliminate_dead_code()
    part.recompile()
    part.delete_all_unused_submodules()
    return part
