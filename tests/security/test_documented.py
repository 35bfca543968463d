"""The page on security says what is so: each limit has its default, each test is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ROWS = [line.split("|") for line in PAGE.splitlines() if line.count("|") == 4]
UNITS = {"": 1, "MiB": 1 << 20, "GiB": 1 << 30, "h": 3600}


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`((?:\w+/)?test_\w+)`", PAGE))))
def test_a_test_that_is_named_is_there(name: str) -> None:
    folder = ROOT / "tests" / ("" if "/" in name else "security")
    assert (folder / f"{name}.py").is_file()


@pytest.mark.parametrize(
    ("name", "number", "unit"),
    re.findall(r"`((?:max|decoder|stall|image)_\w+)` ([\d,]*\d)(?: (MiB|GiB|h)\b)?", PAGE),
)
def test_a_limit_that_is_named_has_the_default_that_is_told(
    name: str, number: str, unit: str
) -> None:
    assert Settings().limits()[name] == int(number.replace(",", "")) * UNITS[unit]


def test_every_door_names_its_tests() -> None:
    doors = [row for row in ROWS if "**" not in row[1] and "may" not in row[2]]
    assert len(doors) > 30
    assert all(row[3].strip() for row in doors)
