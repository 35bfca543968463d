"""Pages of other sites: a browser would send their requests, so the server has to refuse them."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.service.gate import WAIT
from tests.service.pictures import jpeg
from tests.service.serving import serving
from tests.service.test_http import assert_problem

OURS, THEIRS = "https://ours.test", "https://theirs.test"


@pytest.fixture(scope="module")
def http() -> Iterator[httpx.Client]:
    """A client of a server without keys that lets one other site in."""
    with (
        serving(cors_origins=OURS) as (address, _),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        yield http


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": THEIRS},
        {"Origin": "null"},
        {"Origin": THEIRS, "Sec-Fetch-Site": "cross-site"},
        {"Origin": THEIRS, "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize(
    "path", ["/v1/detect", "/v1/videos", "/v1/models/fake/unload", "/v1/models/fake/load"]
)
def test_a_page_of_another_site_gets_nothing_done(
    http: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    response = http.post(path, content=jpeg(), headers=headers)
    assert_problem(response, 403, "origin-forbidden")
    assert "access-control-allow-origin" not in response.headers
    assert http.get("/v2/models/fake/ready").is_success


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OURS, "Sec-Fetch-Site": "cross-site"},
        {"Origin": "http://behind.a.proxy", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_the_servers_own_page_and_what_is_no_browser_are_served(
    http: httpx.Client, headers: dict[str, str]
) -> None:
    own = {"Origin": str(http.base_url).rstrip("/")}
    for given in (headers, headers or own):
        assert http.post("/v1/detect", content=jpeg(), headers=given).is_success


def test_other_sites_are_told_no_before_they_send_anything(http: httpx.Client) -> None:
    asked = {"Access-Control-Request-Method": "DELETE"}
    for origin, allowed in ((OURS, True), (THEIRS, False)):
        response = http.options("/v1/videos/a", headers=asked | {"Origin": origin})
        assert (response.headers.get("access-control-allow-origin") == origin) is allowed
        assert "access-control-allow-credentials" not in response.headers


def test_reading_is_not_refused_and_not_shown_to_other_sites(http: httpx.Client) -> None:
    response = http.get("/v1/info", headers={"Origin": THEIRS, "Sec-Fetch-Site": "cross-site"})
    assert response.is_success
    assert "access-control-allow-origin" not in response.headers
