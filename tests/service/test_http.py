"""The routes of pictures, models and health, as a client sees them over a real socket."""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image as Pillow

from tests.service.gate import WAIT
from tests.service.pictures import RED_BOX, encode, jpeg, jpeg_claiming, with_red_box
from tests.service.serving import serving

JPEG = {"Content-Type": "image/jpeg"}


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is a problem document of this status and code."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = response.json()
    assert {"type", "title", "status", "detail", "instance", "request_id"} <= document.keys()
    assert document["type"] == f"urn:trackline:problem:{code}"
    assert document["status"] == status
    assert document["request_id"] == response.headers["x-request-id"]
    assert document["instance"] == response.request.url.path
    return document


def assert_red_box(detection: dict[str, Any]) -> None:
    assert (detection["name"], detection["class"]) == ("red", 0)
    assert detection["confidence"] > 0.9
    box = detection["box"]
    corners = [box[corner] for corner in ("x1", "y1", "x2", "y2")]
    assert corners == pytest.approx(RED_BOX, abs=1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP"])
@pytest.mark.parametrize("declared", [True, False])
def test_detects_in_a_raw_body(client: httpx.Client, kind: str, declared: bool) -> None:
    declared_type = f"image/{kind.lower()}" if declared else "application/octet-stream"
    response = client.post(
        "/v1/detect",
        content=encode(with_red_box(), kind),
        headers={"Content-Type": declared_type},
    )
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["model"] == "fake"
    assert answer["image"] == {"width": 160, "height": 120}
    assert answer["batch_size"] == 1
    assert {"decode_ms", "queue_ms", "inference_ms", "postprocess_ms"} <= answer["timing"].keys()
    assert all(value >= 0 for value in answer["timing"].values())
    assert answer["request_id"] == response.headers["x-request-id"]
    (detection,) = answer["detections"]
    assert_red_box(detection)


def test_a_body_without_a_type_is_looked_at(client: httpx.Client) -> None:
    request = client.build_request("POST", "/v1/detect", content=jpeg())
    request.headers.pop("content-type", None)
    assert len(client.send(request).json()["detections"]) == 1


def test_a_body_as_curl_sends_it_by_itself_is_looked_at(client: httpx.Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/detect", content=jpeg(), headers=headers).json()
    assert_red_box(answer["detections"][0])


def test_one_picture_in_a_form_is_answered_like_a_raw_body(client: httpx.Client) -> None:
    answer = client.post("/v1/detect", files={"image": ("a.jpg", jpeg())}).json()
    assert_red_box(answer["detections"][0])


def test_several_pictures_are_answered_in_their_order(client: httpx.Client) -> None:
    small = encode(with_red_box(100, 90), "PNG")
    files = [("image", ("a.jpg", jpeg())), ("image", ("b.png", small))]
    results = client.post("/v1/detect", files=files).json()["results"]
    assert [result["image"]["width"] for result in results] == [160, 100]
    assert all(len(result["detections"]) == 1 for result in results)


def test_one_bad_picture_of_several_is_a_refusal_of_all(client: httpx.Client) -> None:
    files = [("image", ("a.jpg", jpeg())), ("image", ("b.jpg", b"not a picture"))]
    assert_problem(client.post("/v1/detect", files=files), 400, "unreadable-media")


def test_the_answer_as_a_picture(client: httpx.Client) -> None:
    response = client.post("/v1/detect?format=image", content=jpeg(), headers=JPEG)
    assert response.headers["content-type"] == "image/jpeg"
    with Pillow.open(io.BytesIO(response.content)) as picture:
        assert picture.size == (160, 120)
    assert response.content != jpeg()


def test_several_pictures_cannot_be_answered_as_one(client: httpx.Client) -> None:
    files = [("image", ("a.jpg", jpeg()))] * 2
    response = client.post("/v1/detect?format=image", files=files)
    assert_problem(response, 422, "invalid-parameter")


def test_an_error_that_nobody_expected_tells_nothing_of_the_inside() -> None:
    with serving() as (address, app):
        app.state.codec = None
        response = httpx.post(f"{address}/v1/detect", content=jpeg(), timeout=WAIT)
        document = assert_problem(response, 500, "internal-error")
        assert "codec" not in response.text
        assert "NoneType" not in response.text
        assert "its log has the details" in document["detail"]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"classes": "red"}, 1),
        ({"classes": "0"}, 1),
        ({"classes": ""}, 1),
        ({"classes": "green,blue"}, 0),
        ({"conf": "1"}, 0),
        ({"model": "fake", "iou": "0.5", "agnostic": "true", "max_det": "1"}, 1),
    ],
)
def test_parameters_reach_the_model(
    client: httpx.Client, query: dict[str, str], count: int
) -> None:
    response = client.post("/v1/detect", params=query, content=jpeg(), headers=JPEG)
    assert len(response.json()["detections"]) == count


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"conf": "1.5"}, "conf"),
        ({"conf": "nan"}, "conf"),
        ({"conf": "many"}, "conf"),
        ({"iou": "-0.1"}, "iou"),
        ({"max_det": "0"}, "max_det"),
        ({"max_det": "1000000000"}, "max_det"),
        ({"imgsz": "8"}, "imgsz"),
        ({"imgsz": "100000"}, "imgsz"),
        ({"classes": "unicorn"}, "unicorn"),
        ({"format": "xml"}, "format"),
    ],
)
def test_wrong_parameters_are_named(
    client: httpx.Client, query: dict[str, str], names: str
) -> None:
    response = client.post("/v1/detect", params=query, content=jpeg(), headers=JPEG)
    document = assert_problem(response, 422, "invalid-parameter")
    assert names in document["detail"]


@pytest.mark.parametrize(
    ("content", "content_type", "status", "code"),
    [
        (b"", "image/jpeg", 400, "unreadable-media"),
        (b"just some text", "image/jpeg", 400, "unreadable-media"),
        (b"just some text", "text/plain", 415, "unsupported-media"),
        (b"a=1", "application/x-www-form-urlencoded", 400, "unreadable-media"),
        (encode(with_red_box(), "GIF"), "image/gif", 415, "unsupported-media"),
        (encode(with_red_box(), "GIF"), "application/octet-stream", 415, "unsupported-media"),
        (jpeg()[:-300], "image/jpeg", 400, "unreadable-media"),
        (jpeg_claiming(60_000, 60_000), "image/jpeg", 413, "too-large"),
        (b"", "image/png; charset=x", 400, "unreadable-media"),
        (b"--x\r\n", "multipart/form-data", 400, "bad-request"),
        (b"--x\r\nbroken", "multipart/form-data; boundary=y", 400, "bad-request"),
    ],
)
def test_bodies_that_cannot_be_used(
    client: httpx.Client, content: bytes, content_type: str, status: int, code: str
) -> None:
    response = client.post("/v1/detect", content=content, headers={"Content-Type": content_type})
    document = assert_problem(response, status, code)
    assert document["detail"]
    assert client.get("/v2/health/ready").is_success


def test_compressed_bodies_are_not_taken(client: httpx.Client) -> None:
    response = client.post(
        "/v1/detect", content=jpeg(), headers=JPEG | {"Content-Encoding": "gzip"}
    )
    assert_problem(response, 415, "unsupported-media")


def test_a_form_without_a_picture_is_told_what_is_missing(client: httpx.Client) -> None:
    document = assert_problem(
        client.post("/v1/detect", files={"photo": ("a.jpg", jpeg())}), 422, "invalid-parameter"
    )
    assert "'image'" in document["detail"]


def test_unknown_models_and_models_that_are_not_loaded(client: httpx.Client) -> None:
    for name in ("nope", "..%2Fetc"):
        response = client.post(f"/v1/detect?model={name}", content=jpeg(), headers=JPEG)
        assert_problem(response, 404, "unknown-model")
    response = client.post("/v1/detect?model=yolo11n", content=jpeg(), headers=JPEG)
    assert_problem(response, 503, "model-not-ready")
    assert int(response.headers["retry-after"]) >= 1


def test_unknown_paths_and_methods(client: httpx.Client) -> None:
    assert_problem(client.get("/v1/nope"), 404, "not-found")
    assert_problem(client.get("/web/nope.js"), 404, "not-found")
    response = client.get("/v1/detect")
    assert_problem(response, 405, "method-not-allowed")
    assert response.headers["allow"] == "POST"
    assert client.put("/v1/models").headers["allow"] == "GET"


def test_head_is_answered_like_get_without_content(client: httpx.Client) -> None:
    for path in ("/", "/v2/health/ready", "/v1/info", "/web/app.js"):
        head, get = client.head(path), client.get(path)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-type"] == get.headers["content-type"]


def test_request_ids_are_taken_over_only_if_they_are_sane(client: httpx.Client) -> None:
    kept = client.get("/v2/health/live", headers={"X-Request-ID": "trace-42.a:b_c"})
    assert kept.headers["x-request-id"] == "trace-42.a:b_c"
    for insane in ("x" * 129, "a b", '"}{'):
        replaced = client.get("/v2/health/live", headers={"X-Request-ID": insane})
        assert len(replaced.headers["x-request-id"]) == 32


def test_the_health_routes_of_the_open_inference_protocol(client: httpx.Client) -> None:
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}
    assert client.get("/v2").json()["name"] == "trackline"
    metadata = client.get("/v2/models/fake").json()
    assert metadata["inputs"] == [{"name": "image", "datatype": "UINT8", "shape": [-1, -1, 3]}]
    assert [output["name"] for output in metadata["outputs"]] == ["boxes", "scores", "classes"]
    assert client.get("/v2/models/fake/ready").json() == {"name": "fake", "ready": True}
    unloaded = assert_problem(client.get("/v2/models/yolo11n/ready"), 503, "model-not-ready")
    assert unloaded["ready"] is False
    unknown = assert_problem(client.get("/v2/models/nope/ready"), 404, "unknown-model")
    assert unknown["error"] == unknown["detail"]


def test_the_catalogue_says_what_is_loaded(client: httpx.Client) -> None:
    listed = client.get("/v1/models").json()
    assert listed["default"] == "fake"
    loaded = {model["name"]: model["loaded"] for model in listed["models"]}
    assert loaded["fake"] is True
    assert loaded["yolo26n"] is False
    one = client.get("/v1/models/fake").json()
    assert (one["runtime"], one["device"], one["state"]) == ("numpy", "cpu", "ready")
    assert (one["precision"], one["frame_precision"]) == ("f32", "f32")
    assert one["classes"]["0"] == "red"
    assert_problem(client.get("/v1/models/nope"), 404, "unknown-model")
    assert_problem(client.get("/v1/models/%2e%2e%2fpasswd"), 404, "not-found")


def test_info_shows_the_limits_in_force(client: httpx.Client) -> None:
    info = client.get("/v1/info").json()
    assert info["limits"]["max_image_bytes"] == 20 * 1024 * 1024
    assert info["version"]
    assert info["models"][0]["runtime"] == "numpy"


def test_deepstack_clients_are_answered_in_their_form(client: httpx.Client) -> None:
    response = client.post(
        "/v1/vision/detection",
        files={"image": ("a.jpg", jpeg())},
        data={"min_confidence": "0.6"},
    )
    answer = response.json()
    assert answer["success"] is True
    (found,) = answer["predictions"]
    assert found["label"] == "red"
    corners = [found[corner] for corner in ("x_min", "y_min", "x_max", "y_max")]
    assert all(isinstance(corner, int) for corner in corners)
    assert corners == pytest.approx(RED_BOX, abs=1)


@pytest.mark.parametrize("confidence", ["2", "nan", "high"])
def test_deepstack_refusals_are_problems_that_its_clients_understand(
    client: httpx.Client, confidence: str
) -> None:
    response = client.post(
        "/v1/vision/detection",
        files={"image": ("a.jpg", jpeg())},
        data={"min_confidence": confidence},
    )
    document = assert_problem(response, 422, "invalid-parameter")
    assert document["success"] is False
    assert "min_confidence" in document["error"]


def test_metrics_measure_each_stage_by_model(client: httpx.Client) -> None:
    client.post("/v1/detect", content=jpeg(), headers=JPEG)
    text = client.get("/metrics").text
    for stage in ("decode", "preprocess", "queue", "inference", "postprocess"):
        assert f'trackline_stage_seconds_count{{model="fake",stage="{stage}"}}' in text
    assert 'trackline_model_ready{model="fake"} 1.0' in text
    assert 'route="/v1/detect",status="200"' in text


def test_the_page_loads_nothing_from_elsewhere_and_may_not(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    script = client.get("/web/app.js")
    assert script.headers["x-content-type-options"] == "nosniff"
    assert "javascript" in script.headers["content-type"]
    assert_problem(client.get("/web/..%2fsettings.py"), 404, "not-found")


def test_the_schema_describes_every_route(client: httpx.Client) -> None:
    schema = client.get("/openapi.json").json()
    assert {"/v1/detect", "/v1/models/{name}/load", "/v2/health/ready"} <= schema["paths"].keys()
    assert "Problem" in schema["components"]["schemas"]
    assert json.dumps(schema).count("HTTPValidationError") == 0
    assert client.get("/docs").is_success


def test_cors_is_off_unless_it_is_set(client: httpx.Client) -> None:
    origin = {"Origin": "https://app.test"}
    assert "access-control-allow-origin" not in client.get("/v1/info", headers=origin).headers
    with serving(cors_origins="https://app.test") as (address, _):
        allowed = httpx.get(f"{address}/v1/info", headers=origin, timeout=WAIT)
        other = httpx.get(
            f"{address}/v1/info", headers={"Origin": "https://evil.test"}, timeout=WAIT
        )
    assert allowed.headers["access-control-allow-origin"] == "https://app.test"
    assert "access-control-allow-origin" not in other.headers
