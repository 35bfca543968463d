"""What is made of a job that is done: tables, refined tracks, the annotated video."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.service.clips import HEIGHT, WIDTH, clip
from tests.service.gate import Gate
from tests.service.jobs_client import VIDEOS, job_server, post, status, stream
from tests.service.test_http import assert_problem
from tracker.mot import read_mot


@pytest.fixture(scope="module")
def done(client: httpx.Client) -> str:
    """The id of a job that is done, run with embeddings."""
    job_id = post(client, 30, "/v1/videos?embedder=colour")
    assert stream(client, job_id)[-1]["type"] == "end"
    return job_id


def pictures(video: bytes) -> list[NDArray[Any]]:
    """The frames of a video, as OpenCV has them."""
    with av.open(io.BytesIO(video), "r") as file:
        return [frame.to_ndarray(format="bgr24") for frame in file.decode(video=0)]


def test_mot_rows_are_the_objects_of_the_stream(
    client: httpx.Client, done: str, tmp_path: Path
) -> None:
    answer = client.get(f"/v1/videos/{done}/tracks.mot")
    assert answer.status_code == 200, answer.text
    path = tmp_path / "tracks.txt"
    path.write_text(answer.text)
    rows = read_mot(path)
    expected = [
        (frame["frame"] + 1, item["track_id"], item["box"]["x1"], item["box"]["y1"])
        for frame in stream(client, done)[1:-1]
        for item in frame["objects"]
    ]
    assert len(expected) > 40
    np.testing.assert_allclose(rows[:, :4], expected, atol=1e-3)


def test_csv_has_a_head_and_the_same_objects(client: httpx.Client, done: str) -> None:
    answer = client.get(f"/v1/videos/{done}/tracks.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    objects = [item for frame in stream(client, done)[1:-1] for item in frame["objects"]]
    assert [int(row["track_id"]) for row in rows] == [item["track_id"] for item in objects]
    assert {row["name"] for row in rows} == {"red", "green"}


def test_json_is_the_whole_stream_as_one_document(client: httpx.Client, done: str) -> None:
    header, *frames, end = stream(client, done)
    answer = client.get(f"/v1/videos/{done}/tracks.json")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == {"header": header, "frames": frames, "end": end}


def test_refined_boxes_are_nearer_to_the_truth(client: httpx.Client, done: str) -> None:
    path = f"/v1/videos/{done}/tracks.json"
    errors = []
    for refined in (False, True):
        document = client.get(path, params={"refined": refined}).json()
        assert [frame["frame"] for frame in document["frames"]] == list(range(30))
        assert document["end"]["tracks"] == 2
        left = [
            (item["box"]["x1"], 10 + 2 * frame["frame"])
            for frame in document["frames"]
            for item in frame["objects"]
            if item["name"] == "red"
        ]
        assert len(left) == 30
        errors.append(np.abs(np.subtract(*np.transpose(left))).mean())
    plain, better = errors
    assert better < plain


@pytest.mark.parametrize("kind", ["mot", "csv"])
def test_tables_of_refined_tracks_have_as_many_rows_as_the_document(
    client: httpx.Client, done: str, kind: str
) -> None:
    path, refined = f"/v1/videos/{done}/tracks", {"refined": True}
    document = client.get(f"{path}.json", params=refined).json()
    rows = client.get(f"{path}.{kind}", params=refined).text.splitlines()
    assert len(rows) - (kind == "csv") == sum(len(f["objects"]) for f in document["frames"])


def test_tracks_that_are_smoothed_already_are_not_refined(client: httpx.Client) -> None:
    job_id = post(client, target=VIDEOS + "&delay=3")
    assert stream(client, job_id)[-1]["type"] == "end"
    answer = client.get(f"/v1/videos/{job_id}/tracks.mot", params={"refined": True})
    assert answer.status_code == 422
    assert "delay" in answer.json()["detail"]


def test_more_objects_than_are_refined_are_413_and_had_as_they_are(tmp_path: Path) -> None:
    with job_server(tmp_path, max_refined_objects=7) as (http, _):
        job_id = post(http, 4)
        assert stream(http, job_id)[-1]["type"] == "end"
        path = f"/v1/videos/{job_id}/tracks.mot"
        refused = http.get(path, params={"refined": True})
        assert_problem(refused, 413, "too-large")
        assert "8 objects" in refused.json()["detail"]
        assert http.get(path).is_success


def test_the_annotated_video_has_every_frame_and_takes_ranges(
    client: httpx.Client, done: str
) -> None:
    before = status(client, done)["bytes"]
    answer = client.get(f"/v1/videos/{done}/annotated.mp4")
    assert answer.headers["content-type"] == "video/mp4"
    frames, sent = pictures(answer.content), pictures(clip("mp4", 30))
    assert len(frames) == 30
    assert frames[0].shape == (HEIGHT, WIDTH, 3)
    assert np.abs(frames[20].astype(int) - sent[20]).max() > 50
    part = client.get(f"/v1/videos/{done}/annotated.mp4", headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, answer.content[10:20])
    assert status(client, done)["bytes"] >= before + len(answer.content)


@pytest.mark.parametrize("container", ["matroska", "gif", "avi", "mpegts"])
def test_videos_of_every_kind_are_annotated(client: httpx.Client, container: str) -> None:
    job_id = client.post(VIDEOS, content=clip(container, 6)).json()["id"]
    assert stream(client, job_id)[-1]["type"] == "end"
    answer = client.get(f"/v1/videos/{job_id}/annotated.mp4")
    assert answer.status_code == 200, answer.text
    assert len(pictures(answer.content)) == 6


def test_a_job_without_a_frame_has_nothing_to_draw(client: httpx.Client) -> None:
    job_id = post(client, 5, target=VIDEOS + "&start=50")
    assert stream(client, job_id)[-1]["frames"] == 0
    answer = client.get(f"/v1/videos/{job_id}/annotated.mp4")
    assert answer.status_code == 422
    assert "no frame" in answer.json()["detail"]


def test_results_are_409_until_the_job_is_done(tmp_path: Path, gate: Gate) -> None:
    with job_server(tmp_path, gate) as (http, _):
        gate.shut()
        job_id = post(http)
        for name in ("tracks.mot", "tracks.csv", "tracks.json", "annotated.mp4"):
            answer = http.get(f"/v1/videos/{job_id}/{name}")
            assert answer.status_code == 409
            assert answer.headers["content-type"] == "application/problem+json"
        gate.open()
        assert stream(http, job_id)[-1]["type"] == "end"
        assert http.get(f"/v1/videos/{job_id}/tracks.mot").status_code == 200


def test_the_parts_of_the_api_page_name_every_route(client: httpx.Client) -> None:
    paths = json.loads(client.get("/openapi.json").text)["paths"]
    own = "/v1/videos/{job_id}"
    named = {path: set(methods) for path, methods in paths.items() if path.startswith("/v1/videos")}
    assert named == {
        "/v1/videos": {"get", "post"},
        own: {"get", "delete"},
        **{f"{own}/tracks{end}": {"get"} for end in ("", ".mot", ".csv", ".json")},
        f"{own}/annotated.mp4": {"get"},
    }
