"""LitServe around Ultralytics, at LitServe's defaults: ``service_peer_litserve.py MODEL PORT``.

Run by `benchmarks.service_images` in the environment of the peers.
"""

import sys
from typing import Any

import cv2
import litserve  # type: ignore[import-not-found]
import numpy as np
from fastapi import Request

from benchmarks.service_peer_worker import load, stand_in_for_torchvision


class Detect(litserve.LitAPI):  # type: ignore[misc]
    """Pictures in, objects out."""

    def setup(self, device: str) -> None:
        """Load the model, in the process that runs it."""
        stand_in_for_torchvision()
        self.network = load(sys.argv[1])

    def decode_request(self, request: Request) -> Any:
        """The pixels of a picture; what comes is the form, LitServe reads the type all the same."""
        data = request["image"].file.read()
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)

    def predict(self, pixels: Any) -> Any:
        """What Ultralytics finds."""
        return self.network(pixels, verbose=False)[0]

    def encode_response(self, result: Any) -> Any:
        """The objects as JSON."""
        return {"detections": result.summary()}


if __name__ == "__main__":
    server = litserve.LitServer(Detect(), accelerator="cpu")
    server.run(
        host="127.0.0.1", port=int(sys.argv[2]), generate_client_file=False, log_level="warning"
    )
