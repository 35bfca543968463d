"""A data.yaml that cannot be used is refused by whoever reads it, with the file and the reason."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.ground_truth import read_ground_truth
from models.training.data import read_data


def train(path: Path) -> object:
    return read_data([path])


@pytest.mark.parametrize("read", [read_ground_truth, train])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("names: [person\n", "a YAML file expected", id="no YAML"),
        pytest.param("", "a mapping with 'names' expected, got NoneType", id="empty"),
        pytest.param("- images\n", "a mapping with 'names' expected, got list", id="list"),
        pytest.param(
            "val: images\nnames: {one: person}\n", "whole numbers expected as class ids", id="ids"
        ),
    ],
)
def test_a_description_that_cannot_be_used_is_refused(
    read: Callable[[Path], object], text: str, expected: str, tmp_path: Path
) -> None:
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(InvalidInput, match=rf"data\.yaml: {expected}"):
        read(tmp_path)
