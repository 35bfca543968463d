"""Numbers in the form in which arrays meet them on every frame."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from tracker.number import number
from tracker.settings import Settings, Span, ready


def test_a_number_is_an_array_without_dimensions_that_nobody_can_change() -> None:
    half = number(0.5)
    assert half.shape == ()
    with pytest.raises(ValueError, match="read-only"):
        half += 1.0


@pytest.mark.parametrize("value", [0.1, 3, np.float32(0.1)])
def test_a_number_keeps_its_value_and_type(value: float) -> None:
    assert number(value) == value
    assert number(value).dtype == np.asarray(value).dtype


def test_settings_that_are_ready_say_the_same_as_before() -> None:
    settings = Settings(gate=30.0, memory=Span(50, 2.0), reenter=True)
    made = ready(settings)
    assert made == settings
    assert made.memory.at(None) == 50
    assert made.memory.at(60.0) == 120
    floats = [field.name for field in fields(settings) if field.type == "float"]
    assert "gate" in floats
    assert all(isinstance(getattr(made, name), np.ndarray) for name in floats)
