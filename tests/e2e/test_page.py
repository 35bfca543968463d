"""Pictures and videos on the page: listed, drawn in step, filtered, and given up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright import sync_api

from models.fake import FakeDetector
from tests.e2e.conftest import Open, expect_said, follow, painted
from tests.service.clips import clip
from tests.service.gate import Gate, until
from tests.service.serving import serving

pytestmark = pytest.mark.browser

UNEVEN = [40 * number + 2 * number**2 for number in range(30)]
"""Milliseconds of the frames of a clip that gets slower and slower."""

# Where the red rectangle is in the frame of the video that is on the screen, and where the left
# edge of what is drawn beside it is: in rows 30 to 50 there is nothing else.
RED_AND_BOX = """() => {
    const edge = (source, width, height, hit) => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [width, height];
        const context = canvas.getContext("2d");
        context.drawImage(source, 0, 0, width, height);
        const rows = context.getImageData(0, 30, width, 20).data;
        for (let x = 0; x < width; x += 1) {
            for (let y = 0; y < 20; y += 1) {
                const at = 4 * (y * width + x);
                if (hit(rows.subarray(at, at + 4))) return x;
            }
        }
        return null;
    };
    const video = document.getElementById("video");
    return [
        edge(video, 160, 120, ([r, g]) => r > 170 && g < 90),
        edge(document.getElementById("overlay"), 160, 120, (pixel) => pixel[3] > 100),
    ];
}"""


def count_requests(page: sync_api.Page, path: str) -> list[str]:
    """The addresses of the requests to a path from now on."""
    seen: list[str] = []
    page.on("request", lambda asked: seen.append(asked.url) if path in asked.url else None)
    return seen


def test_a_pictures_objects_are_listed_and_drawn(page: sync_api.Page, still: Path) -> None:
    page.locator("#file").set_input_files(still)
    sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
    assert sorted(page.locator("#rows tr td:first-child").all_inner_texts()) == ["green", "red"]
    assert painted(page) > 500
    expect_said(page, "fake took")


def test_confidence_and_classes_act_at_once_and_send_nothing(
    page: sync_api.Page, still: Path
) -> None:
    page.locator("#file").set_input_files(still)
    sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
    sent = count_requests(page, "/v1/detect")
    page.locator("#classes").get_by_role("button", name="red 1").click()
    sync_api.expect(page.locator("#caption")).to_have_text("1 object")
    page.locator("#classes").get_by_role("button", name="red").click()
    sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
    page.locator("#confidence").fill("0.95")
    sync_api.expect(page.locator("#caption")).to_have_text("0 objects")
    assert painted(page) == 0
    assert sent == []


def test_a_videos_tracks_are_listed_drawn_and_laid_out_in_time(
    page: sync_api.Page, moving: Path
) -> None:
    follow(page, moving)
    sync_api.expect(page.locator("#caption")).to_contain_text("2 tracks")
    assert page.locator("#rows tr").count() == 2
    lanes = page.locator("#lanes").get_by_role("button")
    sync_api.expect(lanes).to_have_count(2)
    sync_api.expect(lanes.first).to_have_accessible_name(
        re.compile(r"Track 1, (red|green), 0:0\d\.\d to 0:02\.9: go to it")
    )
    assert painted(page) > 500


@pytest.mark.parametrize("times", [None, UNEVEN], ids=["even", "uneven"])
def test_what_is_drawn_is_in_step_with_the_video(
    page: sync_api.Page, tmp_path: Path, times: list[int] | None
) -> None:
    path = tmp_path / "moving.mp4"
    path.write_bytes(clip("mp4", 30, times=times))
    follow(page, path)
    page.keyboard.press("Home")
    for number in range(1, 12):
        page.keyboard.press("ArrowRight")
        sync_api.expect(page.locator("#frame")).to_have_text(f"frame {number}")
    sync_api.expect(page.locator("#play")).to_have_accessible_name("Play")
    page.wait_for_function(f"() => ({RED_AND_BOX})()[0] === {10 + 2 * 11}")
    red, box = page.evaluate(RED_AND_BOX)
    assert abs(red - box) <= 1


def test_a_track_that_is_clicked_is_gone_to(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    page.keyboard.press("End")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 29")
    lane = page.locator("#lanes").get_by_role("button").last
    lane.click()
    sync_api.expect(page.locator("#frame")).to_have_text(re.compile("^frame [0-3]$"))
    sync_api.expect(lane).to_have_class(re.compile("chosen"))
    sync_api.expect(page.locator("#rows tr.chosen")).to_have_count(1)


def test_a_video_that_the_browser_cannot_play_is_still_drawn(
    page: sync_api.Page, tmp_path: Path
) -> None:
    path = tmp_path / "moving.avi"
    path.write_bytes(clip("avi", 30))
    follow(page, path)
    sync_api.expect(page.locator("#unplayable")).to_be_visible()
    page.keyboard.press("End")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 29")
    assert painted(page) > 500


def test_another_model_looks_at_the_same_video(visit: Open, moving: Path) -> None:
    with serving(lambda name: FakeDetector(), models="yolo11n,yolo26n") as (address, _):
        page = visit(address)
        sync_api.expect(page.locator("#health")).to_have_text("ready")
        sync_api.expect(page.locator("#model option")).to_have_count(2)
        follow(page, moving)
        sent = count_requests(page, "/v1/track")
        page.locator("#model").select_option("yolo26n")
        sync_api.expect(page.locator("#running")).to_be_visible()
        expect_said(page, "30 frames, 2 tracks")
        assert ["model=yolo26n" in url for url in sent] == [True]


def test_stopping_ends_the_session_on_the_server(visit: Open, moving: Path) -> None:
    gate = Gate()
    with serving(lambda name: FakeDetector(gate)) as (address, app):
        page = visit(address)
        sync_api.expect(page.locator("#health")).to_have_text("ready")
        gate.shut()
        page.locator("#file").set_input_files(moving)
        gate.wait_entered()
        until(lambda: app.state.sessions.count == 1)
        page.get_by_role("button", name="Stop").click()
        expect_said(page, "Cancelled.")
        gate.open()
        until(lambda: app.state.sessions.count == 0)


def test_what_is_no_picture_is_refused_in_plain_words(page: sync_api.Page, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no picture at all")
    page.locator("#file").set_input_files(path)
    sync_api.expect(page.locator("#message")).to_have_class("bad")
    expect_said(page, "picture")


HEADER = {"type": "header", "width": 160, "height": 120, "fps": 10, "frames": 30}
FRAME = {"type": "frame", "frame": 0, "time": 0.0, "objects": []}
FAILED = {"type": "error", "code": "model_failed", "message": "The model failed.", "frame": 1}


@pytest.mark.parametrize(
    ("last", "said"),
    [([], "The stream was cut after 1 frame"), ([FAILED], "The model failed.")],
    ids=["cut", "error"],
)
def test_a_stream_without_its_end_is_told_from_a_whole_one(
    page: sync_api.Page, moving: Path, last: list[object], said: str
) -> None:
    body = "".join(json.dumps(line) + "\n" for line in [HEADER, FRAME, *last])
    page.route("**/v1/track?*", lambda route: route.fulfill(body=body))
    page.locator("#file").set_input_files(moving)
    expect_said(page, said)
    sync_api.expect(page.locator("#message")).to_have_class("bad")


def test_a_video_does_not_run_on_beyond_what_was_answered(
    page: sync_api.Page, moving: Path
) -> None:
    body = "".join(
        json.dumps(line) + "\n"
        for line in [HEADER, *({**FRAME, "frame": n, "time": n / 10} for n in range(6))]
    )
    page.route("**/v1/track?*", lambda route: route.fulfill(body=body))
    page.locator("#file").set_input_files(moving)
    expect_said(page, "cut after 6 frames")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 5")
    sync_api.expect(page.locator("#play")).to_have_accessible_name("Play")
    time = page.locator("#video").evaluate("video => [video.paused, video.currentTime]")
    assert time == [True, pytest.approx(0.5, abs=0.1)]
