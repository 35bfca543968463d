"""The direction of imports: service -> models, tracker; tracker -> models' light modules."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LIGHT = {"models.boxes", "models.types", "models.errors"}


def imports_of(package: str) -> Iterator[tuple[str, str]]:
    """Every (file, imported module) of a package, imports inside of functions too."""
    for path in sorted((ROOT / package).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield str(path.relative_to(ROOT)), alias.name
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: imports are absolute"
                module = node.module or ""
                for alias in node.names:
                    # `from models import boxes` imports models.boxes.
                    is_module = module in ("models", "tracker", "service")
                    yield (
                        str(path.relative_to(ROOT)),
                        f"{module}.{alias.name}" if is_module else module,
                    )


def test_models_know_nothing_of_tracks_or_http() -> None:
    wrong = [
        (path, name)
        for path, name in imports_of("models")
        if name.split(".")[0] in ("tracker", "service", "fastapi", "starlette", "uvicorn")
    ]
    assert not wrong


def test_the_tracker_uses_only_the_light_modules_of_models() -> None:
    wrong = []
    for path, name in imports_of("tracker"):
        top = name.split(".")[0]
        heavy = top in ("service", "torch", "torchvision", "ultralytics", "fastapi", "openvino")
        if heavy or (top == "models" and name not in LIGHT):
            wrong.append((path, name))
    assert not wrong


@pytest.mark.parametrize("package", ["tracker", "models", "models.boxes", "models.nms"])
def test_importing_a_package_loads_no_torch(package: str) -> None:
    code = f"import sys, {package}; sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT)
    assert done.returncode == 0
