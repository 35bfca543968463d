"""Follows videos and serves pictures with Ultralytics alone, as its documentation shows it.

Run by `benchmarks.service_peers` in the environment of the peers::

    service_peer_worker.py versions
    service_peer_worker.py export CHECKPOINT          makes CHECKPOINT's OpenVINO folder beside it
    service_peer_worker.py follow MODEL               then on stdin: VIDEO FRAMES [CLASSES]
    service_peer_worker.py serve MODEL PORT
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
import time
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
from fastapi import FastAPI, UploadFile


def stand_in_for_torchvision() -> None:
    """Give Ultralytics its own suppression where TorchVision does not match this torch."""
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        from ultralytics.utils.nms import TorchNMS

        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        stub: Any = ModuleType("torchvision")
        stub.ops = SimpleNamespace(nms=TorchNMS.nms)
        sys.modules["torchvision"] = stub


def load(model: str) -> Any:
    """A model of Ultralytics: a checkpoint, or the folder of an export."""
    from ultralytics import YOLO

    return YOLO(model, task="detect")


def follow(model: str) -> None:
    """Answer each line of stdin with the frames that were followed, and the seconds they took."""
    network = load(model)
    for line in sys.stdin:
        video, frames, *classes = line.split("\t")
        wanted = [int(one) for one in classes[0].split(",")] if classes else None
        seconds, cpu, count = time.perf_counter(), time.process_time(), 0
        # Its tracker starts anew with each call.
        for _ in network.track(video, stream=True, verbose=False, classes=wanted):
            count += 1
            if count == int(frames):
                break
        used = {"seconds": time.perf_counter() - seconds, "cpu": time.process_time() - cpu}
        print(json.dumps({"frames": count} | used), flush=True)


def serve(model: str, port: int) -> None:
    """The FastAPI service that most tutorials end with."""
    import uvicorn

    app, network = FastAPI(), load(model)

    @app.get("/health")
    def health() -> str:
        return "ok"

    @app.post("/detect")
    async def detect(image: UploadFile) -> Any:
        pixels = cv2.imdecode(np.frombuffer(await image.read(), np.uint8), cv2.IMREAD_COLOR)
        return network(pixels, verbose=False)[0].summary()

    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


def main(arguments: list[str]) -> None:
    """Do what the first argument says."""
    what, *rest = arguments
    if what == "versions":
        names = ("ultralytics", "openvino", "torch", "fastapi", "litserve")
        print(json.dumps({name: importlib.metadata.version(name) for name in names}))
        return
    stand_in_for_torchvision()
    if what == "export":
        load(rest[0]).export(format="openvino")
    elif what == "follow":
        follow(rest[0])
    else:
        serve(rest[0], int(rest[1]))


if __name__ == "__main__":
    main(sys.argv[1:])
