"""What all shapes of answers have in common."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """An object of JSON with typed fields; fields that a newer server adds are left out.

    Fields can be had by their name in JSON too: ``frame["objects"][0]["class"]``.
    """

    model_config = ConfigDict(serialize_by_alias=True)

    def __getitem__(self, name: str) -> Any:
        attribute = "class_" if name == "class" else name
        if attribute not in type(self).model_fields:
            raise KeyError(name)
        return getattr(self, attribute)
