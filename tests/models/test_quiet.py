"""Nothing is reported to the makers of the runtimes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

REPORTS = "import models, openvino.tools.ovc, sys; print(sys.modules['openvino_telemetry'])"
THREADS = "import {}, os; print(len(os.listdir('/proc/self/task')))"


def said(script: str) -> str:
    """What a Python of its own prints, in an environment that forbids nothing."""
    bare = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name}
    command = [sys.executable, "-c", script]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=bare).stdout


def test_openvino_goes_without_its_reports() -> None:
    assert said(REPORTS) == "None\n"


def test_onnx_runtime_starts_no_thread_for_its_reports() -> None:
    # NumPy, which it imports, may have threads of its own.
    without, alone, quiet = (
        int(said(THREADS.format(imports)))
        for imports in ("numpy", "onnxruntime", "models, onnxruntime")
    )
    if alone == without:
        pytest.skip("this build of ONNX Runtime starts no thread")
    assert quiet == without
