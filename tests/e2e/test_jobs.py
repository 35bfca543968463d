"""Jobs on the page: sent, watched, fetched, cancelled and deleted."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from playwright import sync_api

from models.fake import FakeDetector
from tests.e2e.conftest import Open, expect_said
from tests.service.clips import HEIGHT, WIDTH, clip
from tests.service.gate import WAIT, until
from tests.service.jobs_client import Steps
from tests.service.serving import serving

pytestmark = pytest.mark.browser


def jobs_of(address: str) -> list[dict[str, object]]:
    listed: list[dict[str, object]] = httpx.get(f"{address}/v1/videos", timeout=WAIT).json()[
        "videos"
    ]
    return listed


def has_begun(address: str, steps: Steps) -> bool:
    """Let one more frame through; whether the server tells of any."""
    steps.let(1)
    return int(str(jobs_of(address)[0]["frames_done"])) > 0


def fetched(page: sync_api.Page, row: sync_api.Locator, name: str) -> tuple[str, bytes]:
    with page.expect_download() as fetching:
        row.get_by_role("button", name=name).click()
    return fetching.value.suggested_filename, fetching.value.path().read_bytes()


def played(page: sync_api.Page, path: str) -> list[int]:
    """Width and height of a video that the browser has played to its end."""
    size: list[int] = page.evaluate(
        """path => new Promise((resolve, reject) => {
            const video = document.createElement("video");
            video.muted = true;
            video.playbackRate = 8;
            video.onended = () => resolve([video.videoWidth, video.videoHeight]);
            video.onerror = () => reject(new Error(video.error.message));
            video.src = path;
            video.play();
        })""",
        path,
    )
    return size


def test_a_job_runs_and_its_results_are_fetched_and_deleted(
    visit: Open, moving: Path, tmp_path: Path
) -> None:
    with serving(jobs_dir=tmp_path / "jobs") as (address, _):
        page = visit(address)
        page.get_by_role("link", name="Jobs").click()
        sync_api.expect(page.get_by_text("No jobs yet.")).to_be_visible()
        page.locator("#job-files").set_input_files(moving)
        row = page.get_by_role("listitem").filter(has_text="moving.mp4")
        sync_api.expect(row.locator(".status")).to_have_text("Done")
        (job,) = jobs_of(address)
        for kind, at in [("MOT", "tracks.mot"), ("CSV", "tracks.csv"), ("JSON", "tracks.json")]:
            name, data = fetched(page, row, kind)
            assert name == f"moving.{kind.lower()}"
            assert data == httpx.get(f"{address}/v1/videos/{job['id']}/{at}", timeout=WAIT).content
        row.get_by_role("checkbox", name="refined").check()
        assert fetched(page, row, "CSV")[0] == "moving.refined.csv"
        name, data = fetched(page, row, "Video")
        assert name == "moving.annotated.mp4"
        assert data[4:8] == b"ftyp"
        assert played(page, f"/v1/videos/{job['id']}/annotated.mp4") == [WIDTH, HEIGHT]

        row.get_by_role("button", name="Open").click()
        expect_said(page, "moving.mp4: 30 frames, 2 tracks")
        page.get_by_role("link", name="Jobs").click()
        row.get_by_role("button", name="Delete").click()
        assert len(jobs_of(address)) == 1, "deleted without being asked again"
        row.get_by_role("button", name="Delete it?").click()
        sync_api.expect(row).to_have_count(0)
        assert jobs_of(address) == []


def test_progress_is_shown_and_a_running_job_is_cancelled(visit: Open, tmp_path: Path) -> None:
    steps = Steps()
    path = tmp_path / "moving.mp4"
    path.write_bytes(clip("mp4", 300))
    with serving(lambda name: FakeDetector(steps, max_batch=1), jobs_dir=tmp_path / "jobs") as (
        address,
        _,
    ):
        page = visit(address)
        page.get_by_role("link", name="Jobs").click()
        page.locator("#job-files").set_input_files(path)
        row = page.get_by_role("listitem").filter(has_text="moving.mp4")
        sync_api.expect(row.locator(".status")).to_have_text("Running")
        until(lambda: has_begun(address, steps))
        sync_api.expect(row.locator("p").first).to_have_text(re.compile(r"^[1-9]\d* of 300"))
        share = float(row.get_by_role("progressbar").get_attribute("value") or 0)
        assert 0 < share < 1
        sync_api.expect(page.locator("#jobs-active")).to_have_text("1")
        row.get_by_role("button", name="Cancel").click()
        sync_api.expect(row).to_have_count(0)
        assert jobs_of(address) == []
        steps.let(1000)


def test_a_job_of_another_page_is_shown_without_its_video(
    visit: Open, moving: Path, tmp_path: Path
) -> None:
    with serving(jobs_dir=tmp_path / "jobs") as (address, _):
        httpx.post(f"{address}/v1/videos", content=moving.read_bytes(), timeout=WAIT)
        page = visit(f"{address}/#jobs")
        row = page.get_by_role("listitem").filter(has_text="Video ")
        row.get_by_role("button", name="Open").click()
        expect_said(page, "30 frames, 2 tracks")
        sync_api.expect(page.locator("#unplayable")).to_be_visible()
        sync_api.expect(page.get_by_role("button", name="Run as a job")).to_be_hidden()


def test_a_job_that_fails_says_why_and_one_that_is_refused_too(
    page: sync_api.Page, tmp_path: Path
) -> None:
    path = tmp_path / "no.mp4"
    path.write_text("no video at all")
    page.get_by_role("link", name="Jobs").click()
    page.locator("#job-files").set_input_files(path)
    row = page.get_by_role("listitem").filter(has_text="no.mp4")
    sync_api.expect(row.locator(".status")).to_have_text("Failed")
    sync_api.expect(row.get_by_role("alert")).to_contain_text("video")
    detail = {"title": "Too Many Requests", "detail": "32 jobs wait already; try again later"}
    page.route("**/v1/videos?*", lambda route: route.fulfill(status=429, body=json.dumps(detail)))
    page.locator("#job-files").set_input_files(path)
    sync_api.expect(page.get_by_text("32 jobs wait already")).to_be_visible()
