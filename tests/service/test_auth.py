"""Who is let in, who may load models, and that keys go nowhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest

from models.errors import ModelError
from models.fake import FakeDetector
from tests.service.gate import WAIT
from tests.service.pictures import jpeg
from tests.service.serving import serving
from tests.service.test_http import JPEG, assert_problem

KEY, OTHER_KEY, ADMIN = "k" * 24, "o" * 24, "a" * 24


@pytest.fixture(scope="module")
def locked() -> Iterator[httpx.Client]:
    """A client, without a key, of a server that asks for one."""
    with (
        serving(api_keys=f"{KEY},{OTHER_KEY}", admin_key=ADMIN) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        yield http


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("path", ["/v1/info", "/v1/models", "/metrics", "/v2/models/fake"])
@pytest.mark.parametrize("headers", [{}, bearer("wrong"), bearer(KEY[:-1]), {"X-API-Key": ""}])
def test_without_a_known_key_there_is_nothing(
    locked: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    response = locked.get(path, headers=headers)
    assert_problem(response, 401, "key-missing")
    assert response.headers["www-authenticate"] == "Bearer"


def test_bodies_of_strangers_are_not_looked_at(locked: httpx.Client) -> None:
    assert_problem(locked.post("/v1/detect", content=b"text"), 401, "key-missing")
    assert_problem(locked.post("/v1/vision/detection", content=b"text"), 401, "key-missing")
    assert_problem(locked.post("/v1/track", content=b"text"), 401, "key-missing")


@pytest.mark.parametrize("key", ["", "wrong", KEY[:-1]])
def test_deepstacks_clients_may_send_their_key_in_the_form(locked: httpx.Client, key: str) -> None:
    files, path = {"image": ("a.jpg", jpeg())}, "/v1/vision/detection"
    assert locked.post(path, files=files, data={"api_key": KEY}).is_success
    assert locked.post(path, files=files, headers=bearer(KEY)).is_success
    assert_problem(locked.post(path, files=files, data={"api_key": key}), 401, "key-missing")
    wrong = locked.post(path, files=files, data={"api_key": KEY}, headers=bearer("wrong"))
    assert_problem(wrong, 401, "key-missing")


@pytest.mark.parametrize(
    "headers", [bearer(KEY), bearer(OTHER_KEY), bearer(ADMIN), {"X-API-Key": KEY}]
)
def test_each_key_opens_in_either_header(locked: httpx.Client, headers: dict[str, str]) -> None:
    response = locked.post("/v1/detect", content=jpeg(), headers=JPEG | headers)
    assert response.is_success


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/", "/openapi.json"])
def test_health_and_the_page_are_open(locked: httpx.Client, path: str) -> None:
    assert locked.get(path).is_success


def test_only_the_admin_key_loads_and_unloads(locked: httpx.Client) -> None:
    for action in ("load", "unload"):
        path = f"/v1/models/fake/{action}"
        assert_problem(locked.post(path), 401, "key-missing")
        assert_problem(locked.post(path, headers=bearer(KEY)), 403, "key-forbidden")
    loaded = locked.post("/v1/models/fake/load", headers=bearer(ADMIN))
    assert loaded.json()["state"] == "ready"


def test_without_an_admin_key_nobody_loads_where_keys_are_set() -> None:
    with serving(api_keys=KEY) as (address, _):
        response = httpx.post(f"{address}/v1/models/fake/load", headers=bearer(KEY), timeout=WAIT)
        assert_problem(response, 403, "key-forbidden")


def test_keys_that_are_empty_are_as_if_unset() -> None:
    with serving(api_keys="", admin_key="") as (address, _):
        loaded = httpx.post(f"{address}/v1/models/fake/load", timeout=WAIT)
    assert loaded.json()["state"] == "ready"


def test_keys_are_never_logged(locked: httpx.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        locked.get("/v1/info", headers=bearer(KEY))
        locked.get("/v1/info", headers=bearer("a-wrong-key-of-somebody"))
    lines = [str(vars(record)) for record in caplog.records if record.name.startswith("service")]
    assert any("/v1/info" in line for line in lines)
    assert not any(KEY in line or "a-wrong-key-of-somebody" in line for line in lines)


def test_models_are_loaded_and_unloaded_while_the_server_runs() -> None:
    def load(name: str) -> FakeDetector:
        if name == "yolo11n":
            raise ModelError("this one is broken")
        return FakeDetector()

    with (
        serving(load, max_models=2) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        assert http.post("/v1/models/yolo26n/load").json()["state"] == "ready"
        assert http.post("/v1/detect?model=yolo26n", content=jpeg(), headers=JPEG).is_success
        assert_problem(http.post("/v1/models/yolov8n/load"), 409, "conflict")
        assert http.post("/v1/models/fake/unload").json()["state"] == "unloaded"
        assert http.get("/v1/models").json()["default"] == "yolo26n"
        assert_problem(http.post("/v1/models/fake/unload"), 409, "conflict")
        assert_problem(http.post("/v1/models/nope/load"), 404, "unknown-model")
        assert_problem(http.post("/v1/models/yolo11n/load"), 500, "model-failed")
        assert http.get("/v1/models/yolo11n").json()["state"] == "failed"
        assert http.post("/v1/models/yolo26n/unload").is_success
        assert_problem(http.get("/v2/health/ready"), 503, "model-not-ready")
        assert_problem(http.post("/v1/detect", content=jpeg()), 503, "model-not-ready")
