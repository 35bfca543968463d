"""Every error of the tree has an answer, and none tells of the inside of the server."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

import service.decoding.errors  # noqa: F401  # its classes belong to the tree
from models.errors import InvalidInput, ModelError, TracklineError, UnknownName, WeightsCorrupt
from service.errors import LOWER, ServiceError, headers_of, kind_of, problem, public_detail
from tests.service.gate import WAIT
from tests.service.serving import serving


def tree(root: type[TracklineError]) -> list[type[TracklineError]]:
    return [root, *(below for child in root.__subclasses__() for below in tree(child))]


CONTRACT = {400, 401, 403, 404, 408, 409, 413, 415, 422, 429, 500, 503, 507}


def of_models(error: type[TracklineError]) -> bool:
    return error.__module__ == "models.errors"


@pytest.mark.parametrize("error", [kind for kind in tree(TracklineError) if of_models(kind)])
def test_each_error_of_the_lower_layers_stands_in_the_table(error: type[TracklineError]) -> None:
    assert error in LOWER


@pytest.mark.parametrize("error", tree(ServiceError)[1:])
def test_each_refusal_has_a_status_of_the_contract_and_a_code(error: type[ServiceError]) -> None:
    assert error.status in CONTRACT
    assert error.status != 500
    assert error.code != ServiceError.code


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidInput("x"), 422),
        (UnknownName("x"), 422),
        (WeightsCorrupt("x"), 503),
        (ModelError("x"), 500),
        (ValueError("x"), 500),
        (KeyboardInterrupt(), 500),
    ],
)
def test_statuses(error: BaseException, status: int) -> None:
    assert kind_of(error).status == status


def test_a_subclass_without_an_entry_is_answered_as_its_ancestor() -> None:
    class Stranger(UnknownName):
        pass

    assert kind_of(Stranger("x")).code == "unknown-name"


@pytest.mark.parametrize(
    "error", [kind("/srv/secret.pt") for kind in (ModelError, OSError, WeightsCorrupt)]
)
def test_what_happens_inside_is_not_told(error: Exception) -> None:
    assert "secret" not in public_detail(error)


def test_problem_documents_have_the_members_of_rfc_9457() -> None:
    document = problem(404, "not-found", "there is no such thing", instance="/x", request_id="7")
    assert document == {
        "type": "urn:trackline:problem:not-found",
        "title": "Not Found",
        "status": 404,
        "detail": "there is no such thing",
        "instance": "/x",
        "request_id": "7",
    }


@pytest.mark.parametrize("status", [429, 503])
def test_what_may_work_later_says_when(status: int) -> None:
    assert int(headers_of(status)["Retry-After"]) >= 1


def test_why_the_disk_refused_is_in_the_log_alone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        serving(jobs_dir=tmp_path) as (address, app),
        httpx.Client(base_url=address, timeout=WAIT) as http,
    ):
        app.state.jobs.root = tmp_path / "not-there"
        answer = http.post("/v1/videos?embedder=none", content=b"GIF89a" + bytes(2000))
    assert answer.status_code == 507
    assert "not-there" not in answer.text
    assert "not-there" in caplog.text
