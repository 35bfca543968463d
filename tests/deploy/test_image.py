"""The image is built and the compose file brought up, for real; ``make test-deploy`` runs it."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from models import catalog
from tests.deploy.containers import WEIGHTS, Containers
from tests.deploy.programs import needed
from tests.deploy.test_prometheus import SCRAPES, prometheus, value
from tests.deploy.test_static import alerts, panels
from tests.service.pictures import jpeg
from tests.service.ports import free_port
from tests.service.test_http import JPEG
from tests.service.wire import wait_until

pytestmark = pytest.mark.deploy

TAG = "localhost/trackline:0.1.0"
RAY_TAG = f"{TAG}-ray"
MOST_BYTES = 1_150_000_000
"""Of the small image on Debian's base, which is some 100 MB larger than python:3.11-slim."""
NAMES = ("/usr/lib/cni/dnsname", "/usr/lib/podman/aardvark-dns")
"""What tells containers each other's addresses, by podman's two kinds of networks."""
LONG = 120.0
START = 300.0
FRAMES = 40


@pytest.fixture(scope="module")
def containers() -> Iterator[Containers]:
    for name in ("buildah", "podman", "mmdebstrap", "runc", "catatonit"):
        needed(name, name)
    folder = Path(tempfile.mkdtemp(prefix="trackline-containers-"))
    built = Containers(folder)
    try:
        yield built
    finally:
        built.remove()


@pytest.fixture(scope="module")
def size(containers: Containers) -> int:
    """Bytes of the small image, once it is built."""
    containers.build_base()
    return containers.build(TAG, TORCH_INDEX="", KEEP_TORCH="no", WEIGHTS=WEIGHTS)


@pytest.fixture(scope="module")
def ray_image(containers: Containers, size: int) -> None:
    """The small image with Ray in it, once it is built."""
    if not any(Path(program).exists() for program in NAMES):
        package = "golang-github-containernetworking-plugin-dnsname"
        pytest.skip(f"containers do not find each other by name here: apt-get install {package}")
    containers.build(
        RAY_TAG, TORCH_INDEX="", KEEP_TORCH="no", WEIGHTS=WEIGHTS, EXTRAS="postgresql ray"
    )


@pytest.fixture
def video() -> bytes:
    """Some real footage."""
    path = catalog.locate("sample-car-video")
    if path is None:
        pytest.skip("no sample-car-video here: trackline models pull sample-car-video")
    return path.read_bytes()


def test_the_image_is_small_and_has_nothing_to_build_with(
    containers: Containers, size: int
) -> None:
    assert size < MOST_BYTES
    script = "id -u; command -v gcc cc make pip; python -c 'import torch' 2>&1 | tail -1"
    user, *rest = containers.run("podman", "run", "--rm", TAG, "sh", "-c", script).splitlines()
    assert user == "10001"
    assert rest == ["ModuleNotFoundError: No module named 'torch'"]


def test_the_server_answers_from_outside_and_keeps_its_jobs(
    containers: Containers, size: int, video: bytes, tmp_path: Path
) -> None:
    project, port = f"trackline-{uuid.uuid4().hex[:8]}", free_port()
    variables = {"TRACKLINE_PORT": str(port), "TRACKLINE_EMBEDDER": "mobilenet"}
    name = f"{project}_trackline_1"
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LONG) as http:
        with containers.compose(project, "trackline", **variables):
            wait_until(lambda: ready(http), LONG)
            containers.run("podman", "healthcheck", "run", name)
            found = http.post("/v1/detect", content=jpeg(), headers=JPEG)
            assert found.is_success, found.text
            assert_followed(http, video)
            job = http.post("/v1/videos", params={"end": FRAMES}, content=video).json()
            tracks = http.get(job["links"]["tracks"]).text
            assert_scraped(tmp_path, http)
            # Last: a network that could not be loaded is not ready, and that is an alert.
            refused = http.post("/v1/models/ssdlite320/load")
            assert refused.json()["detail"].startswith("ssdlite320: needs the package torch")
            containers.run("podman", "stop", "--time", "20", name)
            state = containers.run("podman", "inspect", "--format={{.State.ExitCode}}", name)
            assert state.strip() == "0"
        with containers.compose(project, "trackline", **variables):
            wait_until(lambda: ready(http), LONG)
            assert http.get(job["links"]["tracks"]).text == tracks


def test_a_head_and_two_workers_answer_and_go_on_without_one_of_them(
    containers: Containers, ray_image: None, video: bytes
) -> None:
    project, port = f"trackline-{uuid.uuid4().hex[:8]}", free_port()
    nodes = ("ray-head", "ray-worker")
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=LONG) as http,
        containers.compose(project, *nodes, TRACKLINE_CLUSTER_PORT=str(port)),
    ):
        wait_until(lambda: ready(http), START)
        assert_followed(http, video)
        containers.run("podman", "kill", f"{project}_ray-worker_1")
        assert http.post("/v1/detect", content=jpeg(), headers=JPEG).is_success
        assert_followed(http, video)


def assert_followed(http: httpx.Client, video: bytes) -> None:
    """The video's tracks come, to their end."""
    lines = http.post("/v1/track", params={"end": FRAMES}, content=video).text.splitlines()
    assert [json.loads(line)["type"] for line in (lines[0], lines[-1])] == ["header", "end"]
    assert sum(len(json.loads(line).get("objects", ())) for line in lines) > FRAMES


def ready(http: httpx.Client) -> bool:
    """Whether the server is there and has a model."""
    try:
        return http.get("/v2/health/ready").is_success
    except httpx.TransportError:
        return False


def assert_scraped(folder: Path, http: httpx.Client) -> None:
    """A real Prometheus finds what the dashboard and the alerts ask for."""
    with prometheus(folder, http.base_url.netloc.decode()) as ask:
        wait_until(lambda: value(ask, "sum(trackline_requests_total)") > 0, SCRAPES)
        assert http.post("/v1/detect", content=jpeg(), headers=JPEG).is_success
        assert http.post("/v1/detect", content=b"no picture", headers=JPEG).is_error
        wait_until(lambda: value(ask, "sum(rate(trackline_requests_total[1m]))") > 0, SCRAPES)
        for query in panels():
            assert ask("query", query=query.replace("$__rate_interval", "1m"))["resultType"]
        for query in alerts():
            assert ask("query", query=query)["result"] == []
