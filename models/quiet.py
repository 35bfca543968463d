"""Keeps the runtimes from reporting to their makers; imported before any of them.

OpenVINO's package does so from a process that it forks off this one, threads, descriptors and all.
Where it comes to lie in a lock it stays, and holds open what this process closes. ONNX Runtime
does so from a thread.
"""

from __future__ import annotations

import os
import sys

# None makes an import of it fail, and OpenVINO then goes without.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
