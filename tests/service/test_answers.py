"""The shapes by which answers are described and read: real answers have all of it and no more."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from service.schemas import (
    LINE,
    Detected,
    DetectedSeveral,
    Info,
    Job,
    JobList,
    ModelEntry,
    ModelList,
    ProblemDocument,
    QueuedJob,
)
from service.schemas.shape import Shape
from tests.service.clips import clip
from tests.service.jobs_client import post, stream
from tests.service.live_client import LOSSLESS, finish, live, photo
from tests.service.pictures import jpeg
from tests.service.test_track import TRACK, lines_of
from tests.service.test_track_counts import ROOM, UPRIGHT


def assert_told(shape: type[Shape], answer: dict[str, Any]) -> None:
    """The answer is of the shape, and the shape leaves nothing of it out."""
    assert shape.model_validate(answer).model_dump(mode="json", exclude_unset=True) == answer


@pytest.mark.parametrize("times", [1, 2])
def test_pictures(client: httpx.Client, times: int) -> None:
    files = [("image", ("one.jpg", jpeg(), "image/jpeg"))] * times
    answer = client.post("/v1/detect", files=files).json()
    assert_told(Detected if times == 1 else DetectedSeveral, answer)


def test_every_line_of_a_stream_with_counts(client: httpx.Client) -> None:
    query = {"lines": json.dumps([UPRIGHT]), "zones": json.dumps([ROOM])}
    said = lines_of(client.post(TRACK, params=query, content=clip("mp4", 30)))
    assert any(line["counts"]["events"] for line in said[1:-1])
    for line in said:
        assert_told(type(LINE.validate_python(line)), line)


def test_the_last_line_of_a_video_that_is_cut(client: httpx.Client) -> None:
    said = lines_of(client.post(TRACK, content=clip("mp4", 30)[:-2000]))
    assert said[-1]["type"] == "error"
    assert_told(type(LINE.validate_python(said[-1])), said[-1])


def test_live_frames(client: httpx.Client) -> None:
    with live(str(client.base_url), LOSSLESS) as socket:
        socket.send(photo(0))
        for message in finish(socket):
            assert_told(type(LINE.validate_python(message)), message)


def test_jobs(client: httpx.Client) -> None:
    assert_told(QueuedJob, client.post("/v1/videos", content=clip("mp4", 5)).json())
    stream(client, post(client, 5))
    listed = client.get("/v1/videos").json()
    assert_told(JobList, listed)
    assert_told(Job, client.get(listed["videos"][0]["links"]["self"]).json())


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/models", ModelList),
        ("/v1/models/fake", ModelEntry),
        ("/v1/models/yolo26n", ModelEntry),
        ("/v1/info", Info),
        ("/nowhere", ProblemDocument),
    ],
)
def test_what_the_server_says_of_itself(
    client: httpx.Client, path: str, shape: type[Shape]
) -> None:
    assert_told(shape, client.get(path).json())
