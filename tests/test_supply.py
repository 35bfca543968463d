"""What is installed: pinned versions, each with the hashes of its files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# Their files differ from index to index, so they go by their versions alone.
UNHASHED = {"torch", "torchvision"}
SETS = ("base", "dev", "otel", "postgresql", "ray", "timm")


def locked(name: str) -> dict[str, tuple[str, int]]:
    """Package -> its version and the number of its hashes, in requirements/NAME.txt."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text().replace("\\\n", " ")
    return {
        canonicalize_name(match[1]): (match[2], line.count("--hash=sha256:"))
        for line in text.splitlines()
        if (match := re.match(r"([A-Za-z0-9._-]+)==([^ ;]+)", line))
    }


def wanted(extra: str | None) -> set[str]:
    """Names that pyproject.toml asks for, of the base or of one extra."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("name", [*SETS, "audit", "headless"])
def test_every_locked_package_has_its_hashes(name: str) -> None:
    packages = locked(name)
    assert packages
    assert [package for package, (_, hashes) in packages.items() if hashes == 0] == []


@pytest.mark.parametrize("name", SETS)
def test_the_lock_has_what_pyproject_asks_for(name: str) -> None:
    have = locked("base") | locked(name)
    asked = wanted(None if name == "base" else name)
    assert asked - set(have) == (UNHASHED if name == "base" else set())


@pytest.mark.parametrize("name", [*SETS, "headless"])
def test_the_lock_and_the_constraints_agree(name: str) -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = dict(line.split("==") for line in lines if "==" in line and line[0] != "#")
    pins: dict[str, str] = {canonicalize_name(package): pinned[package] for package in pinned}
    differing = {
        package: (version, pins[package])
        for package, (version, _) in locked(name).items()
        if pins.get(package, version) != version
    }
    assert differing == {}


def test_a_plain_install_brings_no_cuda() -> None:
    gpu = re.compile(r"(nvidia-(?!ml-py)|cuda-|triton)")
    assert [package for name in SETS for package in locked(name) if gpu.match(package)] == []
