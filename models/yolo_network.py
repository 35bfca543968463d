"""Ultralytics checkpoints as plain torch networks that take camera pixels and stop at the head.

A checkpoint is a pickle. It is read with torch's restricted unpickler, which builds only the
known classes of the architecture, and only after its hash was found in the catalogue.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from torch import Tensor, nn

from models import catalog
from models.errors import ModelError
from models.yolo_head import HeadSpec

HEADS = ("Detect", "v10Detect", "Segment", "Segment26")
"""Names of the classes of heads that are known here."""


class YoloNetwork(nn.Module):
    """A YOLO network from uint8 pixels to its undecoded head.

    Takes uint8 [B, H, W, 3] in BGR order, H and W multiples of the largest stride. Answers box
    features [B, h, w, F] of every level, then logits [B, h, w, C] of every level; where it
    segments, also mask coefficients [B, h, w, M] of every level, and prototypes
    [B, M, H / 4, W / 4]. Levels are apart and channels last as the convolutions write them; to join
    them would copy all that is answered.

    Parameters
    ----------
    model : nn.Module
        An Ultralytics model of the tasks detect or segment. It is taken over and changed.
    imgsz : int
        Side of the input that it was trained at, in pixels.
    end_to_end : bool
        Of a model with two heads take the one whose boxes need no suppression. The other one is
        a little more accurate, and what Ultralytics predicts with unless told otherwise.
    """

    def __init__(self, model: Any, imgsz: int, *, end_to_end: bool = False) -> None:
        super().__init__()
        head = model.model[-1]
        if type(head).__name__ not in HEADS:
            raise ModelError(f"expected one of the heads {HEADS}, got {type(head).__name__}")
        if hasattr(head, "one2one_cv2"):
            model.end2end = end_to_end
        model = model.float().fuse(verbose=False).eval()
        branch = head.one2one if head.end2end else head.one2many
        self.spec = _spec(model, branch["box_head"], imgsz)
        _take_pixels(model.model[0].conv)
        model.model[-1] = _Undecoded(head, branch)
        self.model = model.requires_grad_(False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The undecoded head's answer to a batch of pixels."""
        weight = self.model.model[0].conv.weight
        answer: tuple[Tensor, ...] = self.model(pixels.permute(0, 3, 1, 2).to(weight.dtype))
        return answer


class BestAnchors(nn.Module):
    """A `YoloNetwork` that answers only the anchors which may have found something.

    What has to leave a device is then a third at most. Levels are [B, K, C], without the other
    anchors. Behind the network's outputs come the numbers [B, N] of those left in all levels.

    Parameters
    ----------
    network : YoloNetwork
        Its answer is thinned.
    count : int
        Most anchors of one level of an image, those with the highest score of any class.
    """

    def __init__(self, network: YoloNetwork, count: int = 1024) -> None:
        super().__init__()
        self.network = network
        self.count = count

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """The thinned answer to a batch of pixels."""
        outputs = self.network(pixels)
        levels = len(self.network.spec.strides)
        maps = [output.flatten(1, 2) for output in outputs[: len(outputs) // levels * levels]]
        best = [logits.amax(dim=2) for logits in maps[levels : 2 * levels]]
        rows = [each.topk(min(self.count, each.shape[1]), dim=1).indices for each in best]
        thinned = [_at(output, rows[number % levels]) for number, output in enumerate(maps)]
        starts = [0, *accumulate(each.shape[1] for each in best[:-1])]
        anchors = [row + start for row, start in zip(rows, starts, strict=True)]
        return *thinned, *outputs[len(maps) :], torch.cat(anchors, dim=1)


def _at(output: Tensor, rows: Tensor) -> Tensor:
    """The rows [B, K, C] of an output [B, A, C] that are given as [B, K]."""
    return output.gather(1, rows[..., None].expand(-1, -1, output.shape[2]))


class _Undecoded(nn.Module):
    """A detection head without the last layer of its boxes, which is read from features later."""

    def __init__(self, head: Any, branch: Mapping[str, Any]) -> None:
        super().__init__()
        self.boxes = nn.ModuleList(level[:-1] for level in branch["box_head"])
        self.classes = branch["cls_head"]
        self.coefficients = branch.get("mask_head")
        self.prototypes = getattr(head, "proto", None)
        self.all_levels = hasattr(self.prototypes, "feat_refine")
        # Where the model's loop over layers looks for the inputs of a layer.
        self.f, self.i = head.f, head.i

    def forward(self, levels: list[Tensor]) -> tuple[Tensor, ...]:
        answer = _channels_last(self.boxes, levels) + _channels_last(self.classes, levels)
        if self.coefficients is not None and self.prototypes is not None:
            answer += _channels_last(self.coefficients, levels)
            answer.append(self.prototypes(levels if self.all_levels else levels[0]))
        return tuple(answer)


def _channels_last(branch: nn.ModuleList, levels: list[Tensor]) -> list[Tensor]:
    """What a branch of the head gives [B, h, w, C] for every level."""
    pairs = zip(branch, levels, strict=True)
    return [layer(level).permute(0, 2, 3, 1) for layer, level in pairs]


def load_checkpoint(path: Path, *, end_to_end: bool = False) -> YoloNetwork:
    """The network of an Ultralytics checkpoint; ``end_to_end`` as for `YoloNetwork`.

    Raises
    ------
    ModelError
        The file is no checkpoint of an Ultralytics detection or segmentation model.
    """
    # Read once, when Ultralytics is imported: it must neither install anything nor call out, and
    # keep its settings to our cache.
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_CONFIG_DIR", str(catalog.cache_dir()))
    plain = Pillow.open
    from ultralytics.nn.tasks import torch_safe_load

    # Its import replaces Pillow's open, in all of the process, with one that fails for want of a
    # plugin where a file is no picture.
    Pillow.open = plain
    try:
        checkpoint: Any = torch_safe_load(str(path), safe_only=True)
    except Exception as error:  # a file that is no pickle fails in as many ways as it has bytes
        raise ModelError(f"{path}: expected an Ultralytics checkpoint, got: {error}") from error
    fields: dict[str, Any] = checkpoint[0] if isinstance(checkpoint[0], dict) else {}
    model: Any = fields.get("ema") or fields.get("model")
    if not isinstance(model, nn.Module):
        raise ModelError(f"{path}: expected an Ultralytics checkpoint, it holds no model")
    for module in model.modules():
        if isinstance(module, nn.Upsample) and not hasattr(module, "recompute_scale_factor"):
            module.recompute_scale_factor = None  # absent from what old versions of torch wrote
    trained = fields.get("train_args") or {}
    return YoloNetwork(model, int(trained.get("imgsz", 640)), end_to_end=end_to_end)


def _spec(model: Any, boxes: Iterable[Any], imgsz: int) -> HeadSpec:
    """What `models.yolo_head` has to know of a model whose box branches are given."""
    head = model.model[-1]
    last = [level[-1] for level in boxes]
    return HeadSpec(
        names={int(key): str(name) for key, name in model.names.items()},
        task="segment" if hasattr(head, "proto") else "detect",
        strides=tuple(int(stride) for stride in head.stride),
        reg_max=int(head.reg_max),
        end_to_end=bool(head.end2end),
        imgsz=imgsz,
        weights=np.stack([layer.weight.numpy(force=True)[:, :, 0, 0] for layer in last]),
        bias=np.stack([layer.bias.numpy(force=True) for layer in last]),
    )


def _take_pixels(conv: nn.Conv2d) -> None:
    """Fold BGR order and the range 0 to 255 into the first convolution.

    Whole numbers up to 255 are exact in bfloat16, their 255ths are not.
    """
    with torch.no_grad():
        conv.weight.copy_(conv.weight.flip(1) / 255)
