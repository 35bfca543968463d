"""The answers of the Open Inference Protocol (KServe V2) about the server and its models."""

from __future__ import annotations

from service.schemas.shape import Shape


class Alive(Shape):
    """The server answers."""

    live: bool


class Ready(Shape):
    """Work is taken."""

    ready: bool


class ModelReady(Ready):
    """A model takes work."""

    name: str


class ServerMetadata(Shape):
    """The server."""

    name: str
    version: str
    extensions: list[str]


class Tensor(Shape):
    """An input or output of a model; -1 for a size that varies."""

    name: str
    datatype: str
    shape: list[int]


class ModelMetadata(Shape):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[Tensor]
    outputs: list[Tensor]
