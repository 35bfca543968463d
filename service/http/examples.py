"""What answers look like, for the API's description; a test holds each against its schema."""

from __future__ import annotations

from typing import Any

_BOX = {"x1": 50.3, "y1": 398.2, "x2": 244.9, "y2": 903.1}
_PERSON = {"name": "person", "class": 0, "confidence": 0.91, "box": _BOX}
_REQUEST_ID = "0f8fad5bd9cb469fa16570867728950e"
_JOB_ID = "9b2f1c3d4e5f60718293a4b5c6d7e8f9"

_DETECTED: dict[str, Any] = {
    "model": "yolo26n",
    "image": {"width": 810, "height": 1080},
    "detections": [_PERSON],
    "timing": {
        "decode_ms": 4.1,
        "preprocess_ms": 1.2,
        "queue_ms": 0.2,
        "inference_ms": 21.7,
        "postprocess_ms": 0.6,
    },
    "batch_size": 1,
    "request_id": _REQUEST_ID,
}
_SEGMENTED: dict[str, Any] = {
    "model": "deeplabv3-mobilenet",
    "image": {"width": 810, "height": 1080},
    "classes": [
        {"name": "background", "class": 0, "pixels": 702_341},
        {"name": "person", "class": 15, "pixels": 172_459},
    ],
    "mask": "iVBORw0KGgo…",
    "timing": {"decode_ms": 4.1, "queue_ms": 0.1, "inference_ms": 180.4, "postprocess_ms": 2.9},
    "request_id": _REQUEST_ID,
}
_DEEPSTACK: dict[str, Any] = {
    "success": True,
    "predictions": [
        {
            "label": "person",
            "confidence": 0.91,
            "x_min": 50,
            "y_min": 398,
            "x_max": 245,
            "y_max": 903,
        }
    ],
    "duration": 31,
}

STREAM: list[dict[str, Any]] = [
    {
        "type": "header",
        "session": "4f1d2c3b4a596877",
        "model": "yolo26n",
        "tracker": "deepsort",
        "embedder": "osnet-x0.25",
        "width": 1920,
        "height": 1080,
        "fps": 25.0,
        "frames": 600,
    },
    {
        "type": "frame",
        "frame": 0,
        "time": 0.0,
        "objects": [_PERSON | {"track_id": 1, "predicted": False}],
    },
    {
        "type": "end",
        "frames": 600,
        "tracks": 14,
        "elapsed_s": 17.2,
        "fps": 34.88,
        "damaged": 0,
    },
]

_OWN = f"/v1/videos/{_JOB_ID}"
_QUEUED: dict[str, Any] = {
    "id": _JOB_ID,
    "status": "queued",
    "links": {
        "self": _OWN,
        "tracks": f"{_OWN}/tracks",
        "annotated": f"{_OWN}/annotated.mp4",
        "mot": f"{_OWN}/tracks.mot",
        "csv": f"{_OWN}/tracks.csv",
        "json": f"{_OWN}/tracks.json",
    },
}
_JOB: dict[str, Any] = _QUEUED | {
    "status": "running",
    "created": 1767225600.0,
    "finished": None,
    "model": "yolo26n",
    "tracker": "deepsort",
    "embedder": "osnet-x0.25",
    "frames_done": 120,
    "frames_total": 600,
    "fps": 34.1,
    "error": None,
    "bytes": 18_874_368,
}
_MOT = "1,1,50.3000,398.2000,194.6000,504.9000,0.9100,-1,-1,-1\n"
_CSV = (
    "frame,time,track_id,class,name,confidence,x1,y1,x2,y2,predicted\n"
    "0,0.0,1,0,person,0.91,50.3,398.2,244.9,903.1,0\n"
)

_MODEL: dict[str, Any] = {
    "name": "yolo26n",
    "task": "detect",
    "licence": "AGPL-3.0",
    "bytes": 5_544_453,
    "sha256": "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef",
    "loaded": True,
    "state": "ready",
    "classes": {"0": "person", "1": "bicycle"},
    "runtime": "openvino",
    "device": "cpu",
    "imgsz": 640,
    "slots": 1,
    "max_batch": 16,
}
_MODELS: dict[str, Any] = {
    "default": "yolo26n",
    "models": [_MODEL],
    "embedders": ["osnet-x0.25", "mobilenet", "colour"],
    "segmenters": ["deeplabv3-mobilenet", "fcn-8s"],
}
_INFO: dict[str, Any] = {
    "name": "trackline",
    "version": "0.1.0",
    "keys": False,
    "default_model": "yolo26n",
    "embedder": "auto",
    "segmenters": [
        {"name": "deeplabv3-mobilenet", "loaded": False, "runtime": None, "device": None},
        {"name": "fcn-8s", "loaded": False, "runtime": None, "device": None},
    ],
    "models": [_MODEL],
    "limits": {"max_image_bytes": 20_971_520, "max_sessions": 16},
}
_METADATA: dict[str, Any] = {
    "name": "yolo26n",
    "versions": ["1"],
    "platform": "trackline",
    "inputs": [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}],
    "outputs": [
        {"name": "boxes", "datatype": "FP32", "shape": [-1, 4]},
        {"name": "scores", "datatype": "FP32", "shape": [-1]},
        {"name": "classes", "datatype": "INT32", "shape": [-1]},
    ],
}
_METRICS = 'trackline_model_ready{model="yolo26n"} 1.0\n'

EXAMPLES: dict[str, Any] = {
    "Csv": _CSV,
    "DeepStack": _DEEPSTACK,
    "Detected": _DETECTED,
    "Info": _INFO,
    "Job": _JOB,
    "JobList": {"videos": [_JOB]},
    "Metrics": _METRICS,
    "Model": _MODEL,
    "ModelList": _MODELS,
    "ModelMetadata": _METADATA,
    "Mot": _MOT,
    "QueuedJob": _QUEUED,
    "Segmented": _SEGMENTED,
    "Tracks": {"header": STREAM[0], "frames": STREAM[1:-1], "end": STREAM[-1]},
}
"""By the names that the routes give."""
