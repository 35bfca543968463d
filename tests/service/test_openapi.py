"""The API's description is true: the committed file, every route, every example."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import jsonschema_rs
import pytest
from typer.testing import CliRunner

from service.cli import app as command_line

FILE = Path(__file__).resolve().parents[2] / "docs" / "openapi.json"
SCHEMA: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
OPERATIONS = {
    f"{method.upper()} {path}": operation
    for path, operations in SCHEMA["paths"].items()
    for method, operation in operations.items()
}
SELF_EVIDENT = ("/Alive", "/Ready", "/ModelReady", "/ServerMetadata")
"""Answers of so few members that an example would say nothing more."""
JOB = "/v1/videos/{job_id}"
ROUTES = {
    *("POST /v1/detect", "POST /v1/segment", "POST /v1/vision/detection", "POST /v1/track"),
    *("POST /v1/videos", "GET /v1/videos", f"GET {JOB}", f"DELETE {JOB}"),
    *(f"GET {JOB}/{name}" for name in ("tracks", "tracks.mot", "tracks.csv", "tracks.json")),
    f"GET {JOB}/annotated.mp4",
    *("GET /v1/models", "GET /v1/models/{name}"),
    *("POST /v1/models/{name}/load", "POST /v1/models/{name}/unload"),
    *("GET /v1/info", "GET /metrics", "GET /v2", "GET /v2/health/live", "GET /v2/health/ready"),
    *("GET /v2/models/{name}", "GET /v2/models/{name}/ready"),
}
KEYLESS = {"GET /v2/health/live", "GET /v2/health/ready"}


def contents() -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Every answer of every route: route and status, media type, description."""
    for route, operation in OPERATIONS.items():
        for status, response in operation["responses"].items():
            for media_type, content in response.get("content", {}).items():
                yield f"{route} {status}", media_type, content


def validator(schema: dict[str, Any]) -> Any:
    """A validator of a schema that may refer to the file's components."""
    return jsonschema_rs.validator_for(schema | {"components": SCHEMA["components"]})


def test_the_committed_file_is_what_the_command_writes(tmp_path: Path) -> None:
    written = tmp_path / "openapi.json"
    result = CliRunner().invoke(command_line, ["openapi", "-o", str(written)])
    assert result.exit_code == 0, result.output
    assert written.read_text(encoding="utf-8") == FILE.read_text(encoding="utf-8"), (
        "docs/openapi.json is not up to date: run `make openapi`"
    )


def test_a_server_says_what_the_file_says(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json() == SCHEMA


def test_every_route_is_described() -> None:
    assert OPERATIONS.keys() == ROUTES
    assert "/v1/live" in SCHEMA["info"]["description"]


@pytest.mark.parametrize("route", OPERATIONS)
def test_a_route_says_what_it_does_and_takes(route: str) -> None:
    operation = OPERATIONS[route]
    assert operation["summary"]
    assert operation["description"]
    assert operation["tags"][0] in {tag["name"] for tag in SCHEMA["tags"]}
    for parameter in operation.get("parameters", []):
        assert parameter["description"], parameter["name"]
    assert ("401" in operation["responses"]) == (route not in KEYLESS)
    assert operation.get("security") == ([] if route in KEYLESS else None)
    if route.startswith("POST") and "requestBody" in operation:
        assert {"multipart/form-data"} <= operation["requestBody"]["content"].keys()
        assert {"400", "408", "413", "415", "429", "503"} <= operation["responses"].keys()


def test_refusals_are_problem_documents_with_an_example() -> None:
    problem = validator({"$ref": "#/components/schemas/Problem"})
    refused = [(where, kind, one) for where, kind, one in contents() if where[-3:] >= "400"]
    assert len(refused) > len(OPERATIONS)
    for where, media_type, content in refused:
        assert media_type == "application/problem+json", where
        assert content["example"]["status"] == int(where[-3:])
        problem.validate(content["example"])


def test_answers_of_json_have_an_example_that_their_schema_allows() -> None:
    held = set()
    for where, media_type, content in contents():
        if where[-3:] >= "400" or media_type != "application/json":
            continue
        schema = content.get("schema", {})
        if schema.get("$ref", "").endswith(SELF_EVIDENT):
            continue
        name = content["examples"]["answer"]["$ref"].rpartition("/")[2]
        validator(schema).validate(SCHEMA["components"]["examples"][name]["value"])
        held.add(name)
    assert len(held) > 5


def test_streams_have_lines_that_their_schema_allows() -> None:
    lines = validator({"$ref": "#/components/schemas/Line"})
    streams = [one for one in contents() if one[1] == "application/x-ndjson"]
    assert len(streams) == 2
    for _, _, content in streams:
        assert content["itemSchema"] == {"$ref": "#/components/schemas/Line"}
        written = [json.loads(line) for line in content["example"].splitlines()]
        assert [line["type"] for line in written] == ["header", "frame", "end"]
        for line in written:
            lines.validate(line)


def test_the_pages_of_the_api_load_nothing_from_elsewhere(client: httpx.Client) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "https://" not in page.text
    assert "https://" not in page.headers["content-security-policy"]
    for name in ("swagger-ui-bundle.js", "swagger-ui.css"):
        assert f"/docs/assets/{name}" in page.text
        assert client.get(f"/docs/assets/{name}").is_success
