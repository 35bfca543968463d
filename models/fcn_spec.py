"""What a file of trained FCN weights says of its network; read without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from safetensors import SafetensorError, safe_open

from models.errors import InvalidInput, ModelError

Kind: TypeAlias = Literal["detector", "segmenter"]

METADATA = "trackline"
"""Under this name the text is in the file."""


@dataclass(frozen=True, slots=True)
class FcnSpec:
    """What has to be known of an FCN to build it.

    Attributes
    ----------
    kind : {"detector", "segmenter"}
        Boxes of objects, or a class for every pixel.
    backbone : str
        A name that `models.backbones.load_backbone` takes.
    names : tuple of str
        The classes, by id; a segmenter's begin with the background.
    stride : {8, 16, 32}
        Of the detector's cells, or of the finest map that a segmenter uses.
    imgsz : int
        Side of the input that it was trained at, in pixels.
    width : int
        Channels in front of a detector's heads.
    """

    kind: Kind
    backbone: str
    names: tuple[str, ...]
    stride: int
    imgsz: int
    width: int = 96

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise InvalidInput(f"kind: one of {get_args(Kind)} expected, got {self.kind!r}")


def read_spec(path: Path) -> FcnSpec:
    """What network a file is of.

    Raises
    ------
    ModelError
        It is no file that `models.fcn_weights.save_fcn` has written.
    """
    try:
        with safe_open(path, "np") as file:
            fields = json.loads((file.metadata() or {})[METADATA])
        return FcnSpec(**{**fields, "names": tuple(fields["names"])})
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: expected weights of an FCN, got: {error!r}") from error
