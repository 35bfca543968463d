"""The first message of a live connection: how its frames are to be followed."""

from __future__ import annotations

import json
from dataclasses import replace
from enum import StrEnum

from pydantic import ConfigDict, Field, SecretStr, ValidationError, field_validator

from models.errors import InvalidInput
from service.inference.engine import Described
from service.settings import Settings
from service.tracks.query import FollowQuery
from service.tracks.session import SessionOptions


class Mode(StrEnum):
    """What becomes of frames that come faster than they can be followed."""

    DROP_OLDEST = "drop-oldest"
    LOSSLESS = "lossless"


class LiveConfig(FollowQuery):
    """The parameters of ``/v1/track``, and those of a connection."""

    model_config = ConfigDict(extra="forbid")

    mode: Mode = Field(
        default=Mode.DROP_OLDEST,
        description="`drop-oldest` follows the newest frame there is; `lossless` takes no more "
        "frames until it can follow them.",
    )
    fps: float | None = Field(
        default=None,
        gt=0,
        le=1000,
        description="Frames a second, which then tell the time; else it is told by their arrival.",
    )
    key: SecretStr = Field(
        default=SecretStr(""), description="For callers that cannot send headers, as in browsers."
    )

    @field_validator("lines", "zones", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        # In a query they are JSON in a text; in JSON they may stand as they are.
        return json.dumps(value) if isinstance(value, list) else value

    def session_options(self, detector: Described, settings: Settings) -> SessionOptions:
        """As for a video; but what has waited for long is of no use any more."""
        options = super().session_options(detector, settings)
        return replace(options, deadline_seconds=settings.deadline_seconds)

    @classmethod
    def parse(cls, text: str) -> LiveConfig:
        """Read the message.

        Raises
        ------
        InvalidInput
            It is no JSON object, or a parameter of it is unknown or out of its range.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "the first message"
            raise InvalidInput(f"{where}: {first['msg'].removeprefix('Value error, ')}") from error
