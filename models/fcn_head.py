"""The head of a classifier, and the same head made of convolutions.

A head is read from the end of a traced graph, node by node, together with the shapes that the
values have at the training size. A flattened vector stands for a window of a map: a dense layer on
it becomes a convolution as large as that window.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from models.errors import ModelError

Kind: TypeAlias = Literal["flatten", "mean", "maximum", "dense", "pointwise", "normalise"]

_KINDS: dict[Any, Kind] = {
    **dict.fromkeys((nn.Flatten, torch.flatten, torch.squeeze, torch.reshape), "flatten"),
    **dict.fromkeys(("flatten", "squeeze", "view", "reshape"), "flatten"),
    **dict.fromkeys((nn.AdaptiveAvgPool2d, nn.AvgPool2d, torch.mean, "mean"), "mean"),
    **dict.fromkeys((functional.adaptive_avg_pool2d, functional.avg_pool2d), "mean"),
    **dict.fromkeys((nn.AdaptiveMaxPool2d, nn.MaxPool2d), "maximum"),
    nn.Linear: "dense",
    **dict.fromkeys((nn.Identity, nn.Dropout, nn.Dropout2d, functional.dropout), "pointwise"),
    **dict.fromkeys((nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU), "pointwise"),
    **dict.fromkeys((nn.Hardswish, nn.Tanh, nn.Sigmoid, nn.Conv2d, nn.BatchNorm2d), "pointwise"),
    **dict.fromkeys((functional.relu, torch.relu, "relu"), "pointwise"),
    **dict.fromkeys((nn.BatchNorm1d, nn.LayerNorm), "normalise"),
}
"""What a module, function or method does in a head."""

_IDENTITIES = (nn.Identity, nn.Dropout, nn.Dropout2d)


class HeadStep(NamedTuple):
    """One operation of a head, with the shapes that it has at the training size."""

    name: str
    kind: Kind
    module: nn.Module | None
    """The layer, for an operation that is one."""
    target: Any
    """The function or the name of the method, else."""
    before: tuple[int, ...]
    after: tuple[int, ...]

    def fail(self, reason: str) -> ModelError:
        """The error for a step that has no counterpart."""
        what = type(self.module).__name__ if self.module is not None else str(self.target)
        return ModelError(f"head: {self.name!r} ({what}) {reason}")


def head_step(network: fx.GraphModule, node: Any) -> HeadStep | None:
    """The step that a node is, or None for a node that belongs to the backbone."""
    if not isinstance(node, fx.Node) or not node.args or not isinstance(node.args[0], fx.Node):
        return None
    module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
    if module is None:
        kind = _KINDS.get(node.target)
    else:
        kind = next((_KINDS[base] for base in type(module).__mro__ if base in _KINDS), None)
    before, after = (item.meta["shape"] for item in (node.args[0], node))
    if kind in ("mean", "maximum") and not _ends_the_map(module, node.target, after):
        return None
    if isinstance(module, nn.Conv2d | nn.BatchNorm2d) and before[2:] != (1, 1):
        # Behind global pooling these are pointwise; before it they are the backbone's.
        return None
    return None if kind is None else HeadStep(node.name, kind, module, node.target, before, after)


def _ends_the_map(module: nn.Module | None, target: Any, after: tuple[int, ...]) -> bool:
    """Whether a pooling leaves one value a channel, or a grid of fixed size."""
    adaptive = isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d)
    return adaptive or target is functional.adaptive_avg_pool2d or set(after[2:]) <= {1}


def convolutional_head(steps: Sequence[HeadStep]) -> nn.Sequential:
    """The same steps on a map of any size.

    Raises
    ------
    ModelError
        A step that cannot be moved over a map.
    """
    layers: list[nn.Module] = []
    pooling: tuple[Tensor, Tensor] | None = None
    window: tuple[int, ...] = ()
    for step in steps:
        if step.kind in ("mean", "maximum") and set(step.after[2:]) <= {1}:
            layers.append(_sliding_pool(step))
        elif step.kind in ("mean", "maximum"):
            pooling = _grid_pool(step)
        elif step.kind == "flatten":
            window = step.before[1:] if len(step.before) == 4 else window
        elif step.kind == "dense":
            layers.append(_convolution(step, window or step.before[1:], pooling))
            window, pooling = (), None
        elif pooling is not None and not isinstance(step.module, _IDENTITIES):
            raise step.fail("stands between a pooling to a grid and its dense layer")
        elif step.kind == "normalise":
            layers.append(_normalisation(step, window))
        else:
            layers.append(_pointwise(step))
    if pooling is not None:
        raise ModelError("head: a pooling to a grid without a dense layer behind it")
    return nn.Sequential(*layers)


def _sliding_pool(step: HeadStep) -> nn.Module:
    """Global pooling as a window of the training size that moves by one."""
    size: Any = step.before[2:]
    if isinstance(step.module, nn.AvgPool2d | nn.MaxPool2d):
        size = step.module.kernel_size
        if step.module.padding not in (0, (0, 0)):
            raise step.fail("pads the last map")
    return nn.AvgPool2d(size, 1) if step.kind == "mean" else nn.MaxPool2d(size, 1)


def _grid_pool(step: HeadStep) -> tuple[Tensor, Tensor] | None:
    """The means of an adaptive pooling as two matrices, [rows, H] and [columns, W].

    None where it does nothing at the training size.
    """
    if step.before == step.after:
        return None
    if step.kind == "maximum":
        raise step.fail("takes maxima over a grid, which no convolution does")
    rows, columns = (
        functional.adaptive_avg_pool1d(torch.eye(size)[None], cells)[0].T
        for size, cells in zip(step.before[2:], step.after[2:], strict=True)
    )
    return rows, columns


def _convolution(
    step: HeadStep, window: tuple[int, ...], pooling: tuple[Tensor, Tensor] | None
) -> nn.Conv2d:
    """A dense layer on a window [C, h, w], or on C values, as a convolution."""
    dense = step.module
    if not isinstance(dense, nn.Linear) or len(step.before) != 2:
        raise step.fail("is applied to something else than a vector")
    shape = window if len(window) == 3 else (*window, 1, 1)
    weight = dense.weight.detach().reshape(dense.out_features, *shape)
    if pooling is not None:
        rows, columns = (matrix.to(weight) for matrix in pooling)
        weight = torch.einsum("ocij,ih,jw->ochw", weight, rows, columns)
    layer = nn.Conv2d(
        weight.shape[1],
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        bias=dense.bias is not None,
        device=weight.device,
        dtype=weight.dtype,
    )
    with torch.no_grad():
        layer.weight.copy_(weight)
        if layer.bias is not None and dense.bias is not None:
            layer.bias.copy_(dense.bias)
    return layer


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each cell."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, values: Tensor) -> Tensor:
        normed: Tensor = self.norm(values.movedim(1, -1))
        return normed.movedim(-1, 1)


def _normalisation(step: HeadStep, window: tuple[int, ...]) -> nn.Module:
    if window[1:] not in ((), (1, 1)):
        raise step.fail(f"normalises a flattened window of {window[1]}x{window[2]}")
    module = deepcopy(step.module)
    if isinstance(module, nn.LayerNorm):
        # A layer that takes whole maps knows where their channels are.
        return module if len(step.before) == 4 else _ChannelNorm(module)
    if not isinstance(module, nn.BatchNorm1d):
        raise step.fail("is of an unknown kind of normalisation")
    weight = module.running_var
    kind = {} if weight is None else {"device": weight.device, "dtype": weight.dtype}
    spread: Callable[..., nn.Module] = nn.BatchNorm2d
    layer = spread(
        module.num_features,
        module.eps,
        module.momentum,
        module.affine,
        module.track_running_stats,
        **kind,
    )
    layer.load_state_dict(module.state_dict())
    return layer


def _pointwise(step: HeadStep) -> nn.Module:
    if step.module is not None:
        return deepcopy(step.module)
    return nn.Identity() if step.target is functional.dropout else nn.ReLU()
