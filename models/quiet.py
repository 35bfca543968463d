"""Keeps the runtimes from reporting to their makers; imported before any of them.

OpenVINO's package does so from a process that it forks off this one. If another thread holds a lock
at that moment, the fork waits for it for ever, and keeps open the files and sockets that this
process closes. ONNX Runtime does so from a thread.
"""

from __future__ import annotations

import os
import sys

# None makes an import of it fail, and OpenVINO then goes without.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
